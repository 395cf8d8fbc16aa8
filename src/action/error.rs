//! Why a step did not succeed.

use crate::diag::{Exit, Failure};

/// What kind of end it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cause {
    /// It failed.
    #[default]
    Failed,
    /// It failed in a way that may pass (network, lock, rate limit).
    Transient,
    /// The user stopped it.
    Cancelled,
    /// It ran into its timeout and was interrupted.
    TimedOut,
}

/// A failed step: what happened, what to do, the last lines of output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// One line, rules as for [`crate::diag::Diagnostic`].
    pub message: String,
    /// Commands or edits that help.
    pub help: Vec<String>,
    /// Last lines of the tool's output, most telling last.
    pub tail: Vec<String>,
    /// What this failure does to the exit code.
    pub exit: Exit,
    /// What kind of end.
    pub cause: Cause,
}

impl StepError {
    /// A failure (exit 1 unless changed).
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: Vec::new(),
            tail: Vec::new(),
            exit: Exit::Child(1),
            cause: Cause::Failed,
        }
    }

    /// Adds help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Sets the exit.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Sets the kind.
    #[must_use]
    pub fn cause(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// Sets the last lines of output.
    #[must_use]
    pub fn tail(mut self, tail: Vec<String>) -> Self {
        self.tail = tail;
        self
    }

    /// A file could not be read or written.
    pub fn io(what: &str, path: impl std::fmt::Display, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
        let unwritable = matches!(
            error.kind(),
            StorageFull | ReadOnlyFilesystem | PermissionDenied
        );
        let exit = if unwritable {
            Exit::CannotWrite
        } else {
            Exit::Child(1)
        };
        Self::new(format!("cannot {what} `{path}`: {error}")).exit(exit)
    }
}

/// A finding of a lower room, as a failed step: the message with its place,
/// and its help.
impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        let mut error = Self::new(failure.to_string()).exit(failure.exit);
        if let [only] = failure.diagnostics.as_slice()
            && let Some(place) = &only.place
        {
            let (line, column) = place.line_column();
            error.message = format!("{}:{line}:{column}: {}", place.path(), only.message);
        }
        error.help = failure
            .diagnostics
            .into_iter()
            .flat_map(|d| d.notes.into_iter().chain(d.help))
            .collect();
        error
    }
}
