//! Runs a plan for a person: what is told, who is asked, what is reported.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde_json::Value;

use super::answer::how_to_answer;
use super::approve::Approve;
use super::detach::no_run;
use super::echo::ControlEchoOff;
use super::legacy;
use super::output_listener::OutputListener;
use super::reports;
use super::session::{Session, usage};
use crate::action::builtin;
use crate::app::{self, Announce, Ended, Host, Job, Notice, Origin, RunOptions};
use crate::base::{Watch, quoted};
use crate::diag::{Exit, Failure};
use crate::engine::{Answer, Approver, Asked, Options, reads_only};
use crate::lab::timeouts::parse_duration;
use crate::lab::trace::TraceOutput;
use crate::lab::{Environment, Lab};
use crate::plan::{Listener, Plan};
use crate::report::{Look, Paint, Terminal};

/// Steps at once, unless `--jobs` says otherwise.
const JOBS: u16 = 4;

/// The terminal, or the program that reads what is written to it.
struct Person<'a> {
    session: &'a Session,
    approve: Approve,
}

impl Host for Person<'_> {
    fn notice(&self, notice: Notice) {
        let session = self.session;
        match notice {
            Notice::Waiting(text) => {
                let verb = session.palette().verb(Paint::Warn, "Waiting");
                session.say(&format!("{verb} {text}"));
            }
            Notice::Warning(text) => session.tell(Paint::Warn, "Warning", text),
            Notice::LegacyFound(files) => legacy::would_take(session, &files),
            Notice::LegacyTaken(migration) => legacy::taken(session, migration),
        }
    }

    fn look(&self) -> Look {
        self.session.look(again(self.session))
    }

    fn watch(&self, plan: &Plan, look: Look) -> Box<dyn Listener> {
        if self.session.detached {
            return Box::new(Announce::default());
        }
        // With `--yes` nobody is asked.
        let waits = self.session.waits() && !matches!(self.approve, Approve::Yes { .. });
        Box::new(OutputListener {
            how_to_answer: waits.then(|| self.session.text(how_to_answer())),
            echo_off: look.bars.then(ControlEchoOff::new),
            stream: self.session.globals.events.is_some(),
            terminal: Some(Terminal::new(
                plan.clone(),
                look,
                Box::new(std::io::stderr()),
            )),
        })
    }

    fn approver(&self) -> &dyn Approver {
        &self.approve
    }
}

impl Approver for Approve {
    fn ask(&self, asked: &Asked<'_>) -> Answer {
        let approve = if asked.covered { *self } else { self.for_new() };
        let (approved, by) = approve.answer(asked.approval);
        Answer {
            approved,
            by: by.to_owned(),
        }
    }
}

/// Runs a plan and reports it in every way that was asked for.
pub(super) fn run(session: &Session, job: &Job<'_>) -> Result<Ended, Failure> {
    if session.detached && (!job.journal || reads_only(&job.plan, job.registry)) {
        return Err(no_run());
    }
    let person = Person {
        session,
        approve: Approve::of(session),
    };
    let mut watch = Watch::start().map_err(|error| {
        Failure::message(Exit::Bug, format!("cannot listen for signals: {error}"))
    })?;
    let ended = app::run(job, &person, &mut watch);
    // What is written now ends as any program does.
    drop(watch);
    let mut ended = ended?;
    reports::over(session, &ended, job.dry_run, job.origin.request.as_ref())?;
    match ended.failure.take() {
        Some(failure) => Err(failure),
        None => Ok(ended),
    }
}

/// Runs a plan that no recipe made.
pub(super) fn run_plan(
    session: &Session,
    lab: &Lab,
    env: &Environment,
    plan: Plan,
    dry_run: bool,
    journal: bool,
) -> Result<Exit, Failure> {
    Ok(end_of_plan(session, lab, env, plan, dry_run, journal)?.exit)
}

/// The same; all that is known of its end.
pub(super) fn end_of_plan(
    session: &Session,
    lab: &Lab,
    env: &Environment,
    plan: Plan,
    dry_run: bool,
    journal: bool,
) -> Result<Ended, Failure> {
    let job = Job {
        lab,
        env,
        registry: &builtin(),
        plan,
        dry_run,
        journal,
        origin: Origin::default(),
        options: options(session)?,
    };
    run(session, &job)
}

/// How the flags say that a run runs.
///
/// # Errors
/// `HL_LOG` is no filter (2).
pub(super) fn options(session: &Session) -> Result<RunOptions, Failure> {
    let globals = &session.globals;
    let variable = session.caller.var("HL_LOG");
    Ok(RunOptions {
        engine: Options {
            jobs: usize::from(globals.jobs.unwrap_or(JOBS)),
            keep_going: globals.keep_going,
            timeout: globals.timeout.as_deref().and_then(parse_duration),
            run_timeout: globals.run_timeout.as_deref().and_then(parse_duration),
            color: session.palette().color,
            command: std::iter::once("hl".to_owned())
                .chain(session.command.iter().cloned())
                .collect(),
            operator: session.caller.operator(),
            keeper: Some(Utf8PathBuf::from("/proc/self/exe")),
            unattended: session.detached,
            ..Options::default()
        },
        interrupt: globals.interrupt,
        waits: session.waits(),
        runtime_dir: session.caller.process.get("XDG_RUNTIME_DIR").cloned(),
        listener: session.listener.clone(),
        flags: flags(session),
        trace: TraceOutput::new(variable, globals.verbose, std::io::stderr()).map_err(usage)?,
    })
}

/// The flags that change what a run does, by name.
fn flags(session: &Session) -> BTreeMap<String, Value> {
    let globals = &session.globals;
    let on = |set: bool| set.then_some(Value::Bool(true));
    let flags = [
        ("yes", on(globals.yes)),
        ("keep_going", on(globals.keep_going)),
        ("timeout", globals.timeout.clone().map(Value::String)),
        (
            "run_timeout",
            globals.run_timeout.clone().map(Value::String),
        ),
        ("jobs", globals.jobs.map(Value::from)),
    ];
    let given = flags.into_iter();
    given
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// The command that runs this again, as its user would type it.
pub(super) fn again(session: &Session) -> String {
    let redactor = session.redactor();
    let words = session.command.iter().map(|word| redactor.text(word));
    as_typed(session, words)
}

/// The command with these words behind `hl`, as its user would type it. No word may be
/// a secret.
pub(super) fn as_typed(session: &Session, words: impl Iterator<Item = String>) -> String {
    // `hl rehearse` runs `up --fresh --yes` unless told otherwise.
    let implied = |word: &str| session.rehearsing() && matches!(word, "--yes" | "--fresh");
    let typed = words.map(|word| quoted(&word));
    let words: Vec<String> = typed.filter(|word| !implied(word)).collect();
    let words = words.join(" ");
    if session.rehearsing() && words == "up" {
        return session.commands().line("rehearse");
    }
    session.commands().line(&words)
}
