//! Runs a plan: lock, survivors of an unfinished run, journal, listeners,
//! engine, exit code.

use std::collections::BTreeMap;

use serde_json::Value;

use super::approve::Approve;
use super::echo::Unechoed;
use super::fan::Fan;
use super::session::{Session, usage};
use crate::action::{Approval, Registry};
use crate::diag::{Exit, Failure};
use crate::engine::{self, Answer, Approver, Options, Setup};
use crate::lab::timeouts::parse_duration;
use crate::lab::{Environment, Lab, Lock, Redactor};
use crate::plan::{Listener, Plan, Status, Step, quoted};
use crate::report::{Document, Paint, Tally, Terminal};
use crate::runs::{self, Journal};

/// Steps at once, unless `--jobs` says otherwise.
const JOBS: u16 = 4;

/// What a run is made of.
pub(super) struct Job<'a> {
    pub lab: &'a Lab,
    pub env: &'a Environment,
    pub registry: &'a Registry,
    pub plan: Plan,
    pub dry_run: bool,
    /// Whether the run is written down. `hl clean` takes its own traces away.
    pub journal: bool,
}

/// A run that is over and was reported.
#[derive(Debug)]
pub(super) struct Ended {
    pub exit: Exit,
    pub tally: Tally,
}

impl Ended {
    /// A dry run found something that a live run would change.
    pub(super) fn pending(&self) -> bool {
        self.tally
            .ended
            .iter()
            .any(|e| e.changed == Some(true) || e.status == Status::NotPlanned)
    }
}

struct By(Approve);

impl Approver for By {
    fn ask(&self, _: &Step, approval: &Approval) -> Answer {
        let (approved, by) = self.0.answer(approval);
        Answer {
            approved,
            by: by.to_owned(),
        }
    }
}

/// Runs a plan and reports it in every way that was asked for.
pub(super) fn run(session: &Session, job: &Job<'_>) -> Result<Ended, Failure> {
    let globals = &session.globals;
    let redactor = Redactor::new(job.env.secrets());
    let changes = !engine::reads_only(&job.plan, job.registry);
    let leaves_traces = changes && job.journal;
    let run_id = if leaves_traces {
        runs::new_id()
    } else {
        String::new()
    };
    let timeout = match globals.timeout.as_deref() {
        None => None,
        Some(text) => Some(parse_duration(text).ok_or_else(|| {
            usage(format!("`--timeout {text}` is not a time")).help("such as 90s, 30m, 2h")
        })?),
    };
    let lock = if changes {
        Some(Lock::take(&job.lab.paths, &run_id)?)
    } else {
        None
    };
    if leaves_traces && !job.dry_run {
        settle(session, job.lab, &redactor)?;
    }
    let mut journal = leaves_traces.then(|| Journal::new(&job.lab.paths, flags(session), None));
    let view = session.look(again(session));
    let _unechoed = view.bars.then(Unechoed::new);
    let mut fan = Fan {
        terminal: Some(Terminal::new(
            job.plan.clone(),
            view,
            Box::new(std::io::stderr()),
        )),
        stream: globals.events.is_some(),
        tally: Tally::default(),
    };
    let approver = By(Approve::of(session));
    let setup = Setup {
        lab: job.lab,
        env: job.env,
        registry: job.registry,
        redactor: &redactor,
        approver: &approver,
        options: Options {
            run_id: run_id.clone(),
            command: std::iter::once("hl".to_owned())
                .chain(session.command.iter().cloned())
                .collect(),
            operator: operator(session),
            dry_run: job.dry_run,
            jobs: usize::from(globals.jobs.unwrap_or(JOBS)),
            keep_going: globals.keep_going,
            timeout,
            color: session.palette().color,
            earlier: engine::Earlier::default(),
            resumes: None,
        },
    };
    // The journal first: what it does not hold did not happen.
    let mut listeners: Vec<&mut dyn Listener> = Vec::new();
    if let Some(journal) = &mut journal {
        listeners.push(journal);
    }
    listeners.push(&mut fan);
    let result = engine::run(&job.plan, &setup, &mut listeners);
    drop(lock);
    if globals.json && globals.events.is_none() {
        let run = leaves_traces.then_some(run_id);
        session.json(&Document::new(&job.plan, &fan.tally, run, job.dry_run))?;
    }
    if let Some(failure) = result.failure {
        return Err(failure);
    }
    Ok(Ended {
        exit: result.exit,
        tally: fan.tally,
    })
}

/// Children of an unfinished run may still work on the lab: they are named,
/// and waited for.
fn settle(session: &Session, lab: &Lab, redactor: &Redactor) -> Result<(), Failure> {
    runs::settle(lab, redactor, session.globals.interrupt, &mut |notice| {
        let verb = session.palette().verb(Paint::Warn, "Waiting");
        session.say(&format!("{verb} {}", redactor.text(&notice.message)));
    })
}

/// The flags that change what a run does, for its header.
fn flags(session: &Session) -> BTreeMap<String, Value> {
    let globals = &session.globals;
    let set = [("yes", globals.yes), ("keep_going", globals.keep_going)];
    let mut flags: BTreeMap<String, Value> = set
        .into_iter()
        .filter(|(_, on)| *on)
        .map(|(name, _)| (name.to_owned(), Value::Bool(true)))
        .collect();
    if let Some(timeout) = &globals.timeout {
        flags.insert("timeout".to_owned(), Value::String(timeout.clone()));
    }
    if let Some(jobs) = globals.jobs {
        flags.insert("jobs".to_owned(), Value::from(jobs));
    }
    flags
}

/// The command that runs this again, as its user would type it.
fn again(session: &Session) -> String {
    let rehearsing = session.rehearsing();
    let mut words = vec!["hl".to_owned()];
    if rehearsing {
        words.push("rehearse".to_owned());
    }
    // `hl rehearse` runs `up --yes` unless told otherwise.
    let typed = session.command.iter().map(|word| quoted(word));
    words.extend(typed.filter(|word| !rehearsing || word != "--yes"));
    if words == ["hl", "rehearse", "up"] {
        words.pop();
    }
    words.join(" ")
}

fn operator(session: &Session) -> String {
    let user = ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| session.process.get(*name))
        .map_or("unknown", String::as_str);
    let host = rustix::system::uname();
    format!("{user}@{}", host.nodename().to_string_lossy())
}
