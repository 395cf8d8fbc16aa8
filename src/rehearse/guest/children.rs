//! The processes of a guest's PID 1: spawning, and reaping whatever ends.
//!
//! PID 1 must reap orphans it never started, and `std` must not lose a child to
//! that. So everything is spawned and reaped under one lock, and nobody calls
//! `Child::wait`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Ended {
    /// Exit code 0.
    pub(super) fn ok(self) -> bool {
        self == Self::Code(0)
    }
}

#[derive(Debug, Default)]
struct Table {
    awaited: BTreeSet<i32>,
    ended: BTreeMap<i32, Ended>,
}

/// All children.
#[derive(Debug, Default)]
pub(super) struct Children {
    table: Mutex<Table>,
    changed: Condvar,
}

impl Children {
    /// Runs a program to its end; its output goes to the guest's log.
    pub(super) fn run(&self, program: &str, args: &[&str]) -> Result<(), String> {
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LANG", "C.UTF-8")
            .env("HOME", "/root")
            .stdin(Stdio::null())
            .stdout(io::stderr());
        let pid = self.spawn(&mut command)?;
        let ended = self.wait(pid, Some(Duration::from_mins(5)));
        self.forget(pid);
        match ended {
            Some(ended) if ended.ok() => Ok(()),
            Some(ended) => Err(format!("`{program} {}` failed: {ended:?}", args.join(" "))),
            None => Err(format!("`{program}` did not end")),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a program; its end can be waited for.
    pub(super) fn spawn(&self, command: &mut Command) -> Result<i32, String> {
        let mut table = self.table();
        let child = command
            .spawn()
            .map_err(|e| format!("cannot start `{}`: {e}", command.get_program().display()))?;
        let pid = i32::try_from(child.id()).map_err(|e| e.to_string())?;
        table.ended.remove(&pid);
        table.awaited.insert(pid);
        Ok(pid)
    }

    /// Waits for the end of a process that a child of ours left behind.
    pub(super) fn adopt(&self, pid: i32) {
        let mut table = self.table();
        table.ended.remove(&pid);
        table.awaited.insert(pid);
        if !alive(pid) {
            table.ended.insert(pid, Ended::Code(0));
        }
    }

    /// Waits for a process; `None` when it still runs after `limit`.
    pub(super) fn wait(&self, pid: i32, limit: Option<Duration>) -> Option<Ended> {
        let until = limit.map(|l| Instant::now() + l);
        let mut table = self.table();
        loop {
            if let Some(ended) = table.ended.get(&pid) {
                return Some(*ended);
            }
            if !table.awaited.contains(&pid) {
                return Some(Ended::Code(0));
            }
            let left = match until {
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    left
                }
                None => Duration::from_hours(1),
            };
            table = self
                .changed
                .wait_timeout(table, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Forgets a process that nobody will ask for again.
    pub(super) fn forget(&self, pid: i32) {
        let mut table = self.table();
        table.awaited.remove(&pid);
        table.ended.remove(&pid);
    }

    /// Reaps for ever. Run on a thread of its own.
    pub(super) fn reap(&self) {
        loop {
            // Only looks: the process is taken below, under the lock.
            let peek = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            if rustix::process::waitid(WaitId::All, peek).is_err() {
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            let mut table = self.table();
            while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
                let pid = pid.as_raw_nonzero().get();
                let ended = status
                    .exit_status()
                    .map(Ended::Code)
                    .or(status.terminating_signal().map(Ended::Signal))
                    .unwrap_or(Ended::Code(0));
                if table.awaited.contains(&pid) {
                    table.ended.insert(pid, ended);
                }
            }
            self.changed.notify_all();
        }
    }
}

/// Sends a signal; a process that is gone is fine.
pub(super) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        rustix::process::kill_process(pid, signal).ok();
    }
}

/// Whether a process exists and is not a zombie.
pub(super) fn alive(pid: i32) -> bool {
    stat(pid).is_some_and(|(_, state)| state != 'Z')
}

/// Parent and state of a process, from `/proc/PID/stat`.
fn stat(pid: i32) -> Option<(i32, char)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// All living processes but PID 1.
pub(super) fn all() -> Vec<i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != 1 && alive(*pid))
        .collect()
}

/// The processes of a service: those that carry its mark in their environment,
/// its main process, and the descendants of both.
pub(super) fn members(mark: &str, main: Option<i32>) -> Vec<i32> {
    let needle = format!("INVOCATION_ID={mark}");
    let everyone = all();
    let mut found: BTreeSet<i32> = everyone
        .iter()
        .copied()
        .filter(|pid| {
            Some(*pid) == main
                || fs::read(format!("/proc/{pid}/environ"))
                    .is_ok_and(|env| env.split(|b| *b == 0).any(|v| v == needle.as_bytes()))
        })
        .collect();
    loop {
        let before = found.len();
        for pid in &everyone {
            if stat(*pid).is_some_and(|(parent, _)| found.contains(&parent)) {
                found.insert(*pid);
            }
        }
        if found.len() == before {
            return found.into_iter().collect();
        }
    }
}

/// A signal by name or number.
pub(super) fn signal_named(name: &str) -> Signal {
    match name.trim_start_matches("SIG") {
        "HUP" | "1" => Signal::HUP,
        "INT" | "2" => Signal::INT,
        "QUIT" | "3" => Signal::QUIT,
        "KILL" | "9" => Signal::KILL,
        "USR1" | "10" => Signal::USR1,
        "USR2" | "12" => Signal::USR2,
        "WINCH" | "28" => Signal::WINCH,
        _ => Signal::TERM,
    }
}
