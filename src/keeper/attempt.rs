//! One attempt to run a child: its fence, its end, and where it stands.

use std::fs;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::base::{Process, boot_id, private_new, private_read};

/// How long a fence may be there without its content: the process that made it
/// writes it at once, unless it was killed between the two.
const WRITTEN_WITHIN: Duration = Duration::from_millis(500);

/// The files of one attempt: `SLUG.N.fence` and `SLUG.N.exit` beside the spools
/// `SLUG.N.out.spool` and `SLUG.N.err.spool`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    base: Utf8PathBuf,
}

/// What the parent writes before it starts the child. The process that creates
/// the file runs the child; no other does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The parent. Its pid is the id of the child's process group too.
    #[serde(flatten)]
    pub keeper: Process,
    /// The boot of the machine that the process is of.
    pub boot_id: String,
    /// What the caller wants to find again; never a secret.
    pub says: String,
}

/// How a child ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildEnd {
    /// Exit code, absent when a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// Signal number, when one ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Why it could not be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// CPU time of it and what it waited for, in milliseconds: in user mode.
    pub user_ms: u64,
    /// In the kernel.
    pub system_ms: u64,
}

/// Where an attempt stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// No fence: it has not been started.
    New,
    /// Something of it still runs.
    Running(Fence),
    /// It ended.
    Ended(Fence, ChildEnd),
    /// It was started, nothing of it runs, and nobody wrote down how it ended.
    Unknown,
}

/// What is found where a fence would be.
enum Found {
    Nothing,
    /// It was made, and never written.
    Empty,
    Fence(Fence),
}

impl Attempt {
    /// The attempt with that number at the step's children; `slug` is the step's
    /// name in `dir`, the directory of the run's logs.
    pub fn new(dir: &Utf8Path, slug: &str, number: u32) -> Self {
        Self {
            base: dir.join(format!("{slug}.{number}")),
        }
    }

    pub(super) fn at(base: Utf8PathBuf) -> Self {
        Self { base }
    }

    /// What all its files' names begin with.
    pub fn base(&self) -> &Utf8Path {
        &self.base
    }

    fn fence(&self) -> Utf8PathBuf {
        Utf8PathBuf::from(format!("{}.fence", self.base))
    }

    fn exit(&self) -> Utf8PathBuf {
        Utf8PathBuf::from(format!("{}.exit", self.base))
    }

    /// Where it stands now.
    ///
    /// # Errors
    /// Its files are there and cannot be read.
    pub fn standing(&self) -> io::Result<Standing> {
        let fence = match self.read_fence()? {
            Found::Nothing => return Ok(Standing::New),
            Found::Empty => return Ok(Standing::Unknown),
            Found::Fence(fence) => fence,
        };
        if fence.boot_id == boot_id() && fence.keeper.group_is_alive() {
            return Ok(Standing::Running(fence));
        }
        // Read last: it may have ended since the look at the process.
        Ok(match self.end()? {
            Some(end) => Standing::Ended(fence, end),
            None => Standing::Unknown,
        })
    }

    /// How it ended, once that is written.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn end(&self) -> io::Result<Option<ChildEnd>> {
        match read(&self.exit())? {
            Some(text) => Ok(Some(serde_json::from_str(&text)?)),
            None => Ok(None),
        }
    }

    /// Who has begun it, if anybody has.
    ///
    /// # Errors
    /// The fence is there and cannot be read.
    pub fn begun_by(&self) -> io::Result<Option<Process>> {
        Ok(match self.read_fence()? {
            Found::Fence(fence) => Some(fence.keeper),
            Found::Nothing | Found::Empty => None,
        })
    }

    fn read_fence(&self) -> io::Result<Found> {
        const LOOKS: u32 = 50;
        for _ in 0..LOOKS {
            let Some(text) = read(&self.fence())? else {
                return Ok(Found::Nothing);
            };
            if let Ok(fence) = serde_json::from_str(&text) {
                return Ok(Found::Fence(fence));
            }
            thread::sleep(WRITTEN_WITHIN / LOOKS);
        }
        Ok(Found::Empty)
    }

    /// Makes the fence, and waits until it is on the disk. Where that fails there is
    /// none: the child has not been started, and the next one may start it.
    ///
    /// # Errors
    /// It is there already: somebody else runs the child
    /// ([`io::ErrorKind::AlreadyExists`]); or it cannot be written.
    pub(super) fn raise(&self, fence: &Fence) -> io::Result<()> {
        let text = serde_json::to_vec(fence)?;
        let mut file = private_new(&self.fence())?;
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        if written.is_err() {
            fs::remove_file(self.fence()).ok();
        }
        written
    }

    /// Writes down how the child ended, by atomic replace.
    pub(super) fn close(&self, end: &ChildEnd) -> io::Result<()> {
        let new = Utf8PathBuf::from(format!("{}.exit.new", self.base));
        let write = || -> io::Result<()> {
            let mut file = private_new(&new)?;
            file.write_all(&serde_json::to_vec(end)?)?;
            file.sync_all()
        };
        let written = write().and_then(|()| fs::rename(&new, self.exit()));
        if written.is_err() {
            // Left over at worst, where it says nothing.
            fs::remove_file(&new).ok();
        }
        written
    }
}

fn read(path: &Utf8Path) -> io::Result<Option<String>> {
    match private_read(path) {
        Ok(file) => io::read_to_string(file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(keeper: Process) -> Fence {
        Fence {
            keeper,
            boot_id: boot_id(),
            says: "x".to_owned(),
        }
    }

    #[test]
    fn an_attempt_is_new_running_ended_or_unknown() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let gone = Process {
            pid: std::process::id(),
            start: 1,
        };
        let attempt = |number| Attempt::new(dir, "a-b", number);
        assert_eq!(attempt(1).standing().unwrap(), Standing::New);

        attempt(1).raise(&fence(gone)).unwrap();
        assert_eq!(attempt(1).standing().unwrap(), Standing::Unknown);
        let again = attempt(1).raise(&fence(gone)).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);

        let end = ChildEnd {
            code: Some(3),
            ..ChildEnd::default()
        };
        attempt(1).close(&end).unwrap();
        assert_eq!(
            attempt(1).standing().unwrap(),
            Standing::Ended(fence(gone), end)
        );

        let other_boot = Fence {
            boot_id: "another".to_owned(),
            ..fence(Process::this())
        };
        attempt(2).raise(&other_boot).unwrap();
        assert_eq!(attempt(2).standing().unwrap(), Standing::Unknown);

        // Killed before it could write into it: nobody knows what came after.
        private_new(&dir.join("a-b.3.fence")).unwrap();
        assert_eq!(attempt(3).standing().unwrap(), Standing::Unknown);
    }
}
