//! Steps that end without having started come in crowds: after Ctrl-C, after
//! a failure, where a template is up to date. One line for each recipe.

use crate::plan::{Status, StepEnd, StepId};

/// Neighbours of one recipe that ended the same way without having started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotStartedGroup {
    /// How.
    pub(super) status: Status,
    /// The recipe's part of the step ids: `l1-ensure(debian-13)`.
    pub(super) recipe: String,
    /// The steps.
    pub(super) steps: Vec<StepId>,
    /// Why the first one did not start; that of the others follows from it.
    pub(super) reason: String,
    /// How many steps of the run have ended, with these; none when these are not
    /// counted.
    pub(super) ended: Option<usize>,
}

impl NotStartedGroup {
    /// A crowd of one.
    pub(super) fn new(step: &StepId, end: &StepEnd, ended: Option<usize>) -> Self {
        Self {
            status: end.status,
            recipe: step.recipe().to_owned(),
            steps: vec![step.clone()],
            reason: end.summary.clone(),
            ended,
        }
    }

    /// Takes one more in, if it belongs here.
    pub(super) fn join(&mut self, step: &StepId, end: &StepEnd, ended: Option<usize>) -> bool {
        let belongs = self.status == end.status
            && self.recipe == step.recipe()
            // What was skipped has a reason of its own.
            && (self.reason == end.summary || self.status != Status::Skipped);
        if belongs {
            self.steps.push(step.clone());
            self.ended = ended;
        }
        belongs
    }

    /// `l2-apply/plan`, or `l2-apply: plan, apply, outputs`.
    pub(super) fn name(&self) -> String {
        match self.steps.as_slice() {
            [only] => only.to_string(),
            steps => {
                let names: Vec<&str> = steps.iter().map(StepId::name).collect();
                format!("{}: {}", self.recipe, names.join(", "))
            }
        }
    }
}
