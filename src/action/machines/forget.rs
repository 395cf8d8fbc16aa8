//! `machine.forget`: what is kept of a machine that was destroyed goes with it.

use super::known::Known;
use super::remove::{One, forget_files};
use crate::action::{About, Action, Done, StepContext};
use crate::diag::{StepError, hl};
use crate::handoff::{Gives, Handoff, Stage};

/// `machine.forget`
#[derive(Debug, Clone, Copy)]
pub struct ForgetMachine;

impl Action for ForgetMachine {
    fn about(&self) -> About {
        About::of::<One>("machine.forget")
            .doc("removes the state of a machine that was destroyed")
            .hands_on(Handoff::part(Stage::Terraform).giving(Gives::Removed))
            .never("it looks at what there is now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let one: One = ctx.inputs()?;
        Ok(Done::not_planned(format!("would forget `{}`", one.name)))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let one: One = ctx.inputs()?;
        let known = Known::of_node(ctx, &one.on(), &one.name)?;
        if known.holds(&one.name) {
            let message = format!("the state of `{}` still holds something", one.name);
            return Err(StepError::new(message).help(hl(ctx.step.recipe.as_str())));
        }
        forget_files(ctx, &one.on().key(&one.name))?;
        Ok(one.removed("destroyed").changed(true))
    }
}
