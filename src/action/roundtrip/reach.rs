//! `machine.reach`: one machine answers over ssh.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::action::{About, Action, Done, MachineInventory, SshWait, StepContext};
use crate::diag::StepError;

/// `machine.reach`
#[derive(Debug, Clone, Copy)]
pub struct MachineReach;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Name of the machine's state.
    #[schemars(length(max = 300))]
    key: String,
    /// Name of the machine.
    #[schemars(length(max = 100))]
    name: String,
    /// Its fixed address with a prefix, or `dhcp`.
    ip: String,
    /// What it told, as `vm.wait` publishes it: addresses by name.
    addresses: Map<String, Value>,
}

impl Action for MachineReach {
    fn about(&self) -> About {
        About::of::<Inputs>("machine.reach")
            .doc("wait until a machine answers over ssh; publishes its `inventory`")
            .undoes_nothing()
            .never("it looks whether it answers now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        Ok(Done::not_planned(format!(
            "would wait for `{}`",
            inputs.name
        )))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let with = json!({
            "key": inputs.key,
            "name": inputs.name,
            "type": "vm",
            "ip": inputs.ip,
            "addresses": inputs.addresses,
        });
        let rendered = MachineInventory.run(&ctx.with_inputs(with))?;
        let inventory = rendered.outputs.get("inventory").cloned();
        let inventory = inventory.unwrap_or_default();
        let reached = SshWait.run(&ctx.with_inputs(json!({ "inventory": inventory })))?;
        Ok(reached.output("inventory", inventory))
    }
}
