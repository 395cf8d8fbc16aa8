//! What is left of a guest when its holder is killed: a file with the process
//! and its start time, by which the next holder finds and ends it. A process id
//! alone could be somebody else's by then.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::base::Process;

/// Kills a process and waits until it is gone.
fn kill(process: Process) {
    if !process.is_alive() {
        return;
    }
    if let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) {
        rustix::process::kill_process(pid, Signal::KILL).ok();
    }
    let until = Instant::now() + Duration::from_secs(5);
    while process.is_alive() && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
}

/// The first child of a process: with `unshare --fork`, the guest's PID 1.
pub(super) fn child(process: Process) -> Option<Process> {
    let path = format!("/proc/{0}/task/{0}/children", process.pid);
    let children = fs::read_to_string(path).ok()?;
    Process::of(children.split_whitespace().next()?.parse().ok()?)
}

/// Ends a guest: first its PID 1, whose end its `unshare` then reports and ends by
/// itself, so that no zombie is left for others to reap.
pub(super) fn kill_all(records: &[Process]) {
    let Some((unshare, inner)) = records.split_first() else {
        return;
    };
    for process in inner.iter().copied().chain(child(*unshare)) {
        kill(process);
    }
    let until = Instant::now() + Duration::from_secs(1);
    while unshare.is_alive() && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
    kill(*unshare);
}

/// Writes the processes of a guest.
pub(super) fn save(path: &Path, records: &[Process]) -> Result<(), String> {
    let text = serde_json::to_string(records).map_err(|e| e.to_string())?;
    fs::write(path, text).map_err(|e| format!("cannot write `{}`: {e}", path.display()))
}

/// Reads them; a file that cannot be read names nobody.
pub(super) fn load(path: &Path) -> Vec<Process> {
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
        let process = Process::of(child.id()).unwrap();
        let other = Process {
            start: process.start + 1,
            ..process
        };
        kill(other);
        assert!(
            process.is_alive(),
            "a different start time is a different process"
        );
        kill(process);
        assert!(!process.is_alive());
        child.wait().unwrap();
        assert_eq!(Process::of(child.id()), None);
    }
}
