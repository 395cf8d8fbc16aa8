//! `roundtrip.check`: the environment, its machine and the controller are described.

use schemars::JsonSchema;
use serde::Deserialize;

use super::machine::{machine, server, token, told};
use crate::action::{About, Action, Done, StepContext};
use crate::diag::StepError;

/// `roundtrip.check`
#[derive(Debug, Clone, Copy)]
pub struct RoundtripCheck;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Environment, e.g. `test`; it has one machine.
    #[schemars(length(max = 100))]
    env: String,
    /// What the machine's state is kept under.
    #[schemars(length(max = 100))]
    group: String,
    /// Proxmox node.
    #[schemars(length(max = 100))]
    node: String,
    /// `NAME=ID`: another id for the machine.
    #[serde(default)]
    vm_id: String,
}

impl Action for RoundtripCheck {
    fn about(&self) -> About {
        About::of::<Inputs>("roundtrip.check")
            .doc(
                "the one machine of an environment, and the controller that it asks, are described; \
                 publishes `machine`, `name`, `image`, `ip`, `server` and the `key` of its state",
            )
            .checks()
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let vm = machine(ctx, &inputs.env, &inputs.vm_id)?;
        let server = server(ctx)?;
        let (_, warnings) = token(ctx, &inputs.env, &vm.name)?;
        let key = format!("{}/{}/{}", inputs.group, inputs.node, vm.name);
        let mut done = Done::new(format!("`{}`, which asks {server}", vm.name));
        for warning in warnings {
            done = done.warn(warning);
        }
        Ok(done
            .output("machine", told(&vm))
            .output("ip", vm.ip.to_string())
            .output("image", vm.image)
            .output("name", vm.name)
            .output("server", server)
            .output("key", key))
    }
}
