//! `machine.inside`: a machine in a Proxmox VE that is a machine of the manifest itself.
//! It is planned, so that a dry run shows it; `manifest.approve` lets none begin yet.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::action::tofu::NodeMachine;
use crate::action::{About, Action, Done, StepContext};
use crate::diag::{Exit, StepError};

/// `machine.inside`
#[derive(Debug, Clone, Copy)]
pub struct Inside;

#[derive(Debug, Deserialize, JsonSchema)]
struct Inputs {
    /// The machine that it is in.
    #[schemars(length(max = 100))]
    parent: String,
    /// The machine.
    machine: NodeMachine,
}

impl Action for Inside {
    fn about(&self) -> About {
        About::of::<Inputs>("machine.inside")
            .doc("a machine inside of a Proxmox VE that is made first: shown by a dry run")
            .undoes_nothing()
            .never("it is made where its parent is")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let Inputs { parent, machine } = ctx.inputs()?;
        Ok(Done::not_planned(format!(
            "{} from {}, inside of `{parent}`, which is made first",
            machine.size(),
            machine.image
        )))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let Inputs { parent, machine } = ctx.inputs()?;
        let message = format!("`{}` cannot be made inside of `{parent}` yet", machine.name);
        Err(StepError::new(message).exit(Exit::Definition))
    }
}
