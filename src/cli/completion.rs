//! Completion that knows the lab's recipes: the shell asks `hl` itself.

use std::ffi::OsString;

use clap::{Command, CommandFactory};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};

use super::args::Cli;
use super::candidates;
use super::help;
use super::session::Session;
use crate::diag::{Exit, Failure};

/// Set by a shell's completion script when it asks.
const ASKS: &str = "COMPLETE";

/// Answers a shell that asks for completions. Whether it did.
pub(super) fn answer(args: &[OsString]) -> bool {
    if std::env::var_os(ASKS).is_none() {
        return false;
    }
    let cwd = std::env::current_dir().ok();
    CompleteEnv::with_factory(command)
        .var(ASKS)
        .try_complete(args, cwd.as_deref())
        .unwrap_or(false)
}

/// `hl completions SHELL`: the script that makes a shell ask.
pub(super) fn completions(session: &Session, shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let completer = shells
        .completer(&shell.to_string())
        .ok_or_else(|| Failure::message(Exit::Bug, format!("no completion for `{shell}`")))?;
    completer
        .write_registration(ASKS, "hl", "hl", "hl", &mut script)
        .map_err(|error| {
            Failure::message(
                Exit::CannotWrite,
                format!("cannot write the script: {error}"),
            )
        })?;
    session.data(&String::from_utf8_lossy(&script))
}

/// The whole command line, with the recipes of the lab around us as verbs.
pub(super) fn command() -> Command {
    let mut command = Cli::command();
    let read = |session: Session| Some((session.lab().ok()?, session.book().ok()?));
    let Some((lab, book)) = candidates::session().and_then(read) else {
        return command;
    };
    for layer in book.list() {
        for recipe in &layer.recipes {
            if command.find_subcommand(&recipe.name).is_none() {
                command = command.subcommand(help::command(recipe, &lab.config.lab));
            }
        }
    }
    command
}
