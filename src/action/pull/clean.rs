//! `pull.clean`: the snippet of a machine that followed it, or that is to go, is gone
//! from the node.

use schemars::JsonSchema;
use serde::Deserialize;

use super::place::{file_name, volumes};
use super::remove_snippet;
use crate::action;
use crate::action::{About, Action, Done, StepContext};
use crate::diag::StepError;

/// `pull.clean`
#[derive(Debug, Clone, Copy)]
pub struct PullClean;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Name of the machine's state.
    #[schemars(length(max = 300))]
    key: String,
    /// Proxmox node.
    #[schemars(length(max = 100))]
    node: String,
    /// Name of the machine.
    #[schemars(length(max = 100))]
    name: String,
}

impl Action for PullClean {
    fn about(&self) -> About {
        About::of::<Inputs>("pull.clean")
            .doc(
                "removes the snippet of `pull.snippet` from the node and from the settings of its \
                 machine; it may hold a token",
            )
            .repeatable()
            .undoes_nothing()
            .never("it looks what is there now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let node = action::site::node(ctx, &inputs.node);
        let file = file_name(&inputs.key, &inputs.name);
        let found = volumes(&ctx.pve()?, node, &file)?;
        Ok(match found.first() {
            Some(volid) => Done::new(format!("would remove `{volid}`")).changed(true),
            None => Done::skipped("there is no snippet").changed(false),
        })
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        match remove_snippet(ctx, &inputs.node, &inputs.key, &inputs.name)? {
            0 => Ok(Done::skipped("there is no snippet").changed(false)),
            _ => Ok(Done::new(format!("the snippet of `{}` is gone", inputs.name)).changed(true)),
        }
    }
}
