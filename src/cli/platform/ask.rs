//! One question on the terminal.

use inquire::{InquireError, Password, PasswordDisplayMode, Select, Text};

use crate::cli::session::Session;
use crate::diag::{Exit, Failure};
use crate::platform::{Kind, Question};

/// What somebody said to a question.
pub(super) enum Said {
    /// This.
    Text(String),
    /// Esc: the question before this one.
    Back,
}

/// Asks.
///
/// # Errors
/// Ctrl-C (130), or there is no terminal any more (77).
pub(super) fn ask(session: &Session, question: &Question) -> Result<Said, Failure> {
    if let Some(wrong) = &question.wrong {
        session.say(&format!("  {wrong}"));
    }
    let help = help(question);
    let answer = if !question.choices.is_empty() {
        let default = question.default.as_ref();
        let cursor = question
            .choices
            .iter()
            .position(|choice| Some(choice) == default);
        Select::new(&question.prompt, question.choices.clone())
            .with_starting_cursor(cursor.unwrap_or_default())
            .with_help_message(&help)
            .prompt()
    } else if question.kind == Kind::Secret {
        Password::new(&question.prompt)
            .with_display_mode(PasswordDisplayMode::Hidden)
            .with_help_message(&help)
            .without_confirmation()
            .prompt()
    } else {
        let mut text = Text::new(&question.prompt).with_help_message(&help);
        if let Some(default) = &question.default {
            text = text.with_default(default);
        }
        text.prompt()
    };
    match answer {
        Ok(text) => Ok(Said::Text(text)),
        Err(InquireError::OperationCanceled) => Ok(Said::Back),
        Err(InquireError::OperationInterrupted) => Err(Failure::silent(Exit::Interrupted)),
        Err(error) => {
            let message = format!("cannot ask for `{}`: {error}", question.about.key());
            Err(Failure::message(Exit::NotApproved, message))
        }
    }
}

fn help(question: &Question) -> String {
    if question.help.is_empty() {
        return "Esc goes back".to_owned();
    }
    format!("{}; Esc goes back", question.help)
}
