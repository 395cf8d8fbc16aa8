//! Steps that end without having started come in crowds: after Ctrl-C, after
//! a failure, where a template is up to date. One line for each recipe.

use super::Ended;
use crate::plan::Status;

/// Neighbours of one recipe that ended the same way without having started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unstarted {
    /// How.
    pub(super) status: Status,
    /// The recipe's part of the step ids: `l1-ensure(debian-13)`.
    pub(super) recipe: String,
    /// The steps' own names.
    pub(super) steps: Vec<String>,
    /// Why the first one did not start; that of the others follows from it.
    pub(super) reason: String,
    /// How many steps of the run have ended, with these; none when these are not
    /// counted.
    pub(super) ended: Option<usize>,
}

impl Unstarted {
    /// A crowd of one.
    pub(super) fn new(step: &Ended, ended: Option<usize>) -> Self {
        let (recipe, name) = parts(step);
        Self {
            status: step.status,
            recipe: recipe.to_owned(),
            steps: vec![name.to_owned()],
            reason: step.summary.clone(),
            ended,
        }
    }

    /// Takes one more in, if it belongs here.
    pub(super) fn join(&mut self, step: &Ended, ended: Option<usize>) -> bool {
        let (recipe, name) = parts(step);
        let belongs = self.status == step.status
            && self.recipe == recipe
            // What was skipped has a reason of its own.
            && (self.reason == step.summary || self.status != Status::Skipped);
        if belongs {
            self.steps.push(name.to_owned());
            self.ended = ended;
        }
        belongs
    }

    /// `l2-apply/plan`, or `l2-apply: plan, apply, outputs`.
    pub(super) fn name(&self) -> String {
        match self.steps.as_slice() {
            [only] if self.recipe.is_empty() => only.clone(),
            [only] => format!("{}/{only}", self.recipe),
            steps => format!("{}: {}", self.recipe, steps.join(", ")),
        }
    }
}

fn parts(step: &Ended) -> (&str, &str) {
    step.step
        .as_str()
        .split_once('/')
        .unwrap_or(("", step.step.as_str()))
}
