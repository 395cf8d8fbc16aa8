//! From the words behind `hl scenario` to what is asked for.

use clap::{Args, Command};

use super::args::{ScenarioArgs, ScenarioFlags};
use super::limits::with_limits;
use super::retired::retired;
use crate::cli::flags::Globals;
use crate::cli::recipe_args::{lab, split};
use crate::cli::session::{Session, usage};
use crate::diag::{Failure, say};
use crate::layers::{Book, Recipe, scenarios};

/// What was asked for.
pub(super) struct Asked {
    /// The session with the flags among the words.
    pub session: Session,
    /// All flags.
    pub flags: ScenarioFlags,
    /// The scenario; none is asked for the list.
    pub name: Option<String>,
    /// Its options.
    pub args: Vec<String>,
    /// Its help is wanted.
    pub help: bool,
    /// The lab's scenarios.
    pub book: Book,
}

/// Reads the words.
///
/// # Errors
/// There is no such scenario, or it is gone (66); a flag is wrong (2).
pub(super) fn read(session: &Session, args: &ScenarioArgs) -> Result<Asked, Failure> {
    let session = session.in_lab(lab(&args.words));
    if let Some(gone) = args.words.iter().find_map(|word| retired(word)) {
        return Err(gone);
    }
    let book = scenarios(&session.lab()?.paths)?;
    let is_name = |word: &String| book.scenario(word).is_ok();
    // Options may stand before the name.
    let at = args.words.iter().position(is_name);
    let at = at.or_else(|| args.words.iter().position(|word| !word.starts_with('-')));
    let mut words = args.words.clone();
    let name = at.map(|at| words.remove(at));
    session.scenario.replace(name.clone());
    let recipe = match &name {
        Some(name) => Some(book.scenario(name)?.1),
        None => None,
    };
    let mut flags = ScenarioFlags::default();
    let mut globals = session.globals.clone();
    let own = recipe.map(own_options).unwrap_or_default();
    let verb = ScenarioFlags::augment_args(Command::new("hl"));
    let command = with_limits(Globals::augment_args(verb.clone()));
    let tail = split((&verb, command), &words, &own, &mut globals, &mut flags)?;
    flags.lay_over(args.flags.clone());
    globals.json |= flags.json_output;
    if let Some(flag) = flags.of_manifests() {
        return Err(usage(format!(
            "`{flag}` is for machines of a manifest, and no scenario takes it"
        ))
        .help(say("make, test or remove them: ").hl("test -M NAME -H HOST")));
    }
    if name.is_none() && !tail.args.is_empty() {
        return Err(usage(format!("unexpected argument `{}`", tail.args[0]))
            .help(say("name a scenario: ").hl("scenario --list")));
    }
    let mut args = tail.args;
    args.extend(flags.options());
    Ok(Asked {
        session: session.with(globals),
        help: tail.help,
        flags,
        name,
        args,
        book,
    })
}

/// The options that only this scenario has.
fn own_options(recipe: &Recipe) -> Vec<String> {
    let verb = ScenarioFlags::augment_args(Command::new("hl"));
    let known: Vec<&str> = verb
        .get_arguments()
        .filter_map(|arg| arg.get_long())
        .collect();
    let options = recipe.params.iter().filter(|param| param.option);
    let options = options.map(|param| param.flag().trim_start_matches('-').to_owned());
    options
        .filter(|name| !known.contains(&name.as_str()))
        .collect()
}
