//! Running: recipes, `up`, `plan`.

use super::args::{PlanArgs, UpArgs};
use super::run::{Job, run};
use super::session::Session;
use super::target::{Ready, Target, parse};
use crate::diag::{Exit, Failure};
use crate::engine::reads_only;
use crate::report::Paint;

/// `hl RECIPE ...`; `up` among the recipes is for those who call with words.
pub(super) fn recipe(session: &Session, words: &[String]) -> Result<Exit, Failure> {
    match parse(session, words)? {
        Some((session, target)) => {
            start(&session, &target, session.globals.dry_run).map(|(exit, _)| exit)
        }
        None => Ok(Exit::Ok),
    }
}

/// `hl up ...`
pub(super) fn up(session: &Session, args: &UpArgs) -> Result<Exit, Failure> {
    start(session, &Target::from(args), session.globals.dry_run).map(|(exit, _)| exit)
}

/// `hl plan ...`: a dry run, or with `--json` the plan itself.
pub(super) fn plan(session: &Session, args: &PlanArgs) -> Result<Exit, Failure> {
    let mut words = args.recipe.clone();
    // `--exit-code` may also stand behind the recipe.
    let before = words.len();
    words.retain(|word| word != "--exit-code");
    let exit_code = args.exit_code || words.len() != before;
    let Some((session, target)) = parse(session, &words)? else {
        return Ok(Exit::Ok);
    };
    if session.globals.json {
        let ready = Ready::new(&session, true)?;
        session.json(&ready.compile(&target)?.ready()?)?;
        return Ok(Exit::Ok);
    }
    let (exit, pending) = start(&session, &target, true)?;
    Ok(if exit == Exit::Ok && exit_code && pending {
        Exit::ChangesPending
    } else {
        exit
    })
}

fn start(session: &Session, target: &Target, dry_run: bool) -> Result<(Exit, bool), Failure> {
    let ready = Ready::new(session, true)?;
    let compiled = ready.compile(target)?;
    if compiled.missing.is_empty() {
        ready.require_tools(&compiled)?;
    }
    let plan = compiled.ready()?;
    if ready
        .env
        .get("PVE_TLS_INSECURE")
        .is_some_and(|value| value == "1")
        && !reads_only(&plan, &ready.registry)
    {
        let verb = session.palette().verb(Paint::Warn, "Warning");
        session.note(&format!(
            "{verb} `PVE_TLS_INSECURE=1`: whoever answers at `PVE_ACCESS_HOST` gets the token; pin the certificate instead, `hl l0-runway` says how"
        ));
    }
    let job = Job {
        lab: &ready.lab,
        env: &ready.env,
        registry: &ready.registry,
        plan,
        dry_run,
        journal: true,
    };
    let ended = run(session, &job)?;
    Ok((ended.exit, ended.pending()))
}
