//! `manifest.empty`: nothing of a manifest is on a host, so that a test of it may begin.

use super::given::OnHost;
use super::known::{Known, OnNode, ids};
use crate::action::mark;
use crate::action::tofu::is_free;
use crate::action::{About, Action, Done, StepContext};
use crate::diag::{Exit, StepError, say};
use crate::pve;

/// `manifest.empty`
#[derive(Debug, Clone, Copy)]
pub struct Empty;

impl Action for Empty {
    fn about(&self) -> About {
        About::of::<OnHost>("manifest.empty")
            .doc("fails when anything of a manifest is there that this run did not make")
            .checks()
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let on: OnHost = ctx.inputs()?;
        let known = Known::read(ctx, &on)?;
        // States and records tell it without the node; one that cannot be asked is what
        // the checks after this one tell.
        nothing_stands(ctx, &on, &known, None)?;
        let client = ctx.pve();
        let client = client.ok().filter(|client| {
            let asked = client.cluster_resources_vms();
            asked.is_ok()
        });
        nothing_stands(ctx, &on, &known, client.as_ref())?;
        Ok(Done::new(match client {
            Some(_) => "nothing of it is here",
            None => "nothing of it is in a state; the node cannot be asked yet",
        })
        .changed(false))
    }
}

/// A test destroys what it made, and so it makes all of it. Without `client` only states
/// are looked at.
///
/// # Errors
/// Something is there that this run did not make (77, all of it).
pub(super) fn nothing_stands(
    ctx: &StepContext<'_>,
    on: &OnHost,
    known: &Known,
    client: Option<&pve::Client>,
) -> Result<(), StepError> {
    let on_node = client.map(pve::Client::cluster_resources_vms).transpose()?;
    let mut standing = Vec::new();
    for given in on.own() {
        let name = &given.machine.name;
        let key = on.key(name);
        let is_ours = |text: Option<&str>| mark::has(text, ctx.run_id, &key);
        if let Some(vm) = known.made(name)
            && !is_ours(vm.description.as_deref())
        {
            standing.push(format!("`{name}` ({}), in its state", vm.id()));
            continue;
        }
        let (Some(client), Some(on_node)) = (client, &on_node) else {
            continue;
        };
        let wanted = given.machine.vmid.into_iter();
        let wanted: Vec<u32> = wanted.chain(ids(ctx, &key, known, name)).collect();
        for vm in on_node.iter().filter(|vm| wanted.contains(&vm.vmid)) {
            let found = OnNode { client, vm };
            if !found.is_of(ctx.run_id, &key)? {
                standing.push(format!("`{name}`: {} is on `{}`", found.words(), vm.node));
                break;
            }
        }
        // What the token may not see is not listed.
        if let Some(vmid) = given.machine.vmid
            && !on_node.iter().any(|vm| vm.vmid == vmid)
            && !is_free(client, vmid)?
        {
            standing.push(format!(
                "`{name}`: {vmid} is held by something that the token may not see"
            ));
        }
    }
    let states = known.states.iter();
    let others = states.filter(|(name, state)| state.resources > 0 && !on.names(name));
    standing.extend(others.map(|(name, _)| format!("`{name}`, in a state")));
    if standing.is_empty() {
        return Ok(());
    }
    let OnHost { manifest, node, .. } = on;
    let mut error = StepError::new(format!(
        "a test of `{manifest}` begins where nothing of it is on `{node}`, and {} there",
        match standing.len() {
            1 => "1 machine is".to_owned(),
            count => format!("{count} machines are"),
        }
    ))
    .exit(Exit::NotApproved)
    .help(say("destroy what there is: ").hl(format!("destroy -M {manifest} -H {node}")))
    .says_all();
    error.tail = standing;
    Err(error)
}
