//! All running children, and how they are stopped: exactly one SIGINT to the
//! group, the child's grace, and only then harder means, never SIGTERM for a
//! child that loses its work by it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::action::Stop;
use crate::base::Process;
use crate::plan::StepId;

/// Time between SIGTERM and SIGKILL, for children that take SIGTERM; at most their grace.
const AFTER_SIGTERM: Duration = Duration::from_secs(5);

/// What has been sent so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sent {
    Nothing,
    Int,
    Term,
    Kill,
}

/// A child as the table is told of it.
#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) step: StepId,
    pub(super) program: String,
    pub(super) pid: Pid,
    pub(super) grace: Duration,
    pub(super) takes_sigterm: bool,
}

#[derive(Debug)]
struct Entry {
    child: Child,
    sent: Sent,
    stop: Option<Stop>,
    deadline: Option<Instant>,
}

impl Child {
    /// Whether it is stopped: a background process that reads from the
    /// terminal is, with its whole group.
    pub(super) fn is_stopped(&self) -> bool {
        Process::is_stopped(self.pid.as_raw_nonzero().get().unsigned_abs())
    }
}

/// Names a child in the table.
pub(super) type Key = i32;

/// What became of stopping a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct StopState {
    pub(super) stopped: Option<Stop>,
    pub(super) killed: bool,
}

/// Something that was done to a child, for the user to know.
#[derive(Debug, Clone)]
pub(super) struct Signalled {
    pub(super) child: Child,
    pub(super) what: StopAction,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopAction {
    Interrupted,
    Terminated,
    Killed,
    /// Nothing: it has had its SIGINT and takes no SIGTERM.
    StillWaiting,
}

/// The running children of a run.
#[derive(Debug, Default)]
pub(super) struct Children {
    entries: Mutex<Vec<Entry>>,
}

impl Children {
    /// A child has been started.
    pub(super) fn add(&self, child: Child) -> Key {
        let key = child.pid.as_raw_nonzero().get();
        self.with(|entries| {
            entries.push(Entry {
                child,
                sent: Sent::Nothing,
                stop: None,
                deadline: None,
            });
        });
        key
    }

    /// A child has ended but is not reaped yet, so that its process group is
    /// still its own. `reap` is called with the table locked: nobody can
    /// signal a pid that has been given to someone else. `died`: by a signal.
    pub(super) fn remove<T>(
        &self,
        key: Key,
        died: bool,
        reap: impl FnOnce() -> T,
    ) -> (StopState, T) {
        self.with(|entries| {
            let position = entries.iter().position(|e| key == e.key());
            let entry = position.map(|position| entries.swap_remove(position));
            let stop_state = entry
                .as_ref()
                .map_or_else(StopState::default, |entry| StopState {
                    stopped: entry.stop,
                    killed: entry.sent == Sent::Kill,
                });
            // What a stopped child leaves in its group is stopped with it.
            if let Some(entry) = &entry {
                match entry.sent {
                    Sent::Kill => entry.signal(Signal::KILL),
                    Sent::Int | Sent::Term if entry.child.takes_sigterm => {
                        entry.signal(Signal::TERM);
                    }
                    // A tofu that was killed leaves its provider behind, which
                    // would go on for minutes without a state (measured).
                    Sent::Nothing | Sent::Int | Sent::Term if died => {
                        entry.signal(Signal::KILL);
                    }
                    Sent::Nothing | Sent::Int | Sent::Term => {}
                }
            }
            (stop_state, reap())
        })
    }

    /// One SIGINT to each chosen child that has not had one.
    pub(super) fn interrupt(&self, why: Stop, chosen: impl Fn(&Child) -> bool) -> Vec<Signalled> {
        self.each(chosen, |entry| {
            (entry.sent == Sent::Nothing).then(|| entry.interrupt(why))
        })
    }

    /// One SIGINT to this child, if it has not had one.
    pub(super) fn interrupt_one(&self, key: Key, why: Stop) {
        self.interrupt(why, |child| child.pid.as_raw_nonzero().get() == key);
    }

    /// The second Ctrl-C.
    pub(super) fn terminate(&self) -> Vec<Signalled> {
        self.each(
            |_| true,
            |entry| match entry.sent {
                Sent::Nothing => Some(entry.interrupt(Stop::User)),
                Sent::Int | Sent::Term if entry.child.takes_sigterm => Some(entry.terminate()),
                Sent::Int | Sent::Term | Sent::Kill => Some(StopAction::StillWaiting),
            },
        )
    }

    /// The third Ctrl-C: the whole group, so that no plugin goes on alone.
    pub(super) fn kill(&self) -> Vec<Signalled> {
        self.each(|_| true, |entry| Some(entry.kill(Stop::User)))
    }

    /// Children that have used up their grace: harder means for those that
    /// take them, more patience for the others. Told once each.
    pub(super) fn overdue(&self, now: Instant) -> Vec<Signalled> {
        self.each(
            |_| true,
            |entry| {
                entry.deadline.take_if(|deadline| *deadline <= now)?;
                Some(match (entry.child.takes_sigterm, entry.sent) {
                    (true, Sent::Term | Sent::Kill) => entry.kill(Stop::User),
                    (true, Sent::Nothing | Sent::Int) => entry.terminate(),
                    (false, _) => StopAction::StillWaiting,
                })
            },
        )
    }

    /// All that run.
    pub(super) fn all(&self) -> Vec<Child> {
        self.with(|entries| entries.iter().map(|e| e.child.clone()).collect())
    }

    fn each(
        &self,
        chosen: impl Fn(&Child) -> bool,
        mut act: impl FnMut(&mut Entry) -> Option<StopAction>,
    ) -> Vec<Signalled> {
        self.with(|entries| {
            let chosen = entries.iter_mut().filter(|e| chosen(&e.child));
            chosen
                .filter_map(|entry| {
                    let what = act(entry)?;
                    Some(Signalled {
                        child: entry.child.clone(),
                        what,
                    })
                })
                .collect()
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<Entry>) -> T) -> T {
        act(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Entry {
    fn key(&self) -> Key {
        self.child.pid.as_raw_nonzero().get()
    }

    fn interrupt(&mut self, why: Stop) -> StopAction {
        self.stop = Some(why);
        self.sent = Sent::Int;
        self.deadline = Instant::now().checked_add(self.child.grace);
        self.signal(Signal::INT);
        StopAction::Interrupted
    }

    fn terminate(&mut self) -> StopAction {
        self.sent = Sent::Term;
        self.deadline = Instant::now().checked_add(AFTER_SIGTERM.min(self.child.grace));
        self.signal(Signal::TERM);
        StopAction::Terminated
    }

    fn kill(&mut self, why: Stop) -> StopAction {
        self.stop.get_or_insert(why);
        self.sent = Sent::Kill;
        self.deadline = None;
        self.signal(Signal::KILL);
        StopAction::Killed
    }

    /// Only fails when the group is gone, which its own thread will see.
    fn signal(&self, signal: Signal) {
        if kill_process_group(self.child.pid, signal).is_err() {
            // It has no group of its own yet.
            kill_process(self.child.pid, signal).unwrap_or_default();
        }
        // A process that was stopped (SIGSTOP) handles no signal until SIGCONT.
        if self.child.is_stopped() {
            kill_process_group(self.child.pid, Signal::CONT).unwrap_or_default();
        }
    }
}
