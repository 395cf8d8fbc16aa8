//! `hl runs follow`: a run as its own terminal shows it, from its start. The run
//! does not notice.

use std::collections::BTreeMap;
use std::io::{stderr, stdout};
use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

use super::answer::tell_question;
use super::args::FollowArgs;
use super::output_listener::write_line;
use super::run::as_typed;
use super::session::Session;
use crate::app::resume_command;
use crate::base::{StopSource, Watch};
use crate::diag::{Exit, Failure, say};
use crate::engine::slugs;
use crate::lab::spool::Tail;
use crate::lab::{Lock, Paths};
use crate::plan::{Event, EventKind, Plan, StepId, Stream};
use crate::report::{Terminal, usual};
use crate::runs::{self, Ending, Follower, Header};

/// How often it is looked for more.
const LOOK: Duration = Duration::from_millis(50);

/// How often it is looked whether the run's process still lives.
const ALIVE: Duration = Duration::from_secs(1);

/// How long a run that asks may take to lay its question out for others; one that asks
/// at its own terminal never does.
const LAID_OUT: Duration = Duration::from_secs(2);

pub(super) fn follow(session: &Session, args: &FollowArgs) -> Result<Exit, Failure> {
    let paths = session.lab()?.paths;
    let id = match &args.run {
        Some(piece) => runs::find(&paths, piece)?.header.id,
        None => newest(&paths)?,
    };
    let file = file_of(&paths, &id);
    let mut follower = Follower::open(&file, args.from)?;
    let mut shown: Box<dyn Shown + '_> = if session.globals.events.is_some() || session.globals.json
    {
        Box::new(Lines)
    } else {
        Box::new(Screen::new(session, &paths, &runs::read(&file)?.header)?)
    };
    let mut watch = Watch::start().map_err(|error| {
        Failure::message(Exit::Bug, format!("cannot listen for signals: {error}"))
    })?;
    let mut looked = Instant::now();
    let mut asked = None;
    loop {
        let events = follower.new_events()?;
        let mut end = None;
        let idle = events.is_empty();
        for (offset, event) in events {
            if let EventKind::RunFinished { exit, .. } = &event.kind {
                end = Some(*exit);
            } else if event.kind.begins().is_some() {
                end = None;
            }
            if matches!(event.kind, EventKind::ApprovalAsked { .. }) {
                asked = Some(Instant::now());
            } else if matches!(event.kind, EventKind::ApprovalGiven { .. }) {
                asked = None;
            }
            shown.event(offset, &event)?;
        }
        shown.more()?;
        if shown.is_closed() {
            return Ok(Exit::Ok);
        }
        if asked.is_some_and(|since: Instant| shown.asks() || since.elapsed() >= LAID_OUT) {
            asked = None;
        }
        if let Some(exit) = end {
            return Ok(if exit == 0 {
                Exit::Ok
            } else {
                Exit::Child(exit)
            });
        }
        if let Some(signal) = watch.arrived() {
            drop(shown);
            let words = format!("stop {}", runs::short_id(&paths, &id));
            session.note(say("the run goes on; ").hl(words).say(" stops it"));
            return Ok(signal.into());
        }
        if idle {
            if looked.elapsed() >= ALIVE {
                looked = Instant::now();
                // While it holds the lab its file need not be read again.
                let holds = Lock::holder(&paths).is_some_and(|holder| holder.run == id);
                if !holds
                    && runs::read(&file)?.ending == Ending::Interrupted
                    && follower.new_events()?.is_empty()
                {
                    drop(shown);
                    let words = format!("resume {}", runs::short_id(&paths, &id));
                    let message = format!("run {id} was cut off: its process is gone");
                    return Err(Failure::message(Exit::Child(1), message)
                        .help(say("resume it: ").hl(words)));
                }
            }
            sleep(LOOK);
        }
    }
}

/// The run in progress, else the newest. Only a run that holds the lab is in progress.
fn newest(paths: &Paths) -> Result<String, Failure> {
    let newest = || Some(runs::page(paths, Some(1)).entries.pop()?.id);
    let in_progress = Lock::holder(paths).map(|holder| holder.run);
    // One that only removes what is generated is written down nowhere.
    let in_progress = in_progress.filter(|id| file_of(paths, id).exists());
    in_progress.or_else(newest).ok_or_else(|| {
        Failure::message(Exit::Unknown, "there is no run yet").help(say("begin one: ").hl("up"))
    })
}

fn file_of(paths: &Paths, id: &str) -> Utf8PathBuf {
    paths.runs().join(format!("{id}.yaml"))
}

/// Who is shown what happens.
trait Shown {
    fn event(&mut self, offset: u64, event: &Event) -> Result<(), Failure>;

    /// What steps have said since.
    fn more(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Shows what the run asks; whether that is over.
    fn asks(&self) -> bool {
        true
    }

    /// Nobody reads it any more.
    fn is_closed(&self) -> bool {
        is_closed(&stdout())
    }
}

/// Whether nobody reads what is written there.
fn is_closed(stream: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(stream, PollFlags::empty())];
    let polled = poll(&mut fds, Some(&Timespec::default()));
    let [fd] = &fds;
    polled.is_ok() && fd.revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Every event of the journal as a line, with its offset.
struct Lines;

impl Shown for Lines {
    fn event(&mut self, offset: u64, event: &Event) -> Result<(), Failure> {
        let bug = |error: serde_json::Error| {
            Failure::message(Exit::Bug, format!("cannot write an event as JSON: {error}"))
        };
        let mut value = serde_json::to_value(event).map_err(bug)?;
        if let Value::Object(fields) = &mut value {
            fields.insert("offset".to_owned(), offset.into());
        }
        write_line(&value)
    }
}

/// The run's terminal once more: its events, and what its steps say in their logs.
struct Screen<'a> {
    session: &'a Session,
    run: String,
    terminal: Terminal,
    /// The log of each step, once there is one.
    logs: BTreeMap<StepId, Utf8PathBuf>,
    open: BTreeMap<StepId, Tail>,
}

impl<'a> Screen<'a> {
    fn new(session: &'a Session, paths: &Paths, header: &Header) -> Result<Self, Failure> {
        let plan = read_plan(paths, &header.id)?;
        let typed = header.command.iter().skip(1).cloned();
        let mut look = session.look(as_typed(session, typed));
        let dry_run = header.dry_run;
        if !dry_run && header.request.is_some() {
            look.resume = Some(resume_command(paths, &header.id));
        }
        let own = paths.clone();
        look.usual = usual(move || runs::usual(&own, dry_run));
        Ok(Self {
            session,
            run: header.id.clone(),
            logs: logs(paths, &header.id, &plan),
            terminal: Terminal::new(plan, look, Box::new(stderr())),
            open: BTreeMap::new(),
        })
    }

    /// What a step has said since.
    fn lines(&mut self, step: &StepId) {
        let Some(tail) = self.open.get_mut(step) else {
            return;
        };
        let mut lines = Vec::new();
        // A log that cannot be read shows nothing; the events are there.
        tail.read(&mut |line| lines.push(line.to_owned())).ok();
        for line in lines {
            // Commands and warnings are told by events.
            if line.starts_with("$ ") || line.starts_with("warning: ") {
                continue;
            }
            self.terminal.event(&Event {
                time: String::new(),
                step: Some(step.clone()),
                kind: EventKind::Output {
                    stream: Stream::Stdout,
                    line,
                },
            });
        }
    }
}

impl Shown for Screen<'_> {
    fn event(&mut self, _: u64, event: &Event) -> Result<(), Failure> {
        if let Some(step) = &event.step {
            if !self.open.contains_key(step)
                && let Some(log) = self.logs.get(step)
                && let Ok(tail) = Tail::open(log)
            {
                self.open.insert(step.clone(), tail);
            }
            self.lines(step);
        }
        self.terminal.event(event);
        Ok(())
    }

    fn more(&mut self) -> Result<(), Failure> {
        let steps: Vec<StepId> = self.open.keys().cloned().collect();
        for step in &steps {
            self.lines(step);
        }
        Ok(())
    }

    fn asks(&self) -> bool {
        tell_question(self.session, Some(&self.run))
    }

    fn is_closed(&self) -> bool {
        is_closed(&stdout()) || is_closed(&stderr())
    }
}

/// Where each step of a run has its log.
pub(super) fn logs(paths: &Paths, id: &str, plan: &Plan) -> BTreeMap<StepId, Utf8PathBuf> {
    let logs = paths.logs(id);
    let names = slugs(plan).into_iter();
    names
        .map(|(step, name)| (step, logs.join(format!("{name}.log"))))
        .collect()
}

/// The plan of a run, without what its steps are given.
pub(super) fn read_plan(paths: &Paths, id: &str) -> Result<Plan, Failure> {
    let path = paths.logs(id).join("plan.json");
    let cannot = |why: &dyn std::fmt::Display| {
        let message = format!("cannot read the plan of the run, `{path}`: {why}");
        Failure::message(Exit::Unknown, message)
            .help(say("what happened is in its journal: ").hl("runs show"))
    };
    let text = std::fs::read_to_string(&path).map_err(|error| cannot(&error))?;
    Plan::parse(&text).map_err(|failure| Failure {
        exit: failure.exit,
        ..cannot(&failure)
    })
}
