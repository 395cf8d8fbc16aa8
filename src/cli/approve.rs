//! Who says yes: `--yes`, a person, or nobody.

use inquire::{Confirm, InquireError, Text};
use rustix::process::{Signal, getpid, kill_process};

use super::session::Session;
use crate::action::Approval;

/// How approvals are answered in this invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Approve {
    /// `--yes`
    Yes,
    /// A person at a terminal.
    Ask,
    /// Nobody is there.
    NoTerminal,
    /// `--no-input`
    NoInput,
}

impl Approve {
    /// As the flags and the terminal have it.
    pub(super) fn of(session: &Session) -> Self {
        if session.globals.yes {
            Self::Yes
        } else if session.globals.no_input {
            Self::NoInput
        } else if Session::interactive() {
            Self::Ask
        } else {
            Self::NoTerminal
        }
    }

    /// The answer to a question, and who gave it.
    pub(super) fn answer(self, approval: &Approval) -> (bool, &'static str) {
        match self {
            Self::Yes => (true, "--yes"),
            Self::NoTerminal => (false, "no terminal and no --yes"),
            Self::NoInput => (false, "--no-input and no --yes"),
            Self::Ask => (ask(approval), "terminal"),
        }
    }
}

/// Asks; Escape and a closed terminal mean no. While a question is open Ctrl-C
/// is a key like others: it is given back its meaning, so that the run ends as
/// it would anywhere else.
fn ask(approval: &Approval) -> bool {
    let answer = match &approval.type_word {
        Some(word) => Text::new(&approval.question)
            .with_help_message(&format!("type `{word}` to go on, anything else to stop"))
            .prompt()
            .map(|answer| answer.trim() == word),
        None => Confirm::new(&approval.question)
            .with_default(false)
            .prompt(),
    };
    if matches!(answer, Err(InquireError::OperationInterrupted)) {
        // It cannot fail for the own process; if it did, the answer is still no.
        kill_process(getpid(), Signal::INT).unwrap_or_default();
    }
    answer.unwrap_or(false)
}
