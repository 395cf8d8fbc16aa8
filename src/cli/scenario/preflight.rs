//! `hl preflight` and `hl doctor`: checks of a machine, alone or before a scenario.

use super::args::PreflightArgs;
use crate::app::{DryRun, LoadedLab};
use crate::base::count;
use crate::cli::go::go;
use crate::cli::session::Session;
use crate::diag::{Exit, Failure, hl};
use crate::layers::{Book, PREFLIGHT, ScenarioHead};
use crate::runs::{RunRequest, ScenarioRequest};

/// The scenario whose phases are the checks.
const CHECKS: &str = PREFLIGHT;
/// The same for this machine, with the versions of tools.
const DOCTOR: &str = "doctor";

/// What the checks are told of a scenario's options.
const OPTIONS: [&str; 5] = ["--host=", "--remote=", "--local", "--vm-ip=", "--node="];

/// `hl preflight`
pub(in crate::cli) fn preflight(session: &Session, args: &PreflightArgs) -> Result<Exit, Failure> {
    let mut own = session.clone();
    own.globals.json |= args.json_output;
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let valued = [
        ("host", args.host.clone()),
        ("remote", args.remote.clone()),
        ("cores", number(args.cores)),
        ("memory", number(args.memory)),
        ("disk", number(args.disk)),
    ];
    let mut words: Vec<String> = valued
        .into_iter()
        .filter_map(|(name, value)| Some(format!("--{name}={}", value?)))
        .collect();
    for (set, flag) in [(args.local, "--local"), (args.nested, "--nested")] {
        if set {
            words.push(flag.to_owned());
        }
    }
    check(&own, CHECKS, words)
}

/// `hl doctor`
pub(in crate::cli) fn doctor(session: &Session) -> Result<Exit, Failure> {
    check(session, DOCTOR, Vec::new())
}

fn check(session: &Session, name: &str, args: Vec<String>) -> Result<Exit, Failure> {
    let loaded = session.load(true)?;
    let request = request(name, args, Vec::new());
    run(session, &loaded, request)
}

fn request(name: &str, args: Vec<String>, skip: Vec<String>) -> RunRequest {
    RunRequest::Scenario(ScenarioRequest {
        name: name.to_owned(),
        args,
        skip,
        context: None,
    })
}

/// They only read: a dry run of them is one as any other.
fn run(session: &Session, loaded: &LoadedLab, request: RunRequest) -> Result<Exit, Failure> {
    let plan = loaded.plan(&request)?;
    let origin = loaded.origin(request);
    let dry = DryRun::forced(session.globals.dry_run);
    go(session, loaded, plan, &dry, origin).map(|(exit, _)| exit)
}

/// The checks of a scenario, and nothing else.
pub(super) fn only(
    session: &Session,
    loaded: &LoadedLab,
    book: &Book,
    head: &ScenarioHead,
    args: &[String],
) -> Result<Exit, Failure> {
    match of_scenario(book, head, args)? {
        Some(request) => run(session, loaded, request),
        None => Ok(Exit::Ok),
    }
}

/// The checks that come before a scenario.
///
/// # Errors
/// One of them failed (69); what failed has been told.
pub(super) fn before(
    session: &Session,
    loaded: &LoadedLab,
    book: &Book,
    head: &ScenarioHead,
    args: &[String],
) -> Result<(), Failure> {
    let Some(request) = of_scenario(book, head, args)? else {
        return Ok(());
    };
    // There is one document, and it is the scenario's.
    let mut quiet = session.clone();
    quiet.globals.json = false;
    quiet.globals.events = None;
    quiet.globals.junit = None;
    let exit = run(&quiet, loaded, request)?;
    session.reported.set(false);
    if exit == Exit::Ok {
        return Ok(());
    }
    let checks = count(head.preflight.len(), "check");
    let message = format!("nothing was begun: of {checks} not all passed");
    Err(Failure::message(exit, message)
        .help(hl("preflight").say(" runs them alone; `--skip-preflight` leaves them out")))
}

/// The request for those checks that the scenario names.
fn of_scenario(
    book: &Book,
    head: &ScenarioHead,
    args: &[String],
) -> Result<Option<RunRequest>, Failure> {
    if head.preflight.is_empty() {
        return Ok(None);
    }
    let (_, checks, _) = book.scenario(CHECKS)?;
    let wanted = |id: &str| head.preflight.iter().any(|name| name.get_ref() == id);
    let ids = checks.steps.iter().map(|step| step.id.get_ref());
    let skip: Vec<String> = ids.filter(|id| !wanted(id)).cloned().collect();
    let is_option = |word: &&String| OPTIONS.iter().any(|option| word.starts_with(option));
    let args = args.iter().filter(is_option);
    let args = args
        .map(|word| word.replacen("--vm-ip=", "--remote=", 1))
        .collect();
    Ok(Some(request(CHECKS, args, skip)))
}
