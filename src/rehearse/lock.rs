//! One rehearsal of a lab at a time: `state/rehearsal/lock`.
//!
//! The lock belongs to the holder of a rehearsal, not to the `hl` in the
//! terminal. When that one is killed, the holder still stops the recipe, saves
//! the world and ends its guests, and keeps the lock meanwhile. The next
//! rehearsal waits for such a holder instead of being turned away by a
//! rehearsal that its user can see no more.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use serde::{Deserialize, Serialize};

use crate::base::Process;
use crate::diag::{Exit, Failure, say};
use crate::lab;
use crate::lab::Paths;
use crate::runs;

/// The longest wait for a rehearsal that is ending. Its tools may take longer.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a holder may take to write its name into the lock that it has.
const NAMELESS: Duration = Duration::from_secs(2);
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// The lab's rehearsal, held by this process until it ends or drops this.
#[derive(Debug)]
#[must_use]
pub struct Lock {
    /// Closing it lets go of the lock.
    file: File,
    holder: Holder,
}

/// Who holds the lock; the content of the file, one line of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    pid_start: u64,
    /// The `hl` that was typed.
    outer_pid: u32,
    outer_start: u64,
    /// Its recipe is over.
    #[serde(default)]
    ending: bool,
}

impl Holder {
    fn new(outer: Process) -> Self {
        let this = Process::this();
        Self {
            pid: this.pid,
            pid_start: this.start,
            outer_pid: outer.pid,
            outer_start: outer.start,
            ending: false,
        }
    }

    fn read(path: &Utf8Path) -> Option<Self> {
        let holder: Self = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
        let process = Process {
            pid: holder.pid,
            start: holder.pid_start,
        };
        process.is_alive().then_some(holder)
    }

    /// Whether it only clears up: its recipe is over, or the `hl` that was typed is
    /// gone.
    fn is_ending(self) -> bool {
        let outer = Process {
            pid: self.outer_pid,
            start: self.outer_start,
        };
        self.ending || !outer.is_alive()
    }
}

impl Lock {
    /// Takes the lock for a rehearsal that `outer` asked for; `paths` are those
    /// of the rehearsal. While another rehearsal is ending, it waits, and tells
    /// `waiting` the process id before each further try.
    ///
    /// # Errors
    /// Another rehearsal has it, or does not come to its end (75); the file
    /// cannot be made or locked (73); what `waiting` gives.
    pub(super) fn take(
        paths: &Paths,
        outer: Process,
        mut waiting: impl FnMut(u32) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        lab::create_dir(paths.out())?;
        let path = paths.out().join("lock");
        let file = crate::base::private_append(&path).map_err(|e| cannot("open", &path, &e))?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(cannot("lock", &path, &error)),
            }
            match Holder::read(&path) {
                // Who saw its run end may come before it has noticed that itself.
                Some(holder) if !holder.is_ending() && begun.elapsed() < over_within(paths) => {}
                Some(holder) if !holder.is_ending() => return Err(busy(holder)),
                Some(holder) if begun.elapsed() > PATIENCE => return Err(still_ending(holder)),
                Some(holder) => waiting(holder.pid)?,
                None if begun.elapsed() > NAMELESS => return Err(nameless()),
                None => {}
            }
            thread::sleep(PAUSE);
        }
        let lock = Self {
            file,
            holder: Holder::new(outer),
        };
        lock.write().map_err(|e| cannot("write", &path, &e))?;
        Ok(lock)
    }

    /// Says that the recipe is over: who comes from now on waits.
    pub(super) fn ends(&mut self) {
        self.holder.ending = true;
        // At worst somebody is turned away who could have waited.
        self.write().ok();
    }

    fn write(&self) -> io::Result<()> {
        let mut line = serde_json::to_vec(&self.holder)?;
        line.push(b'\n');
        self.file.set_len(0)?;
        (&self.file).write_all(&line)
    }
}

/// How long a rehearsal may take to say that its recipe is over: no time while it has
/// a run that has not come to its end.
fn over_within(paths: &Paths) -> Duration {
    match lab::Lock::holder(paths) {
        Some(held) if !runs::has_ended(paths, &held.run) => Duration::ZERO,
        _ => NAMELESS,
    }
}

/// Keeps rehearsals out while the lock that it gives lives; `paths` are those of
/// the rehearsal. Where none ever was, there is nothing to keep.
///
/// # Errors
/// A rehearsal is running, or does not come to its end (75).
pub fn hold(paths: &Paths) -> Result<Option<Lock>, Failure> {
    if paths.out().join("lock").exists() {
        Lock::take(paths, Process::this(), |_| Ok(())).map(Some)
    } else {
        Ok(None)
    }
}

fn busy(holder: Holder) -> Failure {
    let outer = holder.outer_pid;
    Failure::message(
        Exit::Busy,
        format!("another rehearsal of this lab is running (process {outer})"),
    )
    .help(
        say("wait until it is over, then try again; ")
            .hl("rehearse stop")
            .say(" stops it in order"),
    )
}

fn still_ending(holder: Holder) -> Failure {
    let pid = holder.pid;
    Failure::message(
        Exit::Busy,
        format!("an earlier rehearsal of this lab is still ending (process {pid})"),
    )
    .help("it waits for tools that it interrupted, or ends its guests; try again later")
}

fn nameless() -> Failure {
    Failure::message(Exit::Busy, "another rehearsal of this lab is running")
        .help("wait until it is over, then try again")
}

/// A failure of a file of the rehearsal.
pub(super) fn cannot(verb: &str, path: &Utf8Path, error: &io::Error) -> Failure {
    Failure::message(
        Exit::CannotWrite,
        format!("cannot {verb} `{path}`: {error}"),
    )
    .helps(crate::base::remedy(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn never(pid: u32) -> Result<(), Failure> {
        panic!("waits for {pid}");
    }

    #[test]
    fn the_second_rehearsal_is_told_which_one_runs() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap()).rehearsal();
        assert!(hold(&paths).unwrap().is_none());
        let first = Lock::take(&paths, Process::this(), never).unwrap();
        let failure = Lock::take(&paths, Process::this(), never).unwrap_err();
        assert_eq!(failure.exit, Exit::Busy);
        let wanted = format!("(process {})", std::process::id());
        assert!(failure.to_string().contains(&wanted), "{failure}");
        assert_eq!(hold(&paths).unwrap_err().exit, Exit::Busy);
        drop(first);
        drop(Lock::take(&paths, Process::this(), never).unwrap());
        assert!(hold(&paths).unwrap().is_some());
    }

    #[test]
    fn a_rehearsal_whose_terminal_is_gone_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap()).rehearsal();
        let gone = Process {
            pid: std::process::id(),
            start: 0,
        };
        let first = Cell::new(Some(Lock::take(&paths, gone, never).unwrap()));
        let asked = Cell::new(0);
        let second = Lock::take(&paths, Process::this(), |pid| {
            assert_eq!(pid, std::process::id());
            asked.set(asked.get() + 1);
            // It comes to its end while the second one waits.
            if asked.get() == 3 {
                drop(first.take());
            }
            Ok(())
        });
        drop(second.unwrap());
        assert_eq!(asked.get(), 3);

        let _third = Lock::take(&paths, gone, never).unwrap();
        let stop = || Failure::message(Exit::Interrupted, "stopped");
        let stopped = Lock::take(&paths, Process::this(), |_| Err(stop()));
        assert_eq!(stopped.unwrap_err().exit, Exit::Interrupted);
    }
}
