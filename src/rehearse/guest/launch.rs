//! Starting a service by its `Type=`, as systemd.service(5) says: until then is
//! it up, and which process is the one to watch.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::{Duration, Instant};

use super::children::{self, Ended};
use super::pidfile::{pid_file, read_pid};
use super::service;
use super::services::Services;
use super::unit::{Exec, Unit, seconds};

const START_LIMIT: Duration = Duration::from_secs(90);

impl Services {
    /// Runs the start commands; gives the main process, none for a oneshot.
    pub(super) fn launch(&self, unit: &Unit, mark: &str) -> Result<Option<i32>, String> {
        service::directories(unit)?;
        let mut env = service::environment(unit, mark)?;
        for key in ["ExecCondition", "ExecStartPre"] {
            self.run_all(unit, key, &env)?;
        }
        let kind = unit.last("Service", "Type").unwrap_or("simple").to_owned();
        let commands: Vec<Exec> = unit
            .all("Service", "ExecStart")
            .iter()
            .filter_map(|line| Exec::parse(unit, line, &env))
            .collect();
        if kind == "oneshot" {
            for exec in &commands {
                self.run(unit, exec, &env)?;
            }
            self.run_all(unit, "ExecStartPost", &env)?;
            return Ok(None);
        }
        let Some(exec) = commands.first() else {
            return Err(format!("{} has no ExecStart", unit.name));
        };
        let notify = if kind.starts_with("notify") {
            let path = format!("/run/systemd/notify-{mark}");
            let socket = UnixDatagram::bind(&path).map_err(|e| e.to_string())?;
            fs::set_permissions(&path, Permissions::from_mode(0o777)).map_err(|e| e.to_string())?;
            env.insert("NOTIFY_SOCKET".to_owned(), path.clone());
            Some((socket, path))
        } else {
            None
        };
        let pid = self
            .children
            .spawn(&mut service::command(unit, exec, &env)?)?;
        let limit = unit
            .last("Service", "TimeoutStartSec")
            .and_then(seconds)
            .filter(|s| *s > 0.0)
            .map_or(START_LIMIT, Duration::from_secs_f64);
        let main = if let Some((socket, path)) = notify {
            let ready = self.await_ready(unit, &socket, pid, limit);
            fs::remove_file(path).ok();
            ready?
        } else if kind == "forking" {
            self.await_fork(unit, pid, mark, limit)?
        } else {
            pid
        };
        env.insert("MAINPID".to_owned(), main.to_string());
        self.run_all(unit, "ExecStartPost", &env)?;
        Ok(Some(main))
    }

    /// `Type=notify`: until the service says `READY=1`, as `sd_notify(3)` has it.
    fn await_ready(
        &self,
        unit: &Unit,
        socket: &UnixDatagram,
        pid: i32,
        limit: Duration,
    ) -> Result<i32, String> {
        let until = Instant::now() + limit;
        let mut main = pid;
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .map_err(|e| e.to_string())?;
        let mut buffer = [0_u8; 4096];
        while Instant::now() < until {
            if let Ok(count) = socket.recv(&mut buffer) {
                let text =
                    String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()).into_owned();
                for line in text.lines() {
                    if let Some(value) = line.strip_prefix("MAINPID=")
                        && let Ok(value) = value.parse()
                    {
                        main = value;
                        self.children.adopt(main);
                    }
                    if line == "READY=1" {
                        return Ok(main);
                    }
                }
            } else if let Some(ended) = self.children.wait(main, Some(Duration::from_millis(1))) {
                return Err(failed(unit, ended));
            }
        }
        Err(format!("{} did not say that it is ready", unit.name))
    }

    /// `Type=forking`: until the first process ends well; then the main process
    /// is what the PID file names, or what is left.
    fn await_fork(
        &self,
        unit: &Unit,
        pid: i32,
        mark: &str,
        limit: Duration,
    ) -> Result<i32, String> {
        match self.children.wait(pid, Some(limit)) {
            Some(ended) if ended.ok() => self.children.forget(pid),
            Some(ended) => return Err(failed(unit, ended)),
            None => return Err(format!("{} did not go to the background", unit.name)),
        }
        let file = pid_file(unit);
        for _ in 0..100 {
            let main = match &file {
                Some(file) => read_pid(file),
                None => children::members(mark, None).first().copied(),
            };
            if let Some(main) = main {
                self.children.adopt(main);
                return Ok(main);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(format!("{} left no main process", unit.name))
    }

    /// Runs the commands of a key, one after the other.
    pub(super) fn run_all(
        &self,
        unit: &Unit,
        key: &str,
        env: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        for line in unit.all("Service", key) {
            if let Some(exec) = Exec::parse(unit, line, env) {
                self.run(unit, &exec, env)?;
            }
        }
        Ok(())
    }

    fn run(&self, unit: &Unit, exec: &Exec, env: &BTreeMap<String, String>) -> Result<(), String> {
        let pid = match self.children.spawn(&mut service::command(unit, exec, env)?) {
            Ok(pid) => pid,
            Err(_) if exec.may_fail => return Ok(()),
            Err(error) => return Err(error),
        };
        let ended = self.children.wait(pid, Some(Duration::from_mins(10)));
        self.children.forget(pid);
        match ended {
            Some(ended) if ended.ok() || exec.may_fail => Ok(()),
            Some(ended) => Err(failed(unit, ended)),
            None => Err(format!("a command of {} did not end", unit.name)),
        }
    }
}

fn failed(unit: &Unit, ended: Ended) -> String {
    match ended {
        Ended::Code(code) => format!(
            "Job for {} failed because the control process exited with error code {code}.",
            unit.name
        ),
        Ended::Signal(signal) => format!(
            "Job for {} failed because a fatal signal ({signal}) was delivered to the control process.",
            unit.name
        ),
    }
}
