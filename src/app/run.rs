//! A plan runs: lock, what an older tool left, survivors of an unfinished run,
//! journal, listeners, engine.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::context_file;
use super::earlier::earlier;
use super::held;
use super::host::{Host, Notice};
use super::job::{Ended, Job};
use super::past_run::resume_command;
use super::remote::Remote;
use super::saved_plan::save_plan;
use crate::base::StopSource;
use crate::control::{Desk, Place, Reply, Request, Server, Stops, ask};
use crate::diag::{Exit, Failure, say};
use crate::engine::{self, Approver, Options, PriorRun, Setup};
use crate::handoff::{ExecutionKeeper, Identity, Publisher};
use crate::lab::{Environment, Lab, Redactor, within};
use crate::legacy;
use crate::manifest;
use crate::plan::{Event, Listener, Plan, Tally};
use crate::pve::Endpoint;
use crate::rehearse::is_within;
use crate::report::{Console, Look, RunReport, usual};
use crate::runs::{self, Journal, RunRequest, SavedRequest};
use crate::tofu::files::remove_saved_plans;

/// How long an approval holds for what was shown, without another look.
const APPROVAL_LASTS: Duration = Duration::from_mins(10);

/// Runs a plan.
///
/// # Errors
/// It could not start: the lab is held (75), state cannot be written (73) or was
/// written by a newer version (76), the wait for an earlier run was ended (130).
pub fn run(job: &Job<'_>, host: &dyn Host, stops: &mut dyn StopSource) -> Result<Ended, Failure> {
    let redactor = redactor(job);
    // Arguments stand in its name.
    let mut plan = job.plan.clone();
    plan.recipe = redactor.text(&plan.recipe);
    let changes = !engine::reads_only(&plan, job.registry);
    let leaves_traces = changes && job.journal;
    let run_id = match &job.origin.resume {
        Some(resume) if resume.same => resume.id.clone(),
        _ if leaves_traces => runs::new_id(),
        _ => String::new(),
    };
    if leaves_traces {
        not_newer(job.lab)?;
    }
    let lock = if changes {
        Some(held::take(&job.lab.paths, &run_id).map_err(|busy| with_question(job, busy))?)
    } else {
        None
    };
    if leaves_traces {
        take_over(job, host)?;
    }
    let desk = Desk::new(&run_id);
    let _server = if leaves_traces {
        reachable(job, host, &desk)
    } else {
        None
    };
    let mut stops = Stops::new(stops, desk.clone());
    if leaves_traces && !job.dry_run {
        runs::settle(
            job.lab,
            &redactor,
            job.options.interrupt,
            &mut stops,
            &mut |notice| host.notice(Notice::Waiting(redactor.text(&notice.message))),
        )?;
        forget_plans(job.lab)?;
    }
    if let Some(old) = &job.origin.archive {
        runs::archive(&job.lab.paths, old)?;
    }
    let earlier = match &job.origin.resume {
        Some(resume) => earlier(job.lab, resume, &plan)?,
        None => PriorRun::default(),
    };
    let request = job.origin.request.clone();
    let request = request.filter(|request| is_plain(request, &redactor));
    let request = request.map(|request| SavedRequest::new(request, job.env, &redactor));
    let shown = look(job, host, leaves_traces, request.is_some(), &run_id);
    let flags = flags(job, &redactor);
    // The journal first: what it does not hold did not happen.
    let mut listeners: Vec<Box<dyn Listener>> = Vec::new();
    if leaves_traces {
        let journal = Journal::new(&job.lab.paths, flags.clone(), request);
        listeners.push(Box::new(journal));
        listeners.extend(run_files(
            job,
            host,
            &plan,
            &redactor,
            flags.clone(),
            &shown,
        )?);
    }
    if leaves_traces {
        save_plan(job.lab, &run_id, &plan, &redactor)?;
    }
    let same = job.origin.resume.as_ref().is_some_and(|r| r.same);
    let mut tally = Tally::default();
    let mut watcher = host.watch(&plan, shown);
    let remote = Remote {
        host: host.approver(),
        desk: &desk,
        redactor: &redactor,
        limit: job.lab.config.approval.limit(),
    };
    let approver: &dyn Approver = if job.options.waits {
        &remote
    } else {
        host.approver()
    };
    let setup = Setup {
        lab: job.lab,
        env: job.env,
        registry: job.registry,
        redactor: &redactor,
        approver,
        trace: job.options.trace.clone(),
        options: Options {
            run_id: run_id.clone(),
            dry_run: job.dry_run,
            earlier,
            resumes: same.then_some(flags),
            approval_lasts: APPROVAL_LASTS,
            ..job.options.engine.clone()
        },
    };
    let mut counter = Counter(&mut tally);
    let mut all: Vec<&mut dyn Listener> = Vec::new();
    for listener in &mut listeners {
        all.push(listener.as_mut());
    }
    all.push(&mut counter);
    all.push(watcher.as_mut());
    let result = engine::run(&plan, &setup, &mut stops, &mut all);
    drop(lock);
    let mut failure = result.failure;
    if let Some(RunRequest::Scenario(scenario)) = &job.origin.request
        && let Some(context) = &scenario.context
        && !job.dry_run
        && let Err(unwritten) = context_file::write(context, &tally)
    {
        failure.get_or_insert(unwritten);
    }
    Ok(Ended {
        plan,
        run: leaves_traces.then_some(run_id),
        exit: result.exit,
        tally,
        failure,
    })
}

/// Who holds the lab may wait for an answer.
fn with_question(job: &Job<'_>, busy: Failure) -> Failure {
    let place = Place::of(&job.lab.paths, job.options.runtime_dir.as_deref());
    let Ok(Some(Reply::Status(status))) = ask(&place, &Request::Status) else {
        return busy;
    };
    match status.question {
        None => busy.help(say("stop it: ").hl("stop")),
        Some(question) => busy
            .help(format!("it waits for an answer: {}", question.text))
            .help(
                say("see what it asks: ")
                    .hl("status")
                    .say("; answer: ")
                    .hl("approve")
                    .say(" or ")
                    .hl("reject"),
            ),
    }
}

/// A plan that a killed run had saved holds secrets, and nobody applies it any more.
fn forget_plans(lab: &Lab) -> Result<(), Failure> {
    let build = lab.paths.build();
    remove_saved_plans(&build).map_err(|error| {
        let build = lab.paths.show(&build);
        let message = format!("cannot remove an old plan in `{build}`: {error}");
        Failure::message(Exit::CannotWrite, message)
    })
}

/// Lets the run be spoken to while it lasts.
fn reachable(job: &Job<'_>, host: &dyn Host, desk: &Desk) -> Option<Server> {
    let server = match &job.options.listener {
        Some(listener) => listener.try_clone().and_then(|own| Server::at(own, desk)),
        // What is open in a rehearsal is open to its steps.
        None if is_within() => return None,
        None => {
            let place = Place::of(&job.lab.paths, job.options.runtime_dir.as_deref());
            Server::open(&place, desk)
        }
    };
    let tell = |error| {
        let text = format!("this run cannot be stopped or answered from elsewhere: {error}");
        host.notice(Notice::Warning(text));
    };
    server.map_err(tell).ok()
}

/// Counts how the steps end.
struct Counter<'a>(&'a mut Tally);

impl Listener for Counter<'_> {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        self.0.take(event);
        Ok(())
    }
}

/// How the run is shown: with the command that goes on with it, and what its
/// steps usually take.
fn look(job: &Job<'_>, host: &dyn Host, leaves_traces: bool, plain: bool, run_id: &str) -> Look {
    let mut look = host.look();
    // Lines of the trace would be drawn over.
    look.bars &= job.options.trace.is_none();
    let paths = job.lab.paths.clone();
    if leaves_traces && !job.dry_run && plain {
        look.resume = Some(resume_command(&paths, run_id));
    }
    if leaves_traces {
        let dry_run = job.dry_run;
        look.usual = usual(move || runs::usual(&paths, dry_run));
    }
    look
}

/// What keeps a run beside its journal: the files that hand on, the console's
/// text, the reports.
fn run_files(
    job: &Job<'_>,
    host: &dyn Host,
    plan: &Plan,
    redactor: &Redactor,
    flags: BTreeMap<String, Value>,
    look: &Look,
) -> Result<Vec<Box<dyn Listener>>, Failure> {
    let paths = &job.lab.paths;
    let identity = identity(job.env);
    let node = identity.node.clone();
    let handoffs = job.registry.handoffs(plan, job.dry_run);
    let reported = handoffs.clone();
    let publisher = Publisher::new(
        paths,
        plan,
        job.dry_run,
        handoffs,
        identity,
        flags,
        redactor,
    )?;
    if let Some(notice) = publisher.notice() {
        host.notice(Notice::Warning(notice.to_owned()));
    }
    let execution = manifest::on_host(plan).filter(|_| !job.dry_run);
    let execution = execution.map(|of| ExecutionKeeper::new(paths, plan, &of));
    let report = RunReport::new(paths, plan, reported, node, look.resume.clone(), redactor);
    let mut files: Vec<Box<dyn Listener>> = Vec::new();
    if let Some(execution) = execution.transpose()? {
        files.push(Box::new(execution));
    }
    files.push(Box::new(publisher));
    files.push(Box::new(Console::new(paths, plan, look)));
    files.push(Box::new(report));
    Ok(files)
}

/// The node that the environment names.
fn identity(env: &Environment) -> Identity {
    let endpoint = env.get("PVE_ACCESS_HOST").map(Endpoint::parse);
    Identity {
        // A wrong address is reported by the step that uses it.
        api_url: endpoint.and_then(Result::ok).map(|endpoint| endpoint.url()),
        node: env.get("PVE_NODE").map(str::to_owned),
        token_id: env.get("PM_TOKEN_ID").map(str::to_owned),
    }
}

/// Knows the secrets of the environment, and those inside of what layers say:
/// the password of a mirror's URL.
fn redactor(job: &Job<'_>) -> Redactor {
    let plan = serde_json::to_string(&job.plan).unwrap_or_default();
    Redactor::new(job.env.secrets().chain(within(&plan)))
}

/// A lab whose last run was made by a newer `hl` is not changed by this one.
fn not_newer(lab: &Lab) -> Result<(), Failure> {
    let newest = runs::page(&lab.paths, Some(1)).entries.into_iter().next();
    match newest.map(|entry| entry.summary) {
        Some(Err(failure)) if failure.exit == Exit::Newer => Err(failure),
        _ => Ok(()),
    }
}

/// What an older tool left: taken over by a run that changes something, told by
/// a dry one.
fn take_over(job: &Job<'_>, host: &dyn Host) -> Result<(), Failure> {
    let paths = &job.lab.paths;
    host.notice(if job.dry_run {
        Notice::LegacyFound(
            legacy::found(paths)
                .iter()
                .map(|file| paths.show(file))
                .collect(),
        )
    } else {
        Notice::LegacyTaken(legacy::migrate(paths)?)
    });
    Ok(())
}

/// Whether what was asked for can be written down: no secret is in it.
fn is_plain(request: &RunRequest, redactor: &Redactor) -> bool {
    serde_json::to_string(request).is_ok_and(|text| redactor.text(&text) == text)
}

/// The flags that change what a run does, for its header.
fn flags(job: &Job<'_>, redactor: &Redactor) -> BTreeMap<String, Value> {
    let mut flags = job.options.flags.clone();
    // A recipe's own option of a name wins, as it does on the command line.
    for (name, value) in &job.origin.options {
        let value = value
            .as_str()
            .map_or_else(|| value.clone(), |text| Value::String(redactor.text(text)));
        flags.insert(name.clone(), value);
    }
    flags
}
