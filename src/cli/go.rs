//! A plan that was built from what was asked for runs; when it misses what L2
//! made, what helps is offered, and it runs once more.

use std::time::Duration;

use super::dry::announce;
use super::manifest::tell_kept;
use super::reconcile::offer;
use super::run::{options, run};
use super::session::{Session, usage};
use crate::app::{DryRun, Ended, Job, LoadedLab, Origin};
use crate::diag::{Exit, Failure, say};
use crate::engine::reads_only;
use crate::plan::{OnFailure, Plan};
use crate::report::Paint;
use crate::runs::{RecipeRequest, RunRequest};

/// Runs it. Whether a dry run found something that a live run would change.
pub(super) fn go(
    session: &Session,
    loaded: &LoadedLab,
    plan: Plan,
    dry: &DryRun,
    origin: Origin,
) -> Result<(Exit, bool), Failure> {
    go_within(session, loaded, plan, dry, origin, None)
}

/// The same, with a limit for the run that interrupts nothing and that a given one
/// takes the place of.
pub(super) fn go_within(
    session: &Session,
    loaded: &LoadedLab,
    plan: Plan,
    dry: &DryRun,
    origin: Origin,
    limit: Option<Duration>,
) -> Result<(Exit, bool), Failure> {
    if session.globals.keep_going && plan.on_failure == OnFailure::Rollback {
        return Err(usage("`--keep-going` goes on after a failure, and this run is to be undone then (`on_error: rollback`)")
            .help("leave `--keep-going` (`-k`, `HL_KEEP_GOING`) out, or say `--on-error continue`"));
    }
    warn_of_insecure_tls(session, loaded, &plan);
    let mut job = job(session, loaded, plan, dry.on, origin)?;
    let engine = &mut job.options.engine;
    if engine.run_timeout.is_none() {
        (engine.run_timeout, engine.spares_running) = (limit, limit.is_some());
    }
    let mut ended = run(session, &job)?;
    if !dry.on
        && let Some(request) = offer(session, &ended)
        && help(session, request)?.exit == Exit::Ok
    {
        job.origin.resume = None;
        job.origin.archive = None;
        ended = run(session, &job)?;
    }
    tell_kept(session, &ended);
    announce(session, dry);
    Ok((ended.exit, ended.pending()))
}

fn job<'a>(
    session: &Session,
    loaded: &'a LoadedLab,
    plan: Plan,
    dry_run: bool,
    origin: Origin,
) -> Result<Job<'a>, Failure> {
    Ok(Job {
        lab: &loaded.lab,
        env: &loaded.env,
        registry: &loaded.registry,
        plan,
        dry_run,
        journal: true,
        origin,
        options: options(session)?,
    })
}

/// Runs the recipe that was chosen.
fn help(session: &Session, request: RecipeRequest) -> Result<Ended, Failure> {
    let mut own = session.clone();
    own.command = [std::slice::from_ref(&request.name), &request.args].concat();
    let request = RunRequest::Recipe(request);
    let loaded = own.load(true)?;
    let plan = loaded.plan(&request)?;
    let origin = loaded.origin(request);
    run(&own, &job(&own, &loaded, plan, false, origin)?)
}

fn warn_of_insecure_tls(session: &Session, loaded: &LoadedLab, plan: &Plan) {
    let insecure = loaded.env.get("PVE_TLS_INSECURE") == Some("1");
    if insecure && !reads_only(plan, &loaded.registry) {
        session.tell(Paint::Warn, "Warning", say("`PVE_TLS_INSECURE=1`: any host that answers at `PVE_ACCESS_HOST` gets the token; pin the certificate instead, ").hl("l0-runway").say(" says how"));
    }
}
