//! What machines read when a run is over: the JSON document, the JUnit file,
//! the summary of a GitHub job. Also of a run that did not start.

use std::fs::OpenOptions;
use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};
use clap::{ArgMatches, CommandFactory};

use super::args::Cli;
use super::session::Session;
use crate::app::Ended;
use crate::diag::{Exit, Failure, Severity};
use crate::lab;
use crate::plan::Step;
use crate::report::{
    Document, Level, ScenarioDocument, Spot, annotation, junit, junit_not_started, step_summary,
};
use crate::runs::RunRequest;

/// Reports a run that is over.
pub(super) fn over(
    session: &Session,
    ended: &Ended,
    dry_run: bool,
    request: Option<&RunRequest>,
) -> Result<(), Failure> {
    session.reported.set(true);
    let (plan, tally) = (&ended.plan, &ended.tally);
    let globals = &session.globals;
    let mut result = Ok(());
    let wanted = globals.json && globals.events.is_none();
    if let Some(RunRequest::Manifest(manifest)) = request
        && wanted
    {
        let failure = ended.failure.as_ref();
        let verb = manifest.verb.name();
        let document = ScenarioDocument::of_manifest(verb, plan, tally, failure);
        result = session.json(&document);
    } else if let Some(RunRequest::Scenario(scenario)) = request
        && wanted
        && !plan.steps.iter().all(Step::is_gate)
    {
        let failure = ended.failure.as_ref();
        let values = scenario.context.as_ref().map(|context| &context.values);
        let document = ScenarioDocument::new(&scenario.name, values, tally, failure);
        result = session.json(&document);
    } else if wanted {
        let document = Document::new(
            plan,
            tally,
            ended.run.clone(),
            dry_run,
            ended.failure.as_ref(),
        );
        result = session.json(&document);
    }
    if let Some(path) = &globals.junit {
        result = result.and(write_junit(session, path, junit(plan, tally)));
    }
    if let Some(path) = session.caller.var("GITHUB_STEP_SUMMARY") {
        append(session, path, &step_summary(plan, tally, dry_run));
    }
    result
}

/// Reports that there was nothing to run, unless a document was given.
pub(super) fn nothing_to_do(session: &Session) -> Result<(), Failure> {
    let words = &session.command;
    let help = words.iter().any(|word| word == "--help" || word == "-h");
    if session.reported.get() || help || !wants_document(session) || !runs(words) {
        return Ok(());
    }
    session.json(&Document::idle(&scenario(session), dry_run(session)))
}

/// Flags may stand behind what is run.
fn dry_run(session: &Session) -> bool {
    session.globals.dry_run || session.dry.get()
}

/// What was asked for, in a word.
fn scenario(session: &Session) -> String {
    if let Some(name) = &*session.scenario.borrow() {
        return name.clone();
    }
    early(&session.command)
        .subcommand_name()
        .unwrap_or("hl")
        .to_owned()
}

/// What can be read of a command line that may be wrong.
fn early(words: &[String]) -> ArgMatches {
    let command = Cli::complete().ignore_errors(true).no_binary_name(true);
    command.try_get_matches_from(words).unwrap_or_default()
}

/// Flags may stand behind a recipe that could not be read.
fn wants_document(session: &Session) -> bool {
    let globals = &session.globals;
    let typed = session.command.iter().any(|word| word == "--json");
    globals.events.is_none() && (globals.json || typed)
}

/// Reports that a run did not start, if one was meant, in every way that was asked for.
pub(super) fn not_started(session: &Session, failure: &Failure) {
    let words = &session.command;
    if session.reported.get() || !runs(words) {
        return;
    }
    let scenario = scenario(session);
    let globals = &session.globals;
    if wants_document(session) {
        let written = if session.scenario.borrow().is_some() {
            session.json(&ScenarioDocument::not_started(&scenario, failure))
        } else {
            session.json(&Document::not_started(&scenario, dry_run(session), failure))
        };
        // The error stands on stderr, also where this cannot be written.
        written.unwrap_or_default();
    }
    if let Some(path) = globals.junit.clone().or_else(|| typed(words)) {
        let text = junit_not_started(&scenario, &failure.to_string());
        if let Err(failure) = write_junit(session, &path, text) {
            session.fail(&failure);
        }
    }
}

/// Marks the places of a failure in the files of the repository.
pub(super) fn annotate(session: &Session, failure: &Failure) {
    if !session.github() {
        return;
    }
    let root = session.lab().ok().map(|lab| lab.paths.root().to_owned());
    for finding in &failure.diagnostics {
        let spot = finding.place.as_ref().map(|place| {
            let (line, column) = place.line_column();
            let file = in_repository(session, root.as_deref(), place.path());
            Spot { file, line, column }
        });
        let level = match finding.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
        };
        session.say(&annotation(level, "", spot.as_ref(), &finding.message));
    }
}

/// A file as the repository that GitHub checked out names it.
fn in_repository(session: &Session, lab: Option<&Utf8Path>, path: &Utf8Path) -> String {
    let path = lab.map_or_else(|| path.to_owned(), |lab| lab.join(path));
    let workspace = session.caller.var("GITHUB_WORKSPACE");
    let inside = workspace.and_then(|root| path.strip_prefix(root).ok());
    inside.unwrap_or(&path).to_string()
}

/// `--junit FILE` among words that were not parsed.
fn typed(words: &[String]) -> Option<Utf8PathBuf> {
    let at = words.iter().position(|word| word.starts_with("--junit"))?;
    let word = words.get(at)?;
    let value = match word.strip_prefix("--junit=") {
        Some(value) => value,
        None => words.get(at + 1).filter(|_| word == "--junit")?,
    };
    Some(Utf8PathBuf::from(value))
}

/// The summary is a courtesy: that it cannot be written fails nothing.
pub(super) fn append(session: &Session, path: &str, text: &str) {
    let file = OpenOptions::new().append(true).create(true).open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
        session.note(format!("cannot write the step summary `{path}`: {error}"));
    }
}

fn write_junit(
    session: &Session,
    path: &Utf8Path,
    text: io::Result<String>,
) -> Result<(), Failure> {
    let text = text.map_err(|error| {
        Failure::message(Exit::Bug, format!("cannot write the JUnit file: {error}"))
    })?;
    lab::write(&session.caller.cwd.join(path), text, 0o644)
}

/// Whether words run something: that is reported also when it does not start.
pub(super) fn runs(words: &[String]) -> bool {
    match early(words).subcommand() {
        None => false,
        Some((
            "up" | "rehearse" | "resume" | "replay" | "clean" | "access" | "create" | "destroy"
            | "test" | "scenario" | "preflight",
            _,
        )) => true,
        Some(("platform", of)) => of.subcommand_name() == Some("bootstrap"),
        Some(("templates", of)) => !matches!(of.subcommand_name(), None | Some("list" | "show")),
        Some((word, _)) => Cli::command().find_subcommand(word).is_none(),
    }
}
