//! One mutating run per lab.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::thread;
use std::time::Duration;

use camino::Utf8PathBuf;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Paths, create_dir};
use crate::base::Process;
use crate::base::{private_read, private_update, remedy};
use crate::diag::{Exit, Failure};

/// How often a lab that is held is looked at for the name of its holder.
const LOOKS: u32 = 50;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// The lab, held by this process. The kernel lets go of it when the process
/// ends, however it ends; dropping it lets go earlier.
#[derive(Debug)]
#[must_use]
pub struct Lock {
    file: File,
}

/// Who holds the lab; the content of `state/lock`, one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The run.
    pub run: String,
    /// Process id of `hl`.
    pub pid: u32,
    /// Its start time in clock ticks since boot.
    pub pid_start: u64,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}

impl Lock {
    /// Takes the lab for a run, or fails with [`Exit::Busy`] at once, naming
    /// the run that holds it.
    pub fn take(paths: &Paths, run: &str) -> Result<Self, Failure> {
        let path = path(paths);
        let cannot = |error: &std::io::Error| {
            Failure::message(
                Exit::CannotWrite,
                format!("cannot lock `{}`: {error}", paths.show(&path)),
            )
            .help(remedy(error).unwrap_or(
                "make `state` and what is in it writable for this user; was `hl` run with sudo before?",
            ))
        };
        create_dir(&paths.state())?;
        let mut file = private_update(&path).map_err(|e| cannot(&e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy(introduced(&mut file).as_ref())),
            Err(TryLockError::Error(error)) => return Err(cannot(&error)),
        }
        let this = Process::of_run();
        let holder = Holder {
            run: run.to_owned(),
            pid: this.pid,
            pid_start: this.start,
            since: format!("{:.0}", Timestamp::now()),
        };
        let mut text = serde_json::to_vec(&holder).unwrap_or_default();
        text.push(b'\n');
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(&text))
            .map_err(|e| cannot(&e))?;
        Ok(Self { file })
    }

    /// Who holds the lab now, if anyone does who has said so. It only reads:
    /// even a lock for a moment could turn a run away.
    pub fn holder(paths: &Paths) -> Option<Holder> {
        read(&mut private_read(&path(paths)).ok()?)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only so that the next one, between locking and writing, is not
        // taken for this one. A failure to empty it does no harm.
        self.file.set_len(0).unwrap_or_default();
    }
}

fn path(paths: &Paths) -> Utf8PathBuf {
    paths.state().join("lock")
}

/// Who the file says holds the lab, unless that process is gone.
fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_to_string(&mut text).ok()?;
    let holder: Holder = serde_json::from_str(&text).ok()?;
    let process = Process {
        pid: holder.pid,
        start: holder.pid_start,
    };
    process.is_running().then_some(holder)
}

/// Who holds the lab, given the moment that one needs to write its name.
fn introduced(file: &mut File) -> Option<Holder> {
    for _ in 0..LOOKS {
        let holder = read(file);
        if holder.is_some() {
            return holder;
        }
        thread::sleep(LOOK);
    }
    None
}

fn busy(holder: Option<&Holder>) -> Failure {
    let Some(holder) = holder else {
        return Failure::message(Exit::Busy, "another run holds the lab")
            .help("wait until it is over, then try again");
    };
    let age = holder
        .since
        .parse::<Timestamp>()
        .map(|since| {
            let age = Timestamp::now().duration_since(since);
            format!(", for {:#}", jiff::SignedDuration::from_secs(age.as_secs()))
        })
        .unwrap_or_default();
    Failure::message(
        Exit::Busy,
        format!(
            "run `{}` holds the lab (process {}{age})",
            holder.run, holder.pid
        ),
    )
    .help("wait until it is over, then try again")
    .help(format!(
        "what it does is in `state/logs/{}`; `kill {}` stops it in order",
        holder.run, holder.pid
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8Path;

    #[test]
    fn the_second_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        assert_eq!(Lock::holder(&paths), None);
        let lock = Lock::take(&paths, "20260101-000000-abcd").unwrap();
        let failure = Lock::take(&paths, "x").unwrap_err();
        assert_eq!(failure.exit, Exit::Busy);
        let message = failure.to_string();
        let wanted = format!(
            "run `20260101-000000-abcd` holds the lab (process {}, for ",
            std::process::id()
        );
        assert!(message.starts_with(&wanted), "{message}");
        let holder = Lock::holder(&paths).unwrap();
        assert_eq!(holder.run, "20260101-000000-abcd");
        drop(lock);
        assert_eq!(Lock::holder(&paths), None);
        drop(Lock::take(&paths, "y").unwrap());
    }

    #[test]
    fn the_state_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap()).rehearsal();
        let _lock = Lock::take(&paths, "x").unwrap();
        let mode = |path: &Utf8Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&paths.root().join("state")), 0o700);
        assert_eq!(mode(&paths.state()), 0o700);
        assert_eq!(mode(&path(&paths)), 0o600);
    }
}
