//! How a step ended, before it is told.

use camino::Utf8PathBuf;

use super::reuse::reason;
use crate::action::{Done, Instead};
use crate::diag::{Advice, Cause, Exit, StepError};
use crate::plan::{PriorResult, Status, StepEnd};

/// How a step ended.
#[derive(Debug)]
pub(super) struct End {
    /// As it is told, but not redacted; advice is added when it is told.
    pub(super) told: StepEnd,
    /// Completes "`step`, which ...".
    pub(super) how: &'static str,
    pub(super) warnings: Vec<Advice>,
    pub(super) temporary: Vec<Utf8PathBuf>,
    pub(super) error: Option<StepError>,
}

impl End {
    pub(super) fn new(status: Status, summary: impl Into<String>) -> Self {
        Self {
            told: StepEnd::new(status, summary),
            how: "was skipped",
            warnings: Vec::new(),
            temporary: Vec::new(),
            error: None,
        }
    }

    /// An earlier result that stands.
    pub(super) fn reused(before: &PriorResult) -> Self {
        let mut end = Self::new(Status::Skipped, reason(before));
        end.told.outputs.clone_from(&before.outputs);
        end.told.fingerprint.clone_from(&before.fingerprint);
        end
    }

    pub(super) fn failed(error: StepError) -> Self {
        let (status, how) = match (error.cause, error.exit) {
            (Cause::Cancelled, Exit::NotApproved) => (Status::Cancelled, "was not approved"),
            (Cause::Cancelled, _) => (Status::Cancelled, "was stopped"),
            (Cause::TimedOut, _) => (Status::Failed, "ran into its timeout"),
            (Cause::Failed | Cause::Transient, _) => (Status::Failed, "failed"),
        };
        let mut end = Self::new(status, error.message.clone());
        end.how = how;
        end.told.outputs.clone_from(&error.outputs);
        end.error = Some(error);
        end
    }

    pub(super) fn done(done: Done) -> Self {
        let (status, summary) = match done.instead {
            None => (Status::Succeeded, done.summary),
            Some(Instead::Skipped(reason)) => (Status::Skipped, reason),
            Some(Instead::NotPlanned(reason)) => (Status::NotPlanned, reason),
        };
        let mut end = Self::new(status, summary);
        end.told.changed = done.changed;
        end.told.outputs = done.outputs;
        end.warnings = done.warnings;
        end.temporary = done.temporary;
        end
    }

    /// What it does to the exit code. A step that was only stopped does nothing
    /// to it: the stop does.
    pub(super) fn exit(&self) -> Option<Exit> {
        let error = self.error.as_ref()?;
        match (self.told.status, error.exit) {
            (Status::Cancelled, Exit::NotApproved) => Some(Exit::NotApproved),
            (Status::Failed, exit) if exit.code() == 0 => Some(Exit::Child(1)),
            (Status::Failed, exit) => Some(exit),
            _ => None,
        }
    }
}
