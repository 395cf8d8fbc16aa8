//! Running: recipes, `up`, `plan`.

use clap::CommandFactory;

use super::args::{Cli, PlanArgs, ResumeArgs, UpArgs};
use super::detach::detach;
use super::dry::decide;
use super::go::go;
use super::manifest::{RunArgs, request};
use super::replay::replay;
use super::resume::resume;
use super::session::Session;
use super::target::{Target, parse};
use super::unfinished_up::{Start, before_up};
use crate::app::{DryRun, Origin};
use crate::diag::{Advice, Exit, Failure, closest, say};
use crate::layers::is_reserved;
use crate::runs::{ManifestVerb, RunRequest};

/// `hl RECIPE ...`; `up` among the recipes is for those who call with words.
pub(super) fn recipe(session: &Session, words: &[String]) -> Result<Exit, Failure> {
    let parsed =
        parse(session, words, ()).map_err(|failure| not_a_verb(session, failure, words))?;
    let Some(parsed) = parsed else {
        return Ok(Exit::Ok);
    };
    start(&parsed.session, &parsed.target, None).map(|(exit, _)| exit)
}

/// A word that is no recipe may have been meant as a verb.
fn not_a_verb(session: &Session, failure: Failure, words: &[String]) -> Failure {
    let word = words.first().map(String::as_str).unwrap_or_default();
    let suggests = |help: &Advice| session.text(help.clone()).starts_with("did you mean");
    let suggested = failure
        .diagnostics
        .iter()
        .flat_map(|d| &d.help)
        .any(suggests);
    if failure.to_string() != format!("there is no recipe `{word}`") || suggested {
        return failure;
    }
    if is_reserved(word) {
        return Failure::message(
            Exit::Unknown,
            format!("`{word}` is a verb that this version of `hl` does not have yet"),
        )
        .help("`hl --help` lists the verbs that it has");
    }
    let command = Cli::command();
    let verbs = command.get_subcommands().map(clap::Command::get_name);
    match closest(word, verbs) {
        Some(verb) => Failure::message(Exit::Unknown, failure.to_string())
            .help(say("did you mean ").hl(verb).say("?"))
            .help("`hl list` shows all recipes, `hl --help` all verbs"),
        None => failure,
    }
}

/// `hl up ...`
pub(super) fn up(session: &Session, args: &UpArgs) -> Result<Exit, Failure> {
    start(session, &Target::from(args), None).map(|(exit, _)| exit)
}

/// `hl create ...`, `hl destroy ...`, `hl test ...`
pub(super) fn manifest(
    session: &Session,
    verb: ManifestVerb,
    args: &RunArgs,
) -> Result<Exit, Failure> {
    let request = request(session, verb, args)?;
    let fresh = false;
    start(session, &Target::Run { request, fresh }, None).map(|(exit, _)| exit)
}

/// `hl plan ...`: a dry run, or with `--json` the plan itself.
pub(super) fn plan(session: &Session, args: &PlanArgs) -> Result<Exit, Failure> {
    let Some(parsed) = parse(session, &args.recipe, args.flags)? else {
        return Ok(Exit::Ok);
    };
    let (session, target) = (parsed.session, parsed.target);
    let request = target.request()?;
    if session.globals.json {
        let loaded = session.load(true)?;
        session.json(&loaded.compile(request)?.ready()?)?;
        return Ok(Exit::Ok);
    }
    let (exit, pending) = start(&session, &target, Some(DryRun::forced(true)))?;
    Ok(if exit == Exit::Ok && parsed.flags.exit_code && pending {
        Exit::ChangesPending
    } else {
        exit
    })
}

/// Runs it; `dry` is decided by flags, variable and settings when not given.
pub(super) fn start(
    session: &Session,
    target: &Target,
    dry: Option<DryRun>,
) -> Result<(Exit, bool), Failure> {
    if session.leaves() {
        return detach(session).map(|exit| (exit, false));
    }
    let (request, fresh) = match target {
        Target::Run { request, fresh } => (request, *fresh),
        Target::Resume(args) => return resume(session, args).map(|exit| (exit, false)),
        Target::Replay(args) => return replay(session, args).map(|exit| (exit, false)),
    };
    let dry = match dry {
        Some(dry) => dry,
        None => decide(session, &session.lab()?)?,
    };
    let mut archive = None;
    if matches!(request, RunRequest::Up(_)) && !dry.on {
        match before_up(session, &session.lab()?, fresh)? {
            Start::Fresh(old) => archive = old,
            Start::Resume(run) => {
                let run = Some(run);
                let args = ResumeArgs {
                    run,
                    ..ResumeArgs::default()
                };
                return resume(session, &args).map(|exit| (exit, false));
            }
        }
    }
    let loaded = session.load(true)?;
    let (plan, warnings) = loaded.planned(request)?;
    if !warnings.is_empty() {
        session.warn(&warnings);
    }
    let origin = Origin {
        archive,
        ..loaded.origin(request.clone())
    };
    go(session, &loaded, plan, &dry, origin)
}
