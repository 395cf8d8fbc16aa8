//! Running: recipes, `up`, `plan`.

use clap::CommandFactory;

use super::args::{Cli, PlanArgs, ResumeArgs, UpArgs};
use super::before_up::{Start, before_up};
use super::dry::Dry;
use super::reconcile::offer;
use super::replay::replay;
use super::resume::resume;
use super::run::{Job, Origin, run};
use super::session::Session;
use super::target::{Parsed, Ready, Target, parse};
use crate::diag::{Advice, Exit, Failure, closest, say};
use crate::engine::reads_only;
use crate::layers::is_reserved;
use crate::plan::Plan;
use crate::report::Paint;

/// `hl RECIPE ...`; `up` among the recipes is for those who call with words.
pub(super) fn recipe(session: &Session, words: &[String]) -> Result<Exit, Failure> {
    let parsed =
        parse(session, words, ()).map_err(|failure| not_a_verb(session, failure, words))?;
    match parsed {
        Some(Parsed {
            session, target, ..
        }) => start(&session, &target, None).map(|(exit, _)| exit),
        None => Ok(Exit::Ok),
    }
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

/// `hl plan ...`: a dry run, or with `--json` the plan itself.
pub(super) fn plan(session: &Session, args: &PlanArgs) -> Result<Exit, Failure> {
    let Some(parsed) = parse(session, &args.recipe, args.flags)? else {
        return Ok(Exit::Ok);
    };
    let (session, target) = (parsed.session, parsed.target);
    if let Target::Resume(_) | Target::Replay(_) = target {
        return Ready::new(&session, false)?
            .compile(&target)
            .map(|_| Exit::Ok);
    }
    if session.globals.json {
        let ready = Ready::new(&session, true)?;
        session.json(&ready.compile(&target)?.ready()?)?;
        return Ok(Exit::Ok);
    }
    let (exit, pending) = start(&session, &target, Some(Dry::plainly(true)))?;
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
    dry: Option<Dry>,
) -> Result<(Exit, bool), Failure> {
    if let Target::Resume(args) = target {
        return resume(session, args).map(|exit| (exit, false));
    }
    if let Target::Replay(args) = target {
        return replay(session, args).map(|exit| (exit, false));
    }
    let dry = match dry {
        Some(dry) => dry,
        None => Dry::decide(session, &session.lab()?)?,
    };
    let mut archive = None;
    if let Target::Up { fresh, .. } = target
        && !dry.on
    {
        match before_up(session, &session.lab()?, *fresh)? {
            Start::Fresh(old) => archive = old,
            Start::Resume(run) => {
                let args = ResumeArgs {
                    run: Some(run),
                    explain: false,
                    from: None,
                };
                return resume(session, &args).map(|exit| (exit, false));
            }
        }
    }
    let ready = Ready::new(session, true)?;
    let plan = ready.plan(target)?;
    let origin = Origin {
        asked: target.asked(),
        options: ready.options(target),
        resume: None,
        archive,
    };
    go(session, &ready, plan, &dry, origin)
}

/// Runs a plan that was built from what was asked for.
pub(super) fn go(
    session: &Session,
    ready: &Ready,
    plan: Plan,
    dry: &Dry,
    origin: Origin,
) -> Result<(Exit, bool), Failure> {
    if ready
        .env
        .get("PVE_TLS_INSECURE")
        .is_some_and(|value| value == "1")
        && !reads_only(&plan, &ready.registry)
    {
        let verb = session.palette().verb(Paint::Warn, "Warning");
        session.note(say(format!("{verb} `PVE_TLS_INSECURE=1`: any host that answers at `PVE_ACCESS_HOST` gets the token; pin the certificate instead, ")).hl("l0-runway").say(" says how"));
    }
    let mut job = Job {
        lab: &ready.lab,
        env: &ready.env,
        registry: &ready.registry,
        plan,
        dry_run: dry.on,
        journal: true,
        origin,
    };
    let mut ended = run(session, &job)?;
    if !dry.on && offer(session, &job.plan, &ended)? {
        job.origin.resume = None;
        job.origin.archive = None;
        ended = run(session, &job)?;
    }
    dry.tell(session);
    Ok((ended.exit, ended.pending()))
}
