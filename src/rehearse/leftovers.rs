//! Processes that are in a rehearsal's network: nobody else can be, so what is
//! left there at the end is what the recipe left behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::seal::network_of;
use crate::base::Process;

/// The network namespace of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NetworkNamespace(PathBuf);

impl NetworkNamespace {
    /// That of a process, by id or `self`; `None` when it is gone or hidden.
    pub(super) fn of(process: &str) -> Option<Self> {
        network_of(process).map(Self)
    }

    /// The processes in it, this one excepted. Guests have networks of their own.
    fn members(&self) -> BTreeSet<Process> {
        fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| Self::of(name).as_ref() == Some(self))
            .filter_map(|name| Process::of(name.parse().ok()?))
            .filter(|process| process.pid != std::process::id())
            .collect()
    }

    /// Ends all of them: asked first, killed after two seconds.
    pub(super) fn end_all(&self) {
        for signal in [Signal::TERM, Signal::KILL] {
            let members = self.members();
            for process in &members {
                if let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) {
                    kill_process(pid, signal).ok();
                }
            }
            let until = Instant::now() + Duration::from_secs(2);
            while Instant::now() < until && members.iter().any(|p| p.is_alive()) {
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}
