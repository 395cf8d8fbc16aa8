//! Which process it is: a pid alone may have been given to another one since.

use std::env;
use std::fmt;
use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
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
        let start = stat(pid)?.start;
        Some(Self { pid, start })
    }

    /// The leader of the process group that this process belongs to; its start
    /// time is 0 where it is gone.
    pub fn leader_of(pid: u32) -> Option<Self> {
        let pid = stat(pid)?.group;
        Some(Self::of(pid).unwrap_or(Self { pid, start: 0 }))
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
            .is_some_and(|now| now.start == self.start && !matches!(now.state, 'Z' | 'X' | 'x'))
    }

    /// Whether anything lives in the process group that it leads, or led: what it
    /// started goes on when it is gone. No process gets its number while the group
    /// has a member, so another process of that number tells that it has none.
    pub fn group_is_alive(self) -> bool {
        match Self::of(self.pid) {
            Some(now) if now != self => false,
            _ if self.is_alive() => true,
            _ => members(self.pid),
        }
    }

    /// One SIGINT to its group, as by Ctrl-C, unless nothing of it is left.
    pub fn interrupt_group(self) {
        self.signal_group(Signal::INT);
    }

    /// Kills its group, unless nothing of it is left.
    pub fn kill_group(self) {
        self.signal_group(Signal::KILL);
    }

    fn signal_group(self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.group_is_alive()) {
            kill_process_group(pid, signal).unwrap_or_default();
        }
    }

    /// Kills it alone, unless it is gone.
    pub fn kill(self) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.is_alive()) {
            kill_process(pid, Signal::KILL).unwrap_or_default();
        }
    }

    /// All processes that are seen from here, each with the id of its parent.
    pub fn all() -> Vec<(Self, u32)> {
        let entries = fs::read_dir("/proc").into_iter().flatten();
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        ids.filter_map(|pid: u32| {
            let stat = stat(pid)?;
            let start = stat.start;
            Some((Self { pid, start }, stat.parent))
        })
        .collect()
    }

    /// Whether it was started with this `NAME=VALUE`. Nobody is told that of processes
    /// of others.
    pub fn has_variable(self, variable: &str) -> bool {
        let environ = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        let mut variables = environ.split(|byte| *byte == 0);
        variables.any(|one| one == variable.as_bytes())
    }

    /// Whether the process with this id is stopped, e.g. because it wanted to
    /// read from a terminal that is not its own.
    pub fn is_stopped(pid: u32) -> bool {
        stat(pid).is_some_and(|now| matches!(now.state, 'T' | 't'))
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

/// Whether a process of this group lives. A zombie does not.
fn members(group: u32) -> bool {
    let Some(pid) = i32::try_from(group).ok().and_then(Pid::from_raw) else {
        return false;
    };
    // The common answer costs one call.
    if test_kill_process_group(pid).is_err_and(|error| error == Errno::SRCH) {
        return false;
    }
    let Ok(processes) = fs::read_dir("/proc") else {
        return true;
    };
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter_map(stat)
        .any(|stat| stat.group == group && !matches!(stat.state, 'Z' | 'X' | 'x'))
}

/// What the kernel says of a process.
struct Stat {
    state: char,
    parent: u32,
    group: u32,
    start: u64,
}

/// State, parent, group and start time of a process. The second field of the file is the
/// program's name in parentheses and may itself hold spaces and parentheses.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    Some(Stat {
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
        // Field 5.
        group: fields.next()?.parse().ok()?,
        // Field 22.
        start: fields.nth(16)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

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
    fn a_group_lives_without_its_leader() {
        let script = "sleep 600 >&- 2>&- & echo $!";
        let mut leader = Command::new("sh");
        leader.args(["-c", script]).process_group(0);
        let mut leader = leader.stdout(Stdio::piped()).spawn().unwrap();
        let process = Process::of(leader.id()).unwrap();
        let said = std::io::read_to_string(leader.stdout.take().unwrap()).unwrap();
        leader.wait().unwrap();
        assert!(!process.is_alive() && process.group_is_alive());
        let sleep = said.trim().parse().ok().and_then(Pid::from_raw).unwrap();
        kill_process(sleep, Signal::KILL).unwrap();
        while process.group_is_alive() {
            std::thread::yield_now();
        }
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
