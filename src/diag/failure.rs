//! Why a command ends: findings and an exit code.

use std::fmt;

use super::{Advice, Commands, Diagnostic, Exit};

/// What a command returns when it cannot do its work: one or more findings,
/// collected so that they are printed together, and the exit code.
#[derive(Debug, Clone)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// The findings, most specific first. May be empty when all was already said.
    pub diagnostics: Vec<Diagnostic>,
}

impl Failure {
    /// One finding.
    pub fn new(exit: Exit, diagnostic: Diagnostic) -> Self {
        Self {
            exit,
            diagnostics: vec![diagnostic],
        }
    }

    /// One plain message.
    pub fn message(exit: Exit, message: impl Into<String>) -> Self {
        Self::new(exit, Diagnostic::error(message))
    }

    /// Ends with `exit`, saying nothing more: the listeners already told the user.
    pub fn silent(exit: Exit) -> Self {
        Self {
            exit,
            diagnostics: Vec::new(),
        }
    }

    /// Several findings at once.
    pub fn many(exit: Exit, diagnostics: Vec<Diagnostic>) -> Self {
        Self { exit, diagnostics }
    }

    /// Writes the commands of its help out, so that it may be printed elsewhere.
    #[must_use]
    pub fn written(mut self, commands: Commands) -> Self {
        for help in self.diagnostics.iter_mut().flat_map(|d| &mut d.help) {
            *help = help.text(commands).into();
        }
        self
    }

    /// Adds help to the last finding.
    #[must_use]
    pub fn help(mut self, help: impl Into<Advice>) -> Self {
        if let Some(last) = self.diagnostics.last_mut() {
            last.help.push(help.into());
        }
        self
    }

    /// Adds lines of help to the last finding, as many as there are.
    #[must_use]
    pub fn helps(self, helps: impl IntoIterator<Item = impl Into<Advice>>) -> Self {
        helps.into_iter().fold(self, Self::help)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            f.write_str(&diagnostic.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
