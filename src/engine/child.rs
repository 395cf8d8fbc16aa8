//! What is said of a child, and how often it is looked at.

use std::time::Duration;

use crate::action::ChildSpec;
use crate::base::quoted;
use crate::diag::{Cause, StepError};

/// How often a running child's spool is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(30);

pub(super) fn not_finished(spec: &ChildSpec) -> StepError {
    StepError::new(format!("`{}` was stopped", spec.program)).cause(Cause::Cancelled)
}

/// The command as a shell would take it, for the log.
pub(super) fn command_line(spec: &ChildSpec) -> String {
    let words = std::iter::once(&spec.program).chain(&spec.args);
    words.map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}
