//! Why a step did not succeed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::base::remedy;
use crate::diag::{Advice, Commands, Exit, Failure, render};

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
    pub help: Vec<Advice>,
    /// Last lines of the tool's output, most telling last.
    pub tail: Vec<String>,
    /// The message says all: what the tool wrote before is not repeated.
    pub says_all: bool,
    /// What this failure does to the exit code.
    pub exit: Exit,
    /// What kind of end.
    pub cause: Cause,
    /// What is there although it failed. Told, and not for later steps.
    pub outputs: BTreeMap<String, Value>,
}

impl StepError {
    /// A failure (exit 1 unless changed).
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: Vec::new(),
            tail: Vec::new(),
            says_all: false,
            exit: Exit::Child(1),
            cause: Cause::Failed,
            outputs: BTreeMap::new(),
        }
    }

    /// Adds help.
    #[must_use]
    pub fn help(mut self, help: impl Into<Advice>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds help, as much as there is.
    #[must_use]
    pub fn helps(self, helps: impl IntoIterator<Item = impl Into<Advice>>) -> Self {
        helps.into_iter().fold(self, Self::help)
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

    /// Without the tool's output: it has nothing to do with the failure.
    #[must_use]
    pub fn says_all(mut self) -> Self {
        self.says_all = true;
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
        let failed = Self::new(format!("cannot {what} `{path}`: {error}")).exit(exit);
        match remedy(error) {
            Some(remedy) => failed.help(remedy),
            None => failed,
        }
    }
}

/// What was found in a file, as a failed step: one finding keeps its words and
/// its place, several are listed as text.
impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        let error = match failure.diagnostics.as_slice() {
            [one] => {
                let place = one.place.as_ref().map_or_else(String::new, |place| {
                    let (line, column) = place.line_column();
                    format!("{}:{line}:{column}: ", place.path())
                });
                let mut error = Self::new(format!("{place}{}", one.message));
                let notes = one.notes.iter().map(Advice::from);
                error.help = notes.chain(one.help.iter().cloned()).collect();
                error
            }
            many => {
                let mut error = Self::new(format!("{} errors", many.len()));
                // Whose commands help, is known where the step has ended.
                let mut told = failure.clone();
                for finding in &mut told.diagnostics {
                    for help in std::mem::take(&mut finding.help) {
                        if !error.help.contains(&help) {
                            error.help.push(help);
                        }
                    }
                }
                let lines = render(&told, false, Commands::Live);
                error.tail(lines.lines().map(str::to_owned).collect())
            }
        };
        error.exit(failure.exit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Diagnostic, Source};

    #[test]
    fn findings_keep_their_exit_their_place_and_their_help() {
        let source = Source::new("site/envs/dev.yaml", "vms:\n  - nmae: x\n");
        let finding = |text: &str| Diagnostic::error(text).at(source.at(9..13, ""));
        let one = Failure::new(
            Exit::Definition,
            finding("unknown key `nmae`").help("did you mean `name`?"),
        );
        let error = StepError::from(one);
        assert_eq!(error.message, "site/envs/dev.yaml:2:5: unknown key `nmae`");
        assert_eq!((error.exit, error.help.len()), (Exit::Definition, 1));
        let two = Failure::many(Exit::Unknown, vec![finding("a"), finding("b")]);
        let error = StepError::from(two);
        assert_eq!(
            (error.message.as_str(), error.exit),
            ("2 errors", Exit::Unknown)
        );
        assert!(error.tail.iter().any(|line| line.contains("dev.yaml:2:5")));
    }
}
