//! The running simulator: the world behind its lock, and the workers.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::fault::{At, Condition, Effect, Engine, Faults, Met};
use super::guests::Guests;
use super::locks::{Hold, PATIENCE, VmLocks};
use super::log::RequestLog;
use super::store;
use super::task::Task;
use super::vm::Vm;
use super::world::World;

/// How long a request waits for its own task: a client that finds the task
/// over at its first look does not sleep before the second.
const SETTLE: Duration = Duration::from_secs(2);

/// The longest that a call or a task hangs.
pub(super) const HANG: Duration = Duration::from_hours(24);

/// How many tasks are remembered.
const TASKS_KEPT: usize = 500;

/// What all requests and workers share.
pub(super) struct Sim {
    world: Mutex<World>,
    pub(super) guests: Arc<dyn Guests>,
    pub(super) faults: Engine,
    pub(super) log: RequestLog,
    pub(super) locks: Arc<VmLocks>,
    save_to: Option<PathBuf>,
    save_error: Mutex<Option<String>>,
    workers: Mutex<Workers>,
    changed: Condvar,
    /// Nodes whose own systems run.
    up: Mutex<BTreeSet<String>>,
    /// The snippets that were last seen, by node and storage.
    seen: Mutex<BTreeMap<(String, String), Seen>>,
}

/// Files by volume, with their size and time.
pub(super) type Seen = BTreeMap<String, (u64, i64)>;

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
        faults: Faults,
        log: RequestLog,
        save_to: Option<PathBuf>,
    ) -> Self {
        Self {
            world: Mutex::new(world),
            guests,
            faults: Engine::new(faults),
            log,
            locks: Arc::new(VmLocks::default()),
            save_to,
            save_error: Mutex::new(None),
            workers: Mutex::new(Workers::default()),
            changed: Condvar::new(),
            up: Mutex::default(),
            seen: Mutex::default(),
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

    /// Whether a node's own system runs.
    pub(super) fn is_up(&self, node: &str) -> bool {
        self.up().contains(node)
    }

    /// Notes that a node's own system runs.
    pub(super) fn set_up(&self, node: &str) {
        self.up().insert(node.to_owned());
    }

    /// Notes which snippets of a storage are on a node, and tells which were before.
    pub(super) fn replace_seen(&self, (node, storage): (&str, &str), files: Seen) -> Seen {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (node.to_owned(), storage.to_owned());
        seen.insert(place, files).unwrap_or_default()
    }

    fn up(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes true what a rule says of the world.
    pub(super) fn enforce(&self, condition: &Condition) {
        self.change(|world| self.faults.enforce(condition, world));
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
        let lifted = self.faults.lifted(world);
        let error = store::save(lifted.as_ref().unwrap_or(world), path)
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
        let met = self.faults.task(job.kind, &job.id);
        let quick = met.is_quick();
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
                let worked = AssertUnwindSafe(|| sim.hold_and_work(&job, &met, &name, work));
                let result = catch_unwind(worked)
                    .unwrap_or_else(|_| Err("the simulator failed: its worker died".to_owned()));
                sim.finish(&name, result);
                // Nobody listens any more when the request did not wait.
                done.send(()).ok();
            });
        if let Err(error) = spawned {
            self.finish(&upid, Err(format!("fork failed: {error}")));
        } else if quick {
            finished.recv_timeout(SETTLE).ok();
        }
        upid
    }

    fn hold_and_work<W>(
        self: &Arc<Self>,
        job: &Job,
        met: &Met,
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
        self.pause(met.slow);
        if let Some(condition) = met.condition(At::Before) {
            self.enforce(condition);
        }
        if met.instead() {
            let ended = self.fault(met);
            self.give_back(job);
            return ended;
        }
        work(self, &TaskLog { sim: self, upid })?;
        if let Some(condition) = met.condition(At::After) {
            self.enforce(condition);
        }
        self.fault(met)
    }

    /// How a rule lets a task end.
    fn fault(&self, met: &Met) -> Result<(), String> {
        match &met.effect {
            Effect::Hang => {
                self.pause(HANG);
                Err("interrupted by signal".to_owned())
            }
            Effect::Exit(text) => Err(text.clone()),
            Effect::None
            | Effect::Error(_)
            | Effect::Body(..)
            | Effect::Lost
            | Effect::World(_)
            | Effect::Tls(_) => Ok(()),
        }
    }

    /// A create or clone whose work was not done leaves its number free.
    fn give_back(&self, job: &Job) {
        self.change(|world| {
            for (vmid, _) in &job.holds {
                if world.vms.get(vmid).is_some_and(Vm::is_half_made) {
                    world.vms.remove(vmid);
                }
                // A container that was to be copied.
                if let Some(vm) = world.vms.get_mut(vmid) {
                    vm.lock.take_if(|lock| lock == "disk");
                }
            }
        });
    }

    fn finish(&self, upid: &str, result: Result<(), String>) {
        self.change(|world| {
            let now = world.now();
            if let Some(task) = world.task_mut(upid) {
                let (last, exit) = match result {
                    Ok(()) => ("TASK OK".to_owned(), "OK".to_owned()),
                    Err(text) if text.starts_with("WARNINGS: ") => (format!("TASK {text}"), text),
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
    pub(super) fn pause(&self, delay: Duration) {
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
