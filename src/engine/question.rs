//! A question of a step: one at a time, and journaled with its answer.

use std::sync::PoisonError;

use super::setup::{Answer, Asked};
use super::shared::Shared;
use super::step_output::StepOutput;
use crate::action::Approval;
use crate::plan::EventKind;

/// What is asked of a step.
pub(super) struct Question<'q> {
    pub(super) approval: &'q Approval,
    /// Digest of all that is to be approved.
    pub(super) digest: String,
    /// An approval given in advance holds for it.
    pub(super) covered: bool,
    /// Whether to run again what may have done its work.
    pub(super) again: bool,
}

/// Asks, and waits for the answer. Nobody is asked once the step is `stopped`.
pub(super) fn ask(
    run: &Shared<'_>,
    step_output: &StepOutput<'_, '_>,
    question: &Question<'_>,
    stopped: &dyn Fn() -> bool,
) -> Answer {
    let _turn = run.asking.lock().unwrap_or_else(PoisonError::into_inner);
    if stopped() {
        return Answer {
            approved: false,
            by: "the run was stopped".to_owned(),
        };
    }
    step_output.emit(EventKind::ApprovalAsked {
        summary: question.approval.summary.clone(),
        digest: Some(question.digest.clone()),
        again: question.again,
    });
    let answer = run.setup.approver.ask(&Asked {
        step: step_output.step,
        approval: question.approval,
        digest: &question.digest,
        covered: question.covered,
        stopped,
    });
    step_output.emit(EventKind::ApprovalGiven {
        approved: answer.approved,
        by: answer.by.clone(),
    });
    answer
}
