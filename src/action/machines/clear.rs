//! `machine.clear`: what an earlier part of this run left half-made goes, so that it can
//! be made whole. What is in a state is tofu's to mend.

use super::known::Known;
use super::remove::{One, delete_own};
use crate::action::{About, Action, Done, StepContext};
use crate::diag::StepError;

/// `machine.clear`
#[derive(Debug, Clone, Copy)]
pub struct ClearMachine;

impl Action for ClearMachine {
    fn about(&self) -> About {
        About::of::<One>("machine.clear")
            .doc("deletes a machine that an earlier part of this run left half-made")
            .repeatable()
            .undoes_nothing()
            .never("it looks at what there is now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let _: One = ctx.inputs()?;
        Ok(Done::new("nothing is half-made").changed(false))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let one: One = ctx.inputs()?;
        let key = one.on().key(&one.name);
        let known = Known::of_node(ctx, &one.on(), &one.name)?;
        if known.holds(&one.name) {
            return Ok(Done::new("its state knows it").changed(false));
        }
        let (deleted, _) = delete_own(ctx, &known, &one, &key)?;
        Ok(if deleted.is_empty() {
            Done::new("nothing is half-made").changed(false)
        } else {
            Done::new(format!(
                "deleted {}, which was half-made",
                deleted.join(", ")
            ))
            .changed(true)
        })
    }
}
