//! The running simulator: the world behind its lock, and the workers.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::guests::Guests;
use super::locks::{Hold, PATIENCE, VmLocks};
use super::log::RequestLog;
use super::store;
use super::task::Task;
use super::world::World;

/// How long a request waits for its own task: a client that finds the task
/// over at its first look does not sleep before the second.
const SETTLE: Duration = Duration::from_secs(2);

/// How many tasks are remembered.
const TASKS_KEPT: usize = 500;

/// How much slower than at once the simulator is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latency {
    /// By task, without its `qm`: `clone` = 7 s makes every `qmclone` take that.
    /// `*` is for all that are not named.
    pub tasks: BTreeMap<String, Duration>,
    /// How long a refused credential waits for its 401 (3 s on a real node).
    pub refusal: Duration,
}

impl Latency {
    /// The same, and tasks of this name (`clone`, `start`, `*`) take this long.
    #[must_use]
    pub fn with(mut self, task: &str, takes: Duration) -> Self {
        self.tasks.insert(task.to_owned(), takes);
        self
    }

    /// How long a task of this type (`qmclone`) takes.
    pub fn of(&self, kind: &str) -> Duration {
        let short = kind.strip_prefix("qm").unwrap_or(kind);
        self.tasks
            .get(short)
            .or_else(|| self.tasks.get(kind))
            .or_else(|| self.tasks.get("*"))
            .copied()
            .unwrap_or_default()
    }
}

/// What all requests and workers share.
pub(super) struct Sim {
    world: Mutex<World>,
    pub(super) guests: Arc<dyn Guests>,
    pub(super) latency: Latency,
    pub(super) log: RequestLog,
    pub(super) locks: Arc<VmLocks>,
    save_to: Option<PathBuf>,
    save_error: Mutex<Option<String>>,
    workers: Mutex<Workers>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Workers {
    running: usize,
    stopping: bool,
    /// No delay is waited for any more.
    hurried: bool,
}

/// What a task is and whom it locks.
pub(super) struct Job {
    /// `qmstart` ...
    pub(super) kind: &'static str,
    /// The id in the UPID.
    pub(super) id: String,
    /// Who asked.
    pub(super) user: String,
    /// The node it runs on.
    pub(super) node: String,
    /// The VMs it holds while it works.
    pub(super) holds: Vec<(u32, Hold)>,
}

/// The log of a running task.
pub(super) struct TaskLog<'a> {
    sim: &'a Sim,
    upid: &'a str,
}

impl TaskLog<'_> {
    /// Adds a line.
    pub(super) fn line(&self, text: impl Into<String>) {
        let mut world = self.sim.world();
        if let Some(task) = world.task_mut(self.upid) {
            task.log.push(text.into());
        }
    }
}

impl Sim {
    pub(super) fn new(
        world: World,
        guests: Arc<dyn Guests>,
        latency: Latency,
        save_to: Option<PathBuf>,
    ) -> Self {
        Self {
            world: Mutex::new(world),
            guests,
            latency,
            log: RequestLog::default(),
            locks: Arc::new(VmLocks::default()),
            save_to,
            save_error: Mutex::new(None),
            workers: Mutex::new(Workers::default()),
            changed: Condvar::new(),
        }
    }

    /// The world, to look at. Never hold it while a guest is asked for something.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the world and saves it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world();
        let result = change(&mut world);
        self.save(&world);
        result
    }

    /// Why the last save failed, if it did.
    pub(super) fn save_error(&self) -> Option<String> {
        self.save_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn save(&self, world: &World) {
        let Some(path) = &self.save_to else { return };
        let error = store::save(world, path)
            .err()
            .map(|error| error.to_string());
        *self
            .save_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// Starts a worker and returns its UPID, usually when it is over already.
    /// The error of `work` becomes the exit status of the task.
    pub(super) fn run_task<W>(self: &Arc<Self>, job: Job, work: W) -> String
    where
        W: FnOnce(&Arc<Sim>, &TaskLog<'_>) -> Result<(), String> + Send + 'static,
    {
        let delay = self.latency.of(job.kind);
        let upid = self.change(|world| {
            let (number, now) = (world.count(), world.now());
            let task = Task::new(&job.node, number, now, job.kind, &job.id, &job.user);
            let upid = task.upid.clone();
            if world.tasks.len() >= TASKS_KEPT {
                let over = world.tasks.iter().position(|task| task.exit.is_some());
                if let Some(place) = over {
                    world.tasks.remove(place);
                }
            }
            world.tasks.push(task);
            upid
        });
        self.workers().running += 1;
        let (done, finished) = mpsc::channel();
        let (sim, name) = (Arc::clone(self), upid.clone());
        let spawned = std::thread::Builder::new()
            .name(format!("sim-{}", job.kind))
            .spawn(move || {
                let worked = AssertUnwindSafe(|| sim.hold_and_work(&job, delay, &name, work));
                let result = catch_unwind(worked)
                    .unwrap_or_else(|_| Err("the simulator failed: its worker died".to_owned()));
                sim.finish(&name, result);
                // Nobody listens any more when the request did not wait.
                done.send(()).ok();
            });
        if let Err(error) = spawned {
            self.finish(&upid, Err(format!("fork failed: {error}")));
        } else if delay.is_zero() {
            finished.recv_timeout(SETTLE).ok();
        }
        upid
    }

    fn hold_and_work<W>(
        self: &Arc<Self>,
        job: &Job,
        delay: Duration,
        upid: &str,
        work: W,
    ) -> Result<(), String>
    where
        W: FnOnce(&Arc<Sim>, &TaskLog<'_>) -> Result<(), String>,
    {
        let mut held = Vec::new();
        for (vmid, hold) in &job.holds {
            held.push(self.locks.take(*vmid, *hold, PATIENCE)?);
        }
        self.pause(delay);
        work(self, &TaskLog { sim: self, upid })
    }

    fn finish(&self, upid: &str, result: Result<(), String>) {
        self.change(|world| {
            let now = world.now();
            if let Some(task) = world.task_mut(upid) {
                let (last, exit) = match result {
                    Ok(()) => ("TASK OK".to_owned(), "OK".to_owned()),
                    Err(text) => (format!("TASK ERROR: {text}"), text),
                };
                task.log.push(last);
                task.exit = Some(exit);
                task.endtime = Some(now);
            }
        });
        self.workers().running -= 1;
        self.changed.notify_all();
    }

    /// Ends all delays of tasks, those to come too.
    pub(super) fn hurry(&self) {
        self.workers().hurried = true;
        self.changed.notify_all();
    }

    /// Sleeps, unless the simulator stops or is hurried.
    fn pause(&self, delay: Duration) {
        let until = Instant::now() + delay;
        let mut workers = self.workers();
        while !workers.stopping && !workers.hurried {
            let now = Instant::now();
            if now >= until {
                return;
            }
            workers = self
                .changed
                .wait_timeout(workers, until - now)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Lets the workers end at once, waits for them, and stops the guests; the
    /// world still says that they run, so that the next start boots them.
    /// Returns what went wrong.
    pub(super) fn stop(&self, patience: Duration) -> Vec<String> {
        let mut errors = Vec::new();
        let until = Instant::now() + patience;
        let mut workers = self.workers();
        workers.stopping = true;
        self.changed.notify_all();
        while workers.running > 0 {
            let now = Instant::now();
            if now >= until {
                break;
            }
            workers = self
                .changed
                .wait_timeout(workers, until - now)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        drop(workers);
        let running: Vec<u32> = self
            .world()
            .vms
            .iter()
            .filter(|(_, vm)| vm.run.is_some())
            .map(|(vmid, _)| *vmid)
            .collect();
        for vmid in running {
            if let Err(error) = self.guests.stop(vmid) {
                errors.push(format!("guest {vmid}: {error}"));
            }
        }
        self.change(|_| ());
        errors.extend(self.save_error());
        errors
    }

    fn workers(&self) -> MutexGuard<'_, Workers> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// A task by its UPID, to change.
    pub(super) fn task_mut(&mut self, upid: &str) -> Option<&mut Task> {
        self.tasks.iter_mut().rev().find(|task| task.upid == upid)
    }

    /// A task by its UPID.
    pub(super) fn task(&self, upid: &str) -> Option<&Task> {
        self.tasks.iter().rev().find(|task| task.upid == upid)
    }
}
