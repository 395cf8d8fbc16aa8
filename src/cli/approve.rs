//! Who says yes: `--yes`, a person, or nobody.

use inquire::{Confirm, Text};

use crate::action::Approval;

/// How approvals are answered in this invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Approve {
    /// `--yes`
    Yes,
    /// A person at a terminal.
    Ask,
    /// No terminal, or `--no-input`.
    Nobody,
}

impl Approve {
    /// The answer to a question, and who gave it.
    pub(super) fn answer(self, approval: &Approval) -> (bool, &'static str) {
        match self {
            Self::Yes => (true, "--yes"),
            Self::Nobody => (false, "no terminal and no --yes"),
            Self::Ask => (ask(approval), "terminal"),
        }
    }
}

/// Asks; Ctrl-C, Escape and a closed terminal mean no.
fn ask(approval: &Approval) -> bool {
    match &approval.type_word {
        Some(word) => Text::new(&approval.question)
            .with_help_message(&format!("type `{word}` to go on, anything else to stop"))
            .prompt()
            .is_ok_and(|answer| answer.trim() == word),
        None => Confirm::new(&approval.question)
            .with_default(false)
            .prompt()
            .unwrap_or(false),
    }
}
