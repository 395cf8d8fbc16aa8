//! A guest's services: starting, watching, restarting and stopping them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::children::{self, Children, Ended};
use super::pidfile::{pid_file, read_pid};
use super::service;
use super::unit::{Unit, seconds};
use super::units::{Found, Lookup, Units};

/// `ActiveState` and `SubState`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Inactive,
    Activating,
    Running,
    Exited,
    Deactivating,
    Failed,
}

impl State {
    /// `ActiveState=`
    pub(super) fn active(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Activating => "activating",
            Self::Running | Self::Exited => "active",
            Self::Deactivating => "deactivating",
            Self::Failed => "failed",
        }
    }

    /// `SubState=`
    pub(super) fn sub(self, service: bool) -> &'static str {
        match self {
            Self::Inactive => "dead",
            Self::Activating => "start",
            Self::Running if service => "running",
            Self::Running => "active",
            Self::Exited => "exited",
            Self::Deactivating => "stop",
            Self::Failed => "failed",
        }
    }

    /// Whether it counts as started.
    pub(super) fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Exited)
    }
}

/// What is known of a unit at the moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Runtime {
    /// Its state.
    pub(super) state: State,
    /// Its main process.
    pub(super) main: Option<i32>,
    /// How the last main process ended.
    pub(super) ended: Option<Ended>,
    mark: String,
    starts: Vec<Instant>,
}

/// All services of a guest.
#[derive(Debug)]
pub(super) struct Services {
    /// The unit files.
    pub(super) units: Units,
    /// The processes.
    pub(super) children: Children,
    table: Mutex<BTreeMap<String, Runtime>>,
    changed: Condvar,
}

impl Services {
    /// Services of the unit files in `/`.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            units: Units::new("/"),
            children: Children::default(),
            table: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Runtime>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a unit.
    pub(super) fn runtime(&self, name: &str) -> Runtime {
        self.table().get(name).cloned().unwrap_or_default()
    }

    /// All units that were ever started in this boot.
    pub(super) fn known(&self) -> Vec<String> {
        self.table().keys().cloned().collect()
    }

    fn update(&self, name: &str, change: impl FnOnce(&mut Runtime)) {
        let mut table = self.table();
        change(table.entry(name.to_owned()).or_default());
        self.changed.notify_all();
    }

    /// Waits until nobody else is starting or stopping the unit, then takes it.
    fn claim(&self, name: &str, state: State) -> Runtime {
        let mut table = self.table();
        loop {
            let runtime = table.entry(name.to_owned()).or_default();
            if !matches!(runtime.state, State::Activating | State::Deactivating) {
                let before = runtime.clone();
                runtime.state = state;
                return before;
            }
            table = self
                .changed
                .wait_timeout(table, Duration::from_secs(1))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Finds a unit, or says as systemctl does why not (exit code 5).
    pub(super) fn load(&self, name: &str) -> Result<Box<Found>, String> {
        match self.units.find(name) {
            Lookup::Found(found) => Ok(found),
            Lookup::Masked => Err(format!("Unit {name} is masked.")),
            Lookup::Missing => Err(format!("Unit {name} not found.")),
        }
    }

    /// Whether a unit is a oneshot that does not count as running afterwards.
    pub(super) fn is_oneshot(&self, name: &str) -> bool {
        self.load(name).is_ok_and(|found| {
            found.unit.last("Service", "Type") == Some("oneshot")
                && !found.unit.flag("Service", "RemainAfterExit")
        })
    }

    /// Starts a unit and what it needs.
    pub(super) fn start(self: &Arc<Self>, name: &str) -> Result<(), String> {
        self.start_within(name, &mut BTreeSet::new())
    }

    fn start_within(
        self: &Arc<Self>,
        name: &str,
        seen: &mut BTreeSet<String>,
    ) -> Result<(), String> {
        let unit = self.load(name)?.unit;
        if !seen.insert(unit.name.clone()) || self.runtime(&unit.name).state.is_active() {
            return Ok(());
        }
        for other in unit.words("Unit", "Conflicts") {
            if self.runtime(&other).state.is_active() {
                self.stop(&other)?;
            }
        }
        for (key, must) in [("Requires", true), ("BindsTo", true), ("Wants", false)] {
            for other in unit.words("Unit", key) {
                if !other.ends_with(".service") {
                    continue;
                }
                match self.start_within(&other, seen) {
                    Err(error) if must => {
                        return Err(format!(
                            "A dependency job for {} failed: {error}",
                            unit.name
                        ));
                    }
                    _ => {}
                }
            }
        }
        if let Some(condition) = service::unmet_condition(&unit) {
            note(
                &unit.name,
                &format!("skipped because of an unmet condition ({condition})"),
            );
            return Ok(());
        }
        // Timers, sockets, mounts and targets are only noted as started.
        if !unit.name.ends_with(".service") {
            self.update(&unit.name, |r| r.state = State::Running);
            return Ok(());
        }
        if self.claim(&unit.name, State::Activating).state.is_active() {
            self.update(&unit.name, |r| r.state = State::Running);
            return Ok(());
        }
        let mark = mark();
        match self.launch(&unit, &mark) {
            Ok(main) => {
                self.update(&unit.name, |r| {
                    r.state = if main.is_some() {
                        State::Running
                    } else {
                        State::Exited
                    };
                    r.main = main;
                    r.mark.clone_from(&mark);
                    r.starts.push(Instant::now());
                });
                if let Some(pid) = main {
                    let me = Arc::clone(self);
                    let unit = unit.clone();
                    thread::spawn(move || me.watch(&unit, pid));
                } else if !unit.flag("Service", "RemainAfterExit") {
                    self.update(&unit.name, |r| r.state = State::Inactive);
                }
                Ok(())
            }
            Err(error) => {
                note(&unit.name, &error);
                kill_all(&children::members(&mark, None), Signal::KILL);
                self.update(&unit.name, |r| {
                    r.state = State::Failed;
                    r.main = None;
                    r.starts.push(Instant::now());
                });
                Err(error)
            }
        }
    }

    /// Waits for the end of a main process, then restarts or notes it.
    fn watch(self: &Arc<Self>, unit: &Unit, pid: i32) {
        let Some(ended) = self.children.wait(pid, None) else {
            return;
        };
        self.children.forget(pid);
        let name = &unit.name;
        let runtime = self.runtime(name);
        if runtime.main != Some(pid) || !runtime.state.is_active() {
            return;
        }
        // A daemon may have handed over to a successor (nginx upgrades itself so).
        let successor = pid_file(unit)
            .and_then(|file| read_pid(&file))
            .filter(|other| *other != pid);
        if let Some(main) = successor {
            self.children.adopt(main);
            self.update(name, |r| r.main = Some(main));
            self.watch(unit, main);
            return;
        }
        note(name, &format!("main process ended: {ended:?}"));
        let listed = unit.words("Service", "SuccessExitStatus");
        let clean = match ended {
            Ended::Code(code) => code == 0 || listed.contains(&code.to_string()),
            Ended::Signal(signal) => [1, 2, 13, 15].contains(&signal),
        };
        let again = match unit.last("Service", "Restart").unwrap_or("no") {
            "always" => true,
            "on-success" => clean,
            "on-failure" => !clean,
            "on-abnormal" | "on-abort" => !clean && matches!(ended, Ended::Signal(_)),
            _ => false,
        };
        let prevented = matches!(ended, Ended::Code(code)
            if unit.words("Service", "RestartPreventExitStatus").contains(&code.to_string()));
        let recent = runtime
            .starts
            .iter()
            .filter(|s| s.elapsed() < Duration::from_secs(10))
            .count();
        if unit.last("Service", "KillMode") != Some("process") {
            kill_all(&children::members(&runtime.mark, None), Signal::KILL);
        }
        let restart = again && !prevented && recent < 5;
        self.update(name, |r| {
            r.main = None;
            r.ended = Some(ended);
            r.state = if clean && unit.flag("Service", "RemainAfterExit") {
                State::Exited
            } else if clean {
                State::Inactive
            } else {
                State::Failed
            };
        });
        if restart {
            let wait = unit
                .last("Service", "RestartSec")
                .and_then(seconds)
                .unwrap_or(0.1);
            thread::sleep(Duration::from_secs_f64(wait));
            if let Err(error) = self.start(name) {
                note(name, &error);
            }
        } else {
            service::remove_runtime(unit);
        }
    }

    /// Stops a unit; one that does not run is fine.
    pub(super) fn stop(self: &Arc<Self>, name: &str) -> Result<(), String> {
        let unit = match self.load(name) {
            Ok(found) => found.unit,
            // Its file may have been removed while it ran.
            Err(error) if !self.runtime(name).state.is_active() => return Err(error),
            Err(_) => Unit::new(name),
        };
        let name = unit.name.as_str();
        let before = self.claim(name, State::Deactivating);
        if !before.state.is_active() {
            self.update(name, |r| r.state = State::Inactive);
            return Ok(());
        }
        let limit = unit
            .last("Service", "TimeoutStopSec")
            .and_then(seconds)
            .map_or(Duration::from_secs(20), Duration::from_secs_f64)
            .min(Duration::from_secs(20));
        if let Ok(mut env) = service::environment(&unit, &before.mark) {
            if let Some(main) = before.main {
                env.insert("MAINPID".to_owned(), main.to_string());
            }
            if let Err(error) = self.run_all(&unit, "ExecStop", &env) {
                note(name, &error);
            }
        }
        let mode = unit.last("Service", "KillMode").unwrap_or("control-group");
        let first = unit
            .last("Service", "KillSignal")
            .map_or(Signal::TERM, children::signal_named);
        let main: Vec<i32> = before
            .main
            .into_iter()
            .filter(|p| children::alive(*p))
            .collect();
        let everyone = || children::members(&before.mark, before.main);
        let targets = match mode {
            "process" | "mixed" => main.clone(),
            "none" => Vec::new(),
            _ => everyone(),
        };
        kill_all(&targets, first);
        let waits_for = || {
            if mode == "process" {
                main.clone()
            } else {
                everyone()
            }
        };
        if mode != "none" {
            let until = Instant::now() + limit;
            while waits_for().iter().any(|p| children::alive(*p)) {
                if mode == "mixed" && !main.iter().any(|p| children::alive(*p)) {
                    kill_all(&everyone(), Signal::KILL);
                }
                if Instant::now() > until {
                    kill_all(&waits_for(), Signal::KILL);
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        service::remove_runtime(&unit);
        self.update(name, |r| {
            r.state = State::Inactive;
            r.main = None;
        });
        Ok(())
    }

    /// Runs the reload commands of a running unit.
    pub(super) fn reload(&self, name: &str) -> Result<(), String> {
        let unit = self.load(name)?.unit;
        let runtime = self.runtime(&unit.name);
        if !runtime.state.is_active() {
            return Err(format!("{} is not active, cannot reload.", unit.name));
        }
        let mut env = service::environment(&unit, &runtime.mark)?;
        if let Some(main) = runtime.main {
            env.insert("MAINPID".to_owned(), main.to_string());
        }
        if !unit.all("Service", "ExecReload").is_empty() {
            return self.run_all(&unit, "ExecReload", &env);
        }
        match (unit.last("Service", "Type"), runtime.main) {
            (Some("notify-reload"), Some(main)) => {
                children::signal(main, Signal::HUP);
                Ok(())
            }
            _ => Err(format!(
                "Job type reload is not applicable for unit {}.",
                unit.name
            )),
        }
    }

    /// Forgets a failure.
    pub(super) fn reset_failed(&self, name: &str) {
        self.update(name, |r| {
            r.starts.clear();
            if r.state == State::Failed {
                r.state = State::Inactive;
            }
        });
    }

    /// All units are as before the first start: their processes are about to end.
    pub(super) fn forget_all(&self) {
        self.table().clear();
        self.changed.notify_all();
    }

    /// The processes of a unit.
    pub(super) fn processes(&self, name: &str) -> Vec<i32> {
        let runtime = self.runtime(name);
        if runtime.mark.is_empty() {
            return Vec::new();
        }
        children::members(&runtime.mark, runtime.main)
    }
}

/// Writes a line of ours into a unit's log.
fn note(name: &str, text: &str) {
    if let Ok(mut log) = service::log(name) {
        writeln!(log, "systemd[1]: {name}: {text}").ok();
    }
}

fn kill_all(pids: &[i32], signal: Signal) {
    for pid in pids {
        children::signal(*pid, signal);
    }
}

/// A new invocation id.
fn mark() -> String {
    fs::read_to_string("/proc/sys/kernel/random/uuid").map_or_else(
        |_| format!("{:?}", Instant::now()),
        |text| text.trim().replace('-', ""),
    )
}
