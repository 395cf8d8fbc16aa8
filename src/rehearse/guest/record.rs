//! What is left of a guest when its holder is killed: a file with the process
//! and its start time, by which the next holder finds and ends it. A process id
//! alone could be somebody else's by then.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::base::Process;

/// A process that cannot be mistaken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pid: u32,
    start: u64,
}

impl Record {
    /// The process that has this id now.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let Process { pid, start } = Process::of(pid)?;
        Some(Self { pid, start })
    }

    /// Whether it still runs.
    pub(super) fn alive(self) -> bool {
        let Self { pid, start } = self;
        Process { pid, start }.is_alive()
    }

    /// Kills it and waits until it is gone.
    fn kill(self) {
        if !self.alive() {
            return;
        }
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            rustix::process::kill_process(pid, Signal::KILL).ok();
        }
        let until = Instant::now() + Duration::from_secs(5);
        while self.alive() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The first child of that process: with `unshare --fork`, the guest's PID 1.
    pub(super) fn child(self) -> Option<Self> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let children = fs::read_to_string(path).ok()?;
        Self::of(children.split_whitespace().next()?.parse().ok()?)
    }

    /// Process id.
    pub(super) fn pid(self) -> u32 {
        self.pid
    }
}

/// Ends a guest: first its PID 1, whose end its `unshare` then reports and ends by
/// itself, so that no zombie is left for others to reap.
pub(super) fn kill_all(records: &[Record]) {
    let Some((unshare, inner)) = records.split_first() else {
        return;
    };
    for record in inner.iter().copied().chain(unshare.child()) {
        record.kill();
    }
    let until = Instant::now() + Duration::from_secs(1);
    while unshare.alive() && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
    unshare.kill();
}

/// Writes the processes of a guest.
pub(super) fn save(path: &Path, records: &[Record]) -> Result<(), String> {
    let text = serde_json::to_string(records).map_err(|e| e.to_string())?;
    fs::write(path, text).map_err(|e| format!("cannot write `{}`: {e}", path.display()))
}

/// Reads them; a file that cannot be read names nobody.
pub(super) fn load(path: &Path) -> Vec<Record> {
    fs::read_to_string(path)
        .ok()
        .and_then(|t| serde_json::from_str(&t).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn kills_the_very_process_and_no_successor() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let record = Record::of(child.id()).unwrap();
        let other = Record {
            start: record.start + 1,
            ..record
        };
        other.kill();
        assert!(
            record.alive(),
            "a different start time is a different process"
        );
        record.kill();
        assert!(!record.alive());
        child.wait().unwrap();
        assert_eq!(Record::of(child.id()), None);
    }
}
