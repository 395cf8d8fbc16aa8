//! Runs a plan: lock, survivors of an unfinished run, journal, listeners,
//! engine, exit code.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use duct::cmd;
use serde_json::Value;

use super::approve::Approve;
use super::echo::Unechoed;
use super::fan::Fan;
use super::legacy::take_over;
use super::reports;
use super::session::{Session, usage};
use super::target::Ready;
use super::traces;
use crate::action::{Approval, Registry};
use crate::base::quoted;
use crate::diag::{Exit, Failure};
use crate::engine::{self, Answer, Approver, Earlier, Options, Setup};
use crate::lab::timeouts::parse_duration;
use crate::lab::trace::TraceOutput;
use crate::lab::{Environment, Lab, Lock, Paths, Redactor, within};
use crate::plan::{Consent, Listener, Outcome, Plan, Status, Step, StepId, past, took};
use crate::report::{Paint, Tally, Terminal, usual};
use crate::runs::{self, Asked, Ending, Journal};

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
    pub origin: Origin,
}

/// Where a run comes from.
#[derive(Debug, Default)]
pub(super) struct Origin {
    /// What the plan was built from, where it can be built again.
    pub asked: Option<Asked>,
    /// The options of what was asked for, by name.
    pub options: BTreeMap<String, Value>,
    /// The run that is gone on with.
    pub resume: Option<Resume>,
    /// The id of a run that nobody will go on with.
    pub archive: Option<String>,
}

/// How an earlier run is gone on with.
#[derive(Debug)]
pub(super) struct Resume {
    /// Its id.
    pub id: String,
    /// Its file is continued; else a run of its own takes over its results.
    pub same: bool,
    /// Steps that run whatever was done.
    pub forced: BTreeSet<StepId>,
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
    fn ask(&self, _: &Step, approval: &Approval, covered: bool) -> Answer {
        let approve = if covered { self.0 } else { self.0.for_new() };
        let (approved, by) = approve.answer(approval);
        Answer {
            approved,
            by: by.to_owned(),
        }
    }
}

/// Runs a plan and reports it in every way that was asked for.
pub(super) fn run(session: &Session, job: &Job<'_>) -> Result<Ended, Failure> {
    let globals = &session.globals;
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
    let timeout = time("--timeout", globals.timeout.as_deref())?;
    let run_timeout = time("--run-timeout", globals.run_timeout.as_deref())?;
    let variable = session.process.get("HL_LOG").map(String::as_str);
    let trace = TraceOutput::new(variable, globals.verbose, std::io::stderr()).map_err(usage)?;
    if leaves_traces {
        not_newer(job.lab)?;
    }
    let lock = if changes {
        Some(Lock::take(&job.lab.paths, &run_id)?)
    } else {
        None
    };
    if leaves_traces {
        take_over(session, job.lab, job.dry_run)?;
    }
    if leaves_traces && !job.dry_run {
        settle(session, job.lab, &redactor)?;
    }
    if let Some(old) = &job.origin.archive {
        runs::archive(&job.lab.paths, old)?;
    }
    // Read with the lab locked: another one may have gone on with it.
    let earlier = match &job.origin.resume {
        Some(resume) => earlier(job.lab, resume)?,
        None => Earlier::default(),
    };
    let asked = job
        .origin
        .asked
        .clone()
        .filter(|asked| is_plain(asked, &redactor));
    let resumable = leaves_traces && !job.dry_run && asked.is_some();
    let flags = flags(session, job, &redactor);
    let mut journal = leaves_traces.then(|| Journal::new(&job.lab.paths, flags.clone(), asked));
    let mut view = session.look(again(session));
    view.bars &= trace.is_none();
    if leaves_traces {
        let (paths, dry_run) = (job.lab.paths.clone(), job.dry_run);
        view.usual = usual(move || runs::usual(&paths, dry_run));
    }
    view.resume = resumable.then(|| resume_command(session, &job.lab.paths, &run_id));
    let mut traces = if leaves_traces {
        traces::listeners(session, job, &plan, &redactor, flags.clone(), &view)?
    } else {
        Vec::new()
    };
    let _unechoed = view.bars.then(Unechoed::new);
    let mut fan = Fan {
        terminal: Some(Terminal::new(
            plan.clone(),
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
        trace,
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
            run_timeout,
            color: session.palette().color,
            earlier,
            resumes: job.origin.resume.as_ref().filter(|r| r.same).map(|_| flags),
        },
    };
    // The journal first: what it does not hold did not happen.
    let mut listeners: Vec<&mut dyn Listener> = Vec::new();
    if let Some(journal) = &mut journal {
        listeners.push(journal);
    }
    for trace in &mut traces {
        listeners.push(trace.as_mut());
    }
    listeners.push(&mut fan);
    let result = engine::run(&plan, &setup, &mut listeners);
    drop(lock);
    let run = leaves_traces.then_some(run_id);
    let failure = result.failure.as_ref();
    reports::over(session, &plan, &fan.tally, run, job.dry_run, failure)?;
    if let Some(failure) = result.failure {
        return Err(failure);
    }
    Ok(Ended {
        exit: result.exit,
        tally: fan.tally,
    })
}

/// The value of a flag that takes a time.
fn time(flag: &str, text: Option<&str>) -> Result<Option<Duration>, Failure> {
    let Some(text) = text else {
        return Ok(None);
    };
    let time = parse_duration(text).ok_or_else(|| {
        usage(format!("`{flag} {text}` is not a time")).help("such as 90s, 30m, 2h")
    });
    time.map(Some)
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

/// What the earlier parts of a run did.
fn earlier(lab: &Lab, resume: &Resume) -> Result<Earlier, Failure> {
    let run = runs::find(&lab.paths, &resume.id)?;
    let finished = matches!(
        run.ending,
        Ending::Finished {
            outcome: Outcome::Succeeded,
            ..
        }
    );
    if finished && resume.same && resume.forced.is_empty() {
        return Err(Failure::message(
            Exit::Busy,
            format!(
                "another `hl` has gone on with run {}, and it succeeded",
                resume.id
            ),
        ));
    }
    Ok(Earlier {
        steps: past(&run.events),
        forced: resume.forced.clone(),
        consent: Consent::after(&run.events),
        // Of a dry run on its own, the live run is no part.
        took: if resume.same {
            took(&run.events)
        } else {
            Duration::ZERO
        },
    })
}

/// Whether what was asked for can be written down: no secret is in it.
fn is_plain(asked: &Asked, redactor: &Redactor) -> bool {
    serde_json::to_string(asked).is_ok_and(|text| redactor.text(&text) == text)
}

/// The command that goes on with a run.
pub(super) fn resume_command(session: &Session, paths: &Paths, id: &str) -> String {
    let words = format!("resume {}", runs::short_id(paths, id));
    session.commands().line(&words)
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
fn flags(session: &Session, job: &Job<'_>, redactor: &Redactor) -> BTreeMap<String, Value> {
    let globals = &session.globals;
    let set = [("yes", globals.yes), ("keep_going", globals.keep_going)];
    let mut flags: BTreeMap<String, Value> = set
        .into_iter()
        .filter(|(_, on)| *on)
        .map(|(name, _)| (name.to_owned(), Value::Bool(true)))
        .collect();
    for (name, time) in [
        ("timeout", &globals.timeout),
        ("run_timeout", &globals.run_timeout),
    ] {
        if let Some(time) = time {
            flags.insert(name.to_owned(), Value::String(time.clone()));
        }
    }
    if let Some(jobs) = globals.jobs {
        flags.insert("jobs".to_owned(), Value::from(jobs));
    }
    // A recipe's own option of a name wins, as it does on the command line.
    for (name, value) in &job.origin.options {
        let value = value
            .as_str()
            .map_or_else(|| value.clone(), |text| Value::String(redactor.text(text)));
        flags.insert(name.clone(), value);
    }
    flags
}

/// The command that runs this again, as its user would type it.
pub(super) fn again(session: &Session) -> String {
    let redactor = session.redactor();
    // `hl rehearse` runs `up --fresh --yes` unless told otherwise.
    let implied = |word: &str| session.rehearsing() && matches!(word, "--yes" | "--fresh");
    let typed = session
        .command
        .iter()
        .map(|word| quoted(&redactor.text(word)));
    let words: Vec<String> = typed.filter(|word| !implied(word)).collect();
    let words = words.join(" ");
    if session.rehearsing() && words == "up" {
        return session.commands().line("rehearse");
    }
    session.commands().line(&words)
}

fn operator(session: &Session) -> String {
    let named = ["USER", "LOGNAME"]
        .iter()
        .filter_map(|name| session.process.get(*name))
        .find(|name| !name.is_empty());
    let user = named.cloned().unwrap_or_else(name_of_uid);
    let host = rustix::system::uname();
    format!("{user}@{}", host.nodename().to_string_lossy())
}

/// The name that the system has for the user; the number where it has none.
fn name_of_uid() -> String {
    let said = cmd!("id", "-un").stdin_null().stderr_null().read();
    let name = said.unwrap_or_default().trim().to_owned();
    if name.is_empty() {
        return rustix::process::getuid().as_raw().to_string();
    }
    name
}

/// What a run would be given, for a look ahead at which nothing runs.
pub(super) fn setup_to_explain<'a>(
    ready: &'a Ready,
    redactor: &'a Redactor,
    run_id: &str,
    earlier: Earlier,
    dry_run: bool,
) -> Setup<'a> {
    Setup {
        lab: &ready.lab,
        env: &ready.env,
        registry: &ready.registry,
        redactor,
        approver: &By(Approve::NoInput),
        trace: None,
        options: Options {
            run_id: run_id.to_owned(),
            command: Vec::new(),
            operator: String::new(),
            dry_run,
            jobs: 1,
            keep_going: false,
            timeout: None,
            run_timeout: None,
            color: false,
            earlier,
            resumes: None,
        },
    }
}
