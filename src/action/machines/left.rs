//! `manifest.left`: looks whether anything of a manifest is left on a host, and names it.

use super::given::OnHost;
use super::known::{Known, OnNode, ids};
use crate::action::mark;
use crate::action::{About, Action, Done, StepContext};
use crate::diag::{Exit, StepError, hl};

/// `manifest.left`
#[derive(Debug, Clone, Copy)]
pub struct Left;

impl Action for Left {
    fn about(&self) -> About {
        About::of::<OnHost>("manifest.left")
            .doc("fails when anything of a manifest is left, and names it")
            .checks()
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let _: OnHost = ctx.inputs()?;
        Ok(Done::not_planned("known when it has been destroyed"))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let on: OnHost = ctx.inputs()?;
        let known = Known::read(ctx, &on)?;
        let client = ctx.lasting_pve()?;
        let on_node = client.cluster_resources_vms()?;
        let mut left = Vec::new();
        for (name, state) in &known.states {
            for vm in state.vms.values() {
                left.push(format!("`{name}` ({}) is in its state", vm.id()));
            }
            if state.vms.is_empty() && state.resources > 0 {
                left.push(format!(
                    "the state of `{name}` holds {} resources",
                    state.resources
                ));
            }
        }
        for given in on.own() {
            let name = &given.machine.name;
            let key = on.key(name);
            if known.holds(name) {
                continue;
            }
            let ids = ids(ctx, &key, &known, name);
            let wanted: Vec<u32> = given.machine.vmid.into_iter().chain(ids).collect();
            for vm in on_node.iter().filter(|vm| wanted.contains(&vm.vmid)) {
                let found = OnNode {
                    client: &client,
                    vm,
                };
                let config = found.config()?;
                let text = config.and_then(|config| config.text("description"));
                if mark::is_of_node(text.as_deref(), &key) {
                    left.push(format!(
                        "`{name}`: {} is on `{}`, and in no state",
                        found.words(),
                        vm.node
                    ));
                }
            }
        }
        if left.is_empty() {
            return Ok(Done::new("nothing is left"));
        }
        let OnHost { manifest, node, .. } = &on;
        let message = match left.len() {
            1 => format!("of `{manifest}` on `{node}` 1 machine is left"),
            count => format!("of `{manifest}` on `{node}` {count} machines are left"),
        };
        let mut error = StepError::new(message).exit(Exit::Runway).says_all();
        error.tail = left;
        let mut states = known.states.iter();
        if states.any(|(name, state)| state.resources > 0 && !on.names(name)) {
            error = error.help(format!(
                "what `{manifest}` does not name any more goes when it is named again, and destroyed"
            ));
        }
        Err(error.help(hl(format!("destroy -M {manifest} -H {node}")).say(" tries once more")))
    }
}
