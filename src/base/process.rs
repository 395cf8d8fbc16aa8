//! Which process it is: a pid alone may have been given to another one since.

use std::env;
use std::fmt;
use std::fs;

use serde::{Deserialize, Serialize};

/// Names the process that stands for a run to those who see other process ids.
pub const HOLDER: &str = "HL_REHEARSAL_HOLDER";

/// A process of this boot of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (`/proc/PID/stat` field 22).
    pub start: u64,
}

impl Process {
    /// The process that has this id now.
    pub fn of(pid: u32) -> Option<Self> {
        let (_, start) = stat(pid)?;
        Some(Self { pid, start })
    }

    /// This very process.
    pub fn this() -> Self {
        let pid = std::process::id();
        Self::of(pid).unwrap_or(Self { pid, start: 0 })
    }

    /// The process whose life is that of this process's run, as all others of this
    /// machine see it: this one; in a rehearsal, where process ids are its own, the
    /// holder outside.
    pub fn of_run() -> Self {
        let holder = env::var(HOLDER).ok();
        let holder = holder.as_deref().and_then(Self::parse);
        holder.unwrap_or_else(Self::this)
    }

    /// Whether a run that this process stands for still runs.
    pub fn is_running(self) -> bool {
        self == Self::of_run() || self.is_alive()
    }

    fn parse(text: &str) -> Option<Self> {
        let (pid, start) = text.split_once(':')?;
        Some(Self {
            pid: pid.parse().ok()?,
            start: start.parse().ok()?,
        })
    }

    /// Whether it still runs. A zombie does not: it has ended, and its parent
    /// has not looked yet.
    pub fn is_alive(self) -> bool {
        stat(self.pid)
            .is_some_and(|(state, start)| start == self.start && !matches!(state, 'Z' | 'X' | 'x'))
    }

    /// Whether the process with this id is stopped, e.g. because it wanted to
    /// read from a terminal that is not its own.
    pub fn is_stopped(pid: u32) -> bool {
        stat(pid).is_some_and(|(state, _)| matches!(state, 'T' | 't'))
    }
}

/// As [`HOLDER`] has it.
impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.pid, self.start)
    }
}

/// The id of this boot of the kernel: pids of another boot mean nothing.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// State and start time of a process. The second field of the file is the
/// program's name in parentheses and may itself hold spaces and parentheses.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    // Field 3 is the state, so field 22 is the nineteenth after it.
    let start = fields.nth(18)?.parse().ok()?;
    Some((state, start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_reused_pid_is_another_process() {
        let this = Process::this();
        assert!(this.start > 0 && this.is_alive());
        let other = Process {
            start: this.start - 1,
            ..this
        };
        assert!(!other.is_alive());
    }

    #[test]
    fn a_process_is_read_as_it_is_written() {
        let this = Process::this();
        assert_eq!(Process::parse(&this.to_string()), Some(this));
        assert_eq!(Process::parse("1"), None);
        assert!(this.is_running() && Process::of_run() == this);
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        assert!(process.is_alive());
        child.kill().unwrap();
        while process.is_alive() {
            std::thread::yield_now();
        }
        assert!(Process::of(child.id()).is_some(), "not reaped yet");
        child.wait().unwrap();
        assert_eq!(Process::of(child.id()), None);
    }
}
