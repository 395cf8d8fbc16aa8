//! Processes of a run, found from outside: no hook in the product.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hl::keeper::Fence;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::TestLab;

/// Waits at most two minutes.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_mins(2), "{what}");
        sleep(Duration::from_millis(5));
    }
}

/// Kills a process so that it can do nothing about it.
pub(super) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // One that ended meanwhile is as dead.
    kill_process(pid, signal).unwrap_or_default();
}

/// Kills `hl` alone.
pub(super) fn kill_hl(mut hl: Child) {
    hl.kill().unwrap();
    hl.wait().unwrap();
}

/// Kills every process of the session that `hl` leads. What is about to leave it is
/// stopped first and looked at once more: it belongs to no session that is killed
/// when it has left.
pub(super) fn kill_session(mut hl: Child) {
    let session = hl.id();
    stop(session);
    for (pid, _) in all()
        .into_iter()
        .filter(|(_, stat)| stat.session == session)
    {
        stop(pid);
        if stat(pid).is_some_and(|now| now.session != session) {
            signal(pid, Signal::CONT);
        } else {
            kill(pid);
        }
    }
    // It may not lead a session yet.
    kill(session);
    hl.wait().unwrap();
}

/// Kills `hl`, the parents of its children and all that they started, so that none of
/// them can do anything about it: each is stopped before it is killed.
pub(super) fn kill_all(mut hl: Child) {
    let mut found = vec![hl.id()];
    let mut looked = 0;
    while let Some(pid) = found.get(looked).copied() {
        looked += 1;
        stop(pid);
        found.extend(children(pid));
    }
    found.into_iter().for_each(kill);
    hl.wait().unwrap();
}

/// Stops a process, and waits until it stands still or is gone.
fn stop(pid: u32) {
    signal(pid, Signal::STOP);
    wait_for("it stands still", || {
        let state = stat(pid).map(|stat| stat.state);
        state
            .is_none_or(|state| "TZX".contains(state))
            .then_some(())
    });
}

/// The fence of the lab's only kept child that has no end.
pub(super) fn fence(lab: &TestLab) -> Fence {
    wait_for("a child begins", || {
        let logs = lab.path("state/logs").read_dir().ok()?;
        let files = logs.flatten().filter_map(|run| run.path().read_dir().ok());
        files.flatten().flatten().find_map(|file| {
            let path = file.path();
            let open = path.extension()? == "fence" && !path.with_extension("exit").exists();
            Fence::parse(&fs::read_to_string(path).ok().filter(|_| open)?)
        })
    })
}

/// The children of a process.
pub(super) fn children(parent: u32) -> Vec<u32> {
    let ours = all().into_iter().filter(|(_, stat)| stat.parent == parent);
    ours.map(|(pid, _)| pid).collect()
}

struct Stat {
    state: char,
    parent: u32,
    session: u32,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    Some(Stat {
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
        session: fields.nth(1)?.parse().ok()?,
    })
}

fn all() -> Vec<(u32, Stat)> {
    let processes = Path::new("/proc").read_dir().unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| Some((pid, stat(pid)?)))
        .collect()
}
