//! Who says yes: `--yes`, a person, or nobody.

use inquire::{Confirm, InquireError, Text};
use rustix::process::{Signal, getpid, kill_process};

use super::session::Session;
use crate::action::Approval;
use crate::diag::{Exit, Failure};

/// How approvals are answered in this invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Approve {
    /// `--yes`; a person is at a terminal as well.
    Yes { person: bool },
    /// A person at a terminal.
    Ask,
    /// Nobody is there.
    NoTerminal,
    /// `--no-input`
    NoInput,
    /// `--yes`, which is not for this, and nobody is there.
    Another,
}

impl Approve {
    /// As the flags and the terminal have it.
    pub(super) fn of(session: &Session) -> Self {
        let person = Session::interactive() && !session.globals.no_input;
        if session.globals.yes {
            Self::Yes { person }
        } else if session.globals.no_input {
            Self::NoInput
        } else if Session::interactive() {
            Self::Ask
        } else {
            Self::NoTerminal
        }
    }

    /// For what is new in a run in which something was not approved: there
    /// `--yes` is for what was shown.
    pub(super) fn for_new(self) -> Self {
        match self {
            Self::Yes { person: true } => Self::Ask,
            Self::Yes { person: false } => Self::Another,
            Self::Ask | Self::NoTerminal | Self::NoInput | Self::Another => self,
        }
    }

    /// The answer to a question, and who gave it.
    pub(super) fn answer(self, approval: &Approval) -> (bool, &'static str) {
        match self {
            Self::Yes { person: true } if approval.in_person => (ask(approval), "terminal"),
            Self::Yes { person: false } if approval.in_person => {
                (false, "a person has to say it, and `--yes` is none")
            }
            Self::Yes { .. } => (true, "--yes"),
            Self::Another => (
                false,
                "not what was shown before, and `--yes` is for that alone",
            ),
            Self::NoTerminal => (false, "no terminal and no --yes"),
            Self::NoInput => (false, "--no-input and no --yes"),
            Self::Ask => (ask(approval), "terminal"),
        }
    }
}

/// Whether files may be removed for good.
///
/// # Errors
/// Nobody said yes (77).
pub(super) fn may_remove(session: &Session, question: &str) -> Result<(), Failure> {
    let approval = Approval {
        question: question.to_owned(),
        ..Approval::default()
    };
    let help = "`--yes` removes them, `--dry-run` lists them";
    approved(session, &approval, "removed", help)
}

/// Asks; `done` is what is not done without a yes.
///
/// # Errors
/// Nobody said yes (77).
pub(super) fn approved(
    session: &Session,
    approval: &Approval,
    done: &str,
    help: &str,
) -> Result<(), Failure> {
    match Approve::of(session).answer(approval) {
        (true, _) => Ok(()),
        (false, by) => {
            let message = format!("nothing was {done} ({by})");
            Err(Failure::message(Exit::NotApproved, message).help(help))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_is_not_for_what_a_person_has_to_say() {
        let yes = Approve::Yes { person: false };
        let mut approval = Approval::default();
        assert!(yes.answer(&approval).0);
        approval.in_person = true;
        assert!(!yes.answer(&approval).0);
    }
}
