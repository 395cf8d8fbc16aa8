//! `hl replay`: the last run once more, from its start or from where it stopped.
//!
//! `state/runs/latest.env` names the run and what it published; what was done
//! and what was asked for is in the run's own file.

use std::collections::BTreeMap;
use std::time::Duration;

use inquire::Select;

use super::approve::approved;
use super::args::{ReplayArgs, ReplayFrom};
use super::dry::decide;
use super::go::go;
use super::resume::{dry, go_on, restored};
use super::session::Session;
use crate::action::Approval;
use crate::app::replay::{cannot_resume, enabled, last_run};
use crate::app::{DryRun, Origin, ResumePlan, how_it_ended, no_request, succeeded};
use crate::base::{count, short_duration};
use crate::diag::{Diagnostic, Exit, Failure, hl};
use crate::engine::Expect;
use crate::handoff::{Latest, latest};
use crate::lab::Lab;
use crate::plan::Plan;
use crate::report::Paint;
use crate::runs::{self, Run, RunRequest};

pub(super) fn replay(session: &Session, args: &ReplayArgs) -> Result<Exit, Failure> {
    let lab = session.lab()?;
    enabled(&lab)?;
    if is_idle(session)? {
        return Ok(Exit::Ok);
    }
    let Some(handoff) = Latest::read(&lab.paths)? else {
        return Ok(Exit::Ok);
    };
    let run = last_run(&lab, &handoff)?;
    tell(session, &handoff, &run);
    let cannot = cannot_resume(&lab, &handoff, &run);
    match (choose(session, args, &lab, &run, cannot.as_ref())?, cannot) {
        (ReplayFrom::Start, _) => start(session, &lab, &run),
        (ReplayFrom::Resume, Some(failure)) => Err(failure),
        (ReplayFrom::Resume, None) => resume(session, &lab, run),
    }
}

/// Whether there is nothing to replay; that is said.
pub(super) fn is_idle(session: &Session) -> Result<bool, Failure> {
    let none = Latest::read(&session.lab()?.paths)?.is_none();
    if none && session.rehearsing() {
        session.note("nothing to replay: nothing has been rehearsed yet");
        session.note("`hl rehearse` is the first rehearsal");
    } else if none {
        session.note("nothing to replay: no run has been made in this lab yet");
        session
            .note(hl("up").say(" makes the first one, `hl rehearse` tries it in a sealed world"));
    }
    Ok(none)
}

/// Tells what the last run was, line by line.
fn tell(session: &Session, handoff: &Latest, run: &Run) {
    let (header, ended) = (&run.header, how_it_ended(run));
    let last = format!("{} (`{}`), which {ended}", header.id, header.recipe);
    session.tell(Paint::Active, "Last run", last);
    let get = |key: &str| handoff.get(key).unwrap_or("none").to_owned();
    let scope = match handoff.get(latest::PROXMOX_NODE) {
        Some(node) => format!("{} on {node}", scope(run)),
        None => scope(run),
    };
    let dry_run = if header.dry_run { "yes" } else { "no" };
    let rows = [
        ("profile", get("SELECTED_PROFILE")),
        ("install", get("SELECTED_APPS_INSTALL")),
        ("uninstall", get("SELECTED_APPS_UNINSTALL")),
        ("scope", scope),
        ("dry run", dry_run.to_owned()),
        ("last step", get(latest::LAST_STEP_COMPLETED)),
        ("when", when(&header.started_at)),
    ];
    for (name, value) in rows {
        session.note(format!("{name:>12} {value}"));
    }
}

fn scope(run: &Run) -> String {
    match run.header.asked_for() {
        Some(RunRequest::Up(up)) => {
            let from = up.from.as_deref().unwrap_or("the first layer");
            let to = up.to.as_deref().unwrap_or("the last");
            format!("{}, {from} to {to}", run.header.recipe)
        }
        Some(
            RunRequest::Recipe(_)
            | RunRequest::Manifest(_)
            | RunRequest::Scenario(_)
            | RunRequest::Platform(_),
        )
        | None => run.header.recipe.clone(),
    }
}

/// `2026-01-02 03:04:05 UTC, 5m 00s ago`
fn when(started_at: &str) -> String {
    let Ok(time) = started_at.parse::<jiff::Timestamp>() else {
        return started_at.to_owned();
    };
    let ago = jiff::Timestamp::now().duration_since(time);
    let ago = Duration::try_from(ago).unwrap_or_default();
    format!(
        "{}, {} ago",
        time.strftime("%Y-%m-%d %H:%M:%S UTC"),
        short_duration(ago)
    )
}

fn choose(
    session: &Session,
    args: &ReplayArgs,
    lab: &Lab,
    run: &Run,
    cannot: Option<&Failure>,
) -> Result<ReplayFrom, Failure> {
    if let Some(from) = args.from {
        return Ok(from);
    }
    let resume = format!("resume {}", runs::short_id(&lab.paths, &run.header.id));
    if session.globals.no_input || !Session::interactive() {
        let mut why = Diagnostic::error("from the start, or from where it stopped?")
            .help(hl("replay --from start").say(" runs all of it again"));
        if cannot.is_none() {
            why = why.help(
                hl("replay --from resume")
                    .say(" resumes it, as ")
                    .hl(resume)
                    .say(" does"),
            );
        }
        return Err(Failure::new(Exit::NotApproved, why));
    }
    let start = "from the start".to_owned();
    let mut choices = vec![start.clone()];
    match cannot {
        None => choices.insert(0, format!("from where it stopped (`{resume}`)")),
        Some(why) => session.note(format!("{:>12} {why}", "")),
    }
    match Select::new("replay:", choices).prompt() {
        Ok(choice) if choice == start => Ok(ReplayFrom::Start),
        Ok(_) => Ok(ReplayFrom::Resume),
        Err(_) => Err(Failure::message(
            Exit::NotApproved,
            "nothing was replayed: neither was chosen",
        )),
    }
}

fn start(session: &Session, lab: &Lab, run: &Run) -> Result<Exit, Failure> {
    let request = run.header.asked_for().cloned();
    let request = request.ok_or_else(|| no_request(run))?;
    let dry = if run.header.dry_run {
        DryRun::forced(true)
    } else {
        decide(session, lab)?
    };
    let session = &restored(session, run)?;
    let loaded = session.load(true)?;
    let plan = loaded.plan(&request)?;
    let dry_run = if dry.on { " as a dry run" } else { "" };
    confirm(
        session,
        recipes(&plan),
        format!(
            "run `{}` from the start{dry_run}, {} steps?",
            plan.recipe,
            plan.steps.len()
        ),
    )?;
    // As `hl up --fresh` does with an `up` that nobody goes on with.
    let up = matches!(request, RunRequest::Up(_)) && !run.header.dry_run && !dry.on;
    let archive = (up && !succeeded(run)).then(|| run.header.id.clone());
    let origin = Origin {
        archive,
        ..loaded.origin(request)
    };
    go(session, &loaded, plan, &dry, origin).map(|(exit, _)| exit)
}

fn resume(session: &Session, lab: &Lab, run: Run) -> Result<Exit, Failure> {
    let dry = dry(session, lab, &run)?;
    let session = &restored(session, &run)?;
    let plan = ResumePlan::new(run, None, dry.on, || session.load(true))?;
    let (forecasts, _) = plan.forecasts();
    let steps = forecasts
        .iter()
        .filter(|forecast| forecast.expect != Expect::Done)
        .map(|forecast| format!("{}  {}", forecast.step, forecast.reason))
        .collect();
    confirm(
        session,
        steps,
        format!("resume run {}?", plan.run.header.id),
    )?;
    go_on(session, plan, &dry)
}

/// Each recipe with the number of its steps, in order.
fn recipes(plan: &Plan) -> Vec<String> {
    let mut order = Vec::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for step in &plan.steps {
        let steps = counts.entry(&step.recipe).or_default();
        if *steps == 0 {
            order.push(&step.recipe);
        }
        *steps += 1;
    }
    let line = |recipe: &String| {
        let steps = counts.get(recipe.as_str()).copied().unwrap_or_default();
        format!("{recipe}, {}", count(steps, "step"))
    };
    order.into_iter().map(line).collect()
}

/// Shows what would run, and asks.
fn confirm(session: &Session, steps: Vec<String>, question: String) -> Result<(), Failure> {
    for step in &steps {
        session.note(format!("{:>12} {step}", ""));
    }
    let approval = Approval {
        summary: steps,
        question,
        ..Approval::default()
    };
    let help = "answer yes on a terminal, or give `--yes`";
    approved(session, &approval, "replayed", help)
}
