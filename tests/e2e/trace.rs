//! Watches what an `hl` starts: every command line on the machine meanwhile, its
//! own descendants, and the namespaces they are in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::support::{Hl, Ran};

/// Process id, and start time in ticks since boot: a process for good.
type Process = (u32, u64);

/// What was seen while an `hl` ran.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Command lines of all processes, arguments separated by NUL.
    pub(super) argv: BTreeSet<Vec<u8>>,
    /// The `hl` and all that came of it.
    processes: BTreeSet<Process>,
    /// Namespaces of those that are not this process's own, as
    /// `/proc/PID/ns/*` names them.
    spaces: BTreeSet<PathBuf>,
}

/// Runs an `hl` to its end and watches it.
pub(super) fn traced(hl: &Hl) -> (Ran, Trace) {
    let child = hl.spawn();
    let (over, watching) = watch(&child);
    let output = child.wait_with_output().unwrap();
    over.store(true, Ordering::Relaxed);
    let trace = watching.join().unwrap();
    let ran = Ran {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap_or(-1),
    };
    (ran, trace)
}

fn watch(child: &Child) -> (Arc<AtomicBool>, JoinHandle<Trace>) {
    let over = Arc::new(AtomicBool::new(false));
    let first = child.id();
    let told = Arc::clone(&over);
    let watching = thread::spawn(move || {
        let mut trace = Trace::default();
        while !told.load(Ordering::Relaxed) {
            trace.look(first);
            thread::sleep(Duration::from_millis(20));
        }
        trace
    });
    (over, watching)
}

impl Trace {
    fn look(&mut self, first: u32) {
        let own = spaces(Path::new("/proc/self"));
        let mut all: BTreeMap<u32, Stat> = BTreeMap::new();
        for pid in pids() {
            if let Some(stat) = Stat::read(pid) {
                all.insert(pid, stat);
            }
            if let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) {
                self.argv.insert(line);
            }
        }
        for (&pid, stat) in &all {
            // Those above, as long as they are known.
            let mut above = Some(pid);
            let ours = std::iter::from_fn(|| {
                let this = above?;
                above = all.get(&this).map(|stat| stat.parent);
                Some(this)
            })
            .any(|pid| {
                pid == first
                    || all
                        .get(&pid)
                        .is_some_and(|stat| self.processes.contains(&(pid, stat.start)))
            });
            if ours {
                self.processes.insert((pid, stat.start));
                // Each time: a process enters its namespaces when it has begun.
                let theirs = spaces(&Path::new("/proc").join(pid.to_string()));
                self.spaces
                    .extend(theirs.into_iter().filter(|space| !own.contains(space)));
            }
        }
    }

    /// Nothing of it runs any more, no namespace of it is held, and nothing is
    /// mounted below `root`.
    #[track_caller]
    pub(super) fn is_over(&self, root: &Path) {
        assert!(self.processes.len() > 1, "nothing was seen: {self:?}");
        assert!(!self.spaces.is_empty(), "no namespace was seen");
        for pid in pids() {
            let Some(stat) = Stat::read(pid) else {
                continue;
            };
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            assert!(
                stat.is_zombie || !self.processes.contains(&(pid, stat.start)),
                "process {pid} is left: {line}"
            );
            let spaces = spaces(&Path::new("/proc").join(pid.to_string()));
            let held = spaces.iter().find(|space| self.spaces.contains(*space));
            // The kernel gives a namespace's number again: one that another test
            // made since may have it, and knows nothing of this lab.
            let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
            assert!(
                held.is_none() || !mounts.contains(root.to_str().unwrap()),
                "process {pid} is in {held:?}: {line}"
            );
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        for line in mounts.lines() {
            let space = self.spaces.iter().any(|space| {
                let name = space.to_str().unwrap_or_default();
                line.split(' ').any(|field| field == name)
            });
            assert!(
                !space && !line.contains(root.to_str().unwrap()),
                "left mounted: {line}"
            );
        }
    }
}

/// `proc_pid_stat(5)`, as far as it is needed.
struct Stat {
    parent: u32,
    start: u64,
    is_zombie: bool,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in parentheses and may hold anything.
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
        Some(Self {
            is_zombie: *fields.first()? == "Z",
            parent: fields.get(1)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
        })
    }
}

fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Network and mount namespace of a process.
fn spaces(process: &Path) -> BTreeSet<PathBuf> {
    ["ns/net", "ns/mnt"]
        .iter()
        .filter_map(|name| fs::read_link(process.join(name)).ok())
        .collect()
}
