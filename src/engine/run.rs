//! The one loop that starts steps, hears signals and watches the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use serde_json::Value;
use tracing::{Dispatch, dispatcher};

use super::board::Board;
use super::bus::Bus;
use super::children::Children;
use super::control::Control;
use super::identity::{begins, check};
use super::limit::Limit;
use super::log::slugs;
use super::redacted::value;
use super::reuse::no_longer_apply;
use super::setup::{RunResult, Setup, StepResult, reads_only};
use super::shared::{Shared, millis};
use super::step::perform;
use super::step_end::End;
use super::stop_messages::{self, Urgency};
use super::temporary::Temporary;
use super::undo::check_undo;
use crate::action::Stop;
use crate::base::short_duration;
use crate::base::{Signal, StopSource};
use crate::diag::{Advice, Exit, Failure, merge};
use crate::keeper::Keeper;
use crate::lab::trace::{self, carried};
use crate::lab::{Redactor, create_dir};
use crate::plan::{EventKind, Listener, Outcome, Plan, Status, StepEnd, StepId};

/// How often signals and clocks are looked at; a step's end is heard at once.
const TICK: Duration = Duration::from_millis(50);

/// Executes a plan. Every event goes to each listener in turn; nothing is
/// printed. Returns when every step has ended and no child is left.
///
/// `stops` is where the run hears that it is to stop.
pub fn run(
    plan: &Plan,
    setup: &Setup<'_>,
    stops: &mut dyn StopSource,
    listeners: &mut [&mut dyn Listener],
) -> RunResult {
    let started = Instant::now();
    let (logs, trace) = match prepare(plan, setup) {
        Ok(prepared) => prepared,
        Err(failure) => {
            return RunResult {
                outcome: Outcome::Failed,
                exit: failure.exit,
                steps: Vec::new(),
                failure: Some(failure),
            };
        }
    };
    let _traced = dispatcher::set_default(&trace);
    let _span =
        tracing::info_span!("run", id = %setup.options.run_id, recipe = %plan.recipe).entered();
    let run = Shared {
        setup,
        bus: Bus::new(setup.redactor, listeners),
        children: Children::default(),
        keeper: setup.options.keeper.clone().map(|program| {
            let id = setup.options.run_id.clone();
            Keeper::new(program, id)
        }),
        logs,
        published: Mutex::default(),
        results: Mutex::default(),
        asking: Mutex::new(()),
        plan,
        slugs: slugs(plan),
    };
    run.bus.emit(None, begins(plan, setup));
    for step in no_longer_apply(plan, &setup.options.earlier) {
        let message = format!(
            "step `{step}` of the earlier part no longer applies: the plan has no such step"
        );
        run.bus.emit(None, EventKind::Warning { message });
    }
    let mut result = thread::scope(|scope| {
        let (sender, inbox) = channel();
        Scheduler {
            run: &run,
            scope,
            sender,
            inbox,
            board: Board::new(plan, setup.options.keep_going),
            running: BTreeMap::new(),
            ends: plan.steps.iter().map(|_| None).collect(),
            temporary: Temporary::new(plan),
            source: stops,
            stops: Stops::default(),
            overrun: false,
            limit: setup.options.run_timeout.map(|l| Limit::new(l, started)),
        }
        .run()
    });
    run.bus.emit(
        None,
        EventKind::RunFinished {
            outcome: result.outcome,
            exit: result.exit.code(),
            duration_ms: millis(started.elapsed()),
            earlier_ms: millis(setup.options.earlier.took),
        },
    );
    // A journal that could not take the last line has not been heard yet.
    if result.failure.is_none()
        && let Some(failure) = run.bus.failure()
    {
        result.exit = failure.exit;
        result.failure = Some(failure);
    }
    result
}

/// What must work before anything is said: the plan makes sense, logs can be
/// written. Their directory is absent when the plan only reads.
fn prepare(plan: &Plan, setup: &Setup<'_>) -> Result<(Option<Utf8PathBuf>, Dispatch), Failure> {
    check(plan)?;
    check_undo(plan, setup.registry)?;
    // Without an id there is no run that logs could be of.
    let logs = (!reads_only(plan, setup.registry) && !setup.options.run_id.is_empty())
        .then(|| setup.lab.paths.logs(&setup.options.run_id));
    if let Some(logs) = &logs {
        create_dir(logs)?;
    }
    let file = logs.as_ref().map(|logs| logs.join("trace.log"));
    let trace = trace::subscriber(file.as_deref(), setup.trace.as_ref(), setup.redactor);
    let trace = trace.map_err(|error| {
        let what = format!("cannot write `trace.log` of the run: {error}");
        Failure::message(Exit::CannotWrite, what)
    })?;
    Ok((logs, trace))
}

/// How the run has been asked to stop.
#[derive(Debug, Default)]
struct Stops {
    /// The exit code that the first one stands for.
    first: Option<Exit>,
    /// How often, 0 to 3.
    count: u8,
}

struct Scheduler<'scope, 'a> {
    run: &'scope Shared<'a>,
    scope: &'scope Scope<'scope, 'a>,
    sender: Sender<(usize, End)>,
    inbox: Receiver<(usize, End)>,
    board: Board,
    running: BTreeMap<usize, Arc<Control>>,
    ends: Vec<Option<End>>,
    temporary: Temporary,
    source: &'scope mut dyn StopSource,
    stops: Stops,
    /// The run's limit was over, and nothing was interrupted for it.
    overrun: bool,
    limit: Option<Limit>,
}

impl Scheduler<'_, '_> {
    fn run(mut self) -> RunResult {
        loop {
            // Before anything is started: a stop may have come while the run began.
            while let Some(signal) = self.source.arrived() {
                self.signal(signal);
            }
            for never in self.board.settle() {
                self.finished(never.index, End::new(never.status, never.reason));
            }
            while self.running.len() < self.run.setup.options.jobs.max(1)
                && let Some(index) = self.board.ready()
            {
                self.start(index);
            }
            if self.board.is_over() {
                let left = self.temporary.over();
                self.not_removed(None, left);
                return self.result();
            }
            match self.inbox.recv_timeout(TICK) {
                Ok((index, end)) => {
                    self.running.remove(&index);
                    self.board.end(index, end.told.status, end.how);
                    self.finished(index, end);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if self.stops.count == 0
                && let Some(failure) = self.run.bus.failure()
            {
                self.stop(failure.exit, "the run was stopped");
                self.run.bus.emit(
                    None,
                    EventKind::Warning {
                        message: format!("{failure}; the run is stopped"),
                    },
                );
            }
            self.run_clock();
            self.clocks();
        }
    }

    fn start(&mut self, index: usize) {
        self.board.start(index);
        let control = Arc::new(Control::default());
        self.running.insert(index, Arc::clone(&control));
        let run = self.run;
        let step = &run.plan.steps[index];
        let slug = run.slugs.get(&step.id).map_or("step", String::as_str);
        let sender = self.sender.clone();
        self.scope.spawn(carried(move || {
            let end = perform(run, step, slug, &control);
            // The loop listens until every step has ended.
            sender.send((index, end)).unwrap_or_default();
        }));
    }

    /// A step has ended: publish, tell, remember.
    fn finished(&mut self, index: usize, mut end: End) {
        let run = self.run;
        let id = &run.plan.steps[index].id;
        let told = &end.told;
        let mut results = run.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.insert(id.clone(), (told.status, told.summary.clone()));
        drop(results);
        if end.error.is_none() && !told.outputs.is_empty() {
            let mut published = run.published.lock().unwrap_or_else(PoisonError::into_inner);
            published.insert(id.clone(), told.outputs.clone());
        }
        let error = end.error.as_ref();
        let commands = run.setup.lab.paths.commands();
        let texts = |all: &[Advice]| all.iter().map(|one| one.text(commands)).collect();
        let told = StepEnd {
            fingerprint: whole(told, run.bus.redactor()),
            warnings: texts(&end.warnings),
            help: error.map(|e| texts(&e.help)).unwrap_or_default(),
            tail: error.map(|e| e.tail.clone()).unwrap_or_default(),
            exit: end.exit().map(Exit::code),
            ..told.clone()
        };
        end.told = told.clone();
        run.bus.emit(Some(id), EventKind::StepFinished(told));
        let left = self.temporary.ended(id, &end.temporary);
        self.not_removed(Some(id), left);
        self.ends[index] = Some(end);
    }

    fn not_removed(&self, step: Option<&StepId>, left: Vec<(Utf8PathBuf, io::Error)>) {
        for (file, why) in left {
            let file = self.run.setup.lab.paths.show(&file);
            let message = format!("cannot remove `{file}`, which nothing uses any more: {why}");
            self.run.bus.emit(step, EventKind::Warning { message });
        }
    }

    fn signal(&mut self, signal: Signal) {
        // A supervisor that repeats itself, or a terminal and its shell that
        // both say goodbye, must not cost a VM.
        let escalates = matches!(signal, Signal::Interrupt | Signal::Request);
        let message = match self.stops.count {
            0 => self.stop(signal.into(), "the run was stopped"),
            _ if !escalates => return,
            1 => {
                self.stops.count = 2;
                self.board.stop(true, "the run was stopped");
                for control in self.running.values() {
                    control.stop(Stop::User);
                }
                stop_messages::second(&self.run.children.terminate(), &self.urgency())
            }
            _ => {
                self.stops.count = 3;
                stop_messages::third(&self.run.children.kill())
            }
        };
        self.run.bus.emit(
            None,
            EventKind::Interrupted {
                signal: signal.name().to_owned(),
                message,
            },
        );
    }

    /// The limit of the whole run.
    fn run_clock(&mut self) {
        let asking = matches!(self.run.asking.try_lock(), Err(TryLockError::WouldBlock));
        let now = Instant::now();
        let Some(limit) = &mut self.limit else {
            return;
        };
        let whole = limit.whole();
        if !limit.is_over(now, asking) || self.stops.count > 0 {
            return;
        }
        let over = format!("the run's limit of {} was over", short_duration(whole));
        let done = if self.run.setup.options.spares_running {
            self.overrun = true;
            self.board.stop(false, &over);
            "nothing new begins, and what runs goes on to its end".to_owned()
        } else {
            self.stop(Exit::Timeout, &over)
        };
        self.run.bus.emit(
            None,
            EventKind::Interrupted {
                signal: "timeout".to_owned(),
                message: format!("{over}: {done}"),
            },
        );
    }

    /// The first stop: nothing new, and one SIGINT to each child. `finally`
    /// steps are left alone. `why` is what steps say that were not started.
    fn stop(&mut self, exit: Exit, why: &str) -> String {
        self.stops = Stops {
            first: Some(exit),
            count: 1,
        };
        self.board.stop(false, why);
        let steps = &self.run.plan.steps;
        let mut stopped: BTreeSet<StepId> = BTreeSet::new();
        for (index, control) in &self.running {
            if !steps[*index].finally {
                control.stop(Stop::User);
                stopped.insert(steps[*index].id.clone());
            }
        }
        let children = &self.run.children;
        let signalled = children.interrupt(Stop::User, |child| stopped.contains(&child.step));
        for child in children.all() {
            stopped.remove(&child.step);
        }
        let alone: Vec<StepId> = stopped.into_iter().collect();
        let finally = steps.iter().any(|step| step.finally);
        stop_messages::first(&signalled, &alone, finally, &self.urgency())
    }

    /// What makes a stop more urgent, as messages say it.
    fn urgency(&self) -> Urgency {
        let setup = self.run.setup;
        Urgency::new(setup.options.unattended, setup.lab.paths.commands())
    }

    fn clocks(&self) {
        let now = Instant::now();
        let interrupted = |step: Option<&StepId>, signal: &str, message| {
            let signal = signal.to_owned();
            self.run
                .bus
                .emit(step, EventKind::Interrupted { signal, message });
        };
        for (index, control) in &self.running {
            let id = &self.run.plan.steps[*index].id;
            if control.is_to_be_told(now) {
                let message = stop_messages::no_limit(id, &self.run.setup.lab.config.timeouts);
                self.run.bus.emit(Some(id), EventKind::Warning { message });
            }
            if control.time_is_over(now) {
                let children = &self.run.children;
                let signalled = children.interrupt(Stop::Timeout, |child| child.step == *id);
                interrupted(Some(id), "timeout", stop_messages::timeout(&signalled));
            }
        }
        for one in self.run.children.overdue(now) {
            interrupted(
                Some(&one.child.step),
                "timeout",
                stop_messages::overdue(&one),
            );
        }
    }

    fn result(self) -> RunResult {
        let failure = self.run.bus.failure();
        let ends: Vec<End> = self.ends.into_iter().flatten().collect();
        let exits = ends.iter().filter_map(End::exit);
        // What had begun may have been all there was, or may have failed by itself.
        let count = |status| ends.iter().filter(|end| end.told.status == status).count();
        let overran = self.overrun && count(Status::Cancelled) > 0 && count(Status::Failed) == 0;
        let exit = match (&failure, self.stops.first) {
            (Some(failure), _) => failure.exit,
            (None, Some(exit)) => exit,
            (None, None) if overran => Exit::Timeout,
            (None, None) => merge(exits),
        };
        let any = |status| ends.iter().any(|end| end.told.status == status);
        let outcome = if failure.is_some() {
            Outcome::Failed
        } else if self.stops.first.is_some() {
            Outcome::Cancelled
        } else if any(Status::Failed) {
            Outcome::Failed
        } else if any(Status::Cancelled) {
            Outcome::Cancelled
        } else {
            Outcome::Succeeded
        };
        let steps = self.run.plan.steps.iter().zip(ends);
        RunResult {
            outcome,
            exit,
            steps: steps
                .map(|(step, end)| StepResult {
                    id: step.id.clone(),
                    end: end.told,
                    error: end.error,
                })
                .collect(),
            failure,
        }
    }
}

/// What the result rests on, unless its outputs hold what is not written down.
fn whole(end: &StepEnd, redactor: &Redactor) -> Option<String> {
    let same = |output: &Value| value(output.clone(), redactor) == *output;
    let fingerprint = end.fingerprint.clone()?;
    end.outputs.values().all(same).then_some(fingerprint)
}
