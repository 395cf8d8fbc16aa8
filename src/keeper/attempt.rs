//! One attempt to run a child: its fence, its end, and where it stands.

use std::fs::{self, File};
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
/// the file runs the child; no other does. A line of its own names the child, once
/// it is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The parent.
    #[serde(flatten)]
    pub keeper: Process,
    /// The boot of the machine that the processes are of.
    pub boot_id: String,
    /// What the caller wants to find again; never a secret.
    pub says: String,
    /// The child, the leader of a process group.
    #[serde(skip)]
    pub child: Option<Process>,
}

impl Fence {
    /// Reads the content of a fence; `None` where it is not written yet.
    pub fn parse(text: &str) -> Option<Self> {
        let (fence, child) = text.split_once('\n')?;
        Some(Self {
            child: serde_json::from_str(child).ok(),
            ..serde_json::from_str(fence).ok()?
        })
    }

    /// The process that stands for the attempt: the child, as far as it is known.
    pub fn process(&self) -> Process {
        self.child.unwrap_or(self.keeper)
    }

    fn is_of_this_boot(&self) -> bool {
        self.boot_id == boot_id()
    }
}

/// A fence that was made here: the child may be started.
#[derive(Debug)]
pub(super) struct Raised(File);

impl Raised {
    /// Names the started child. Not on the disk at once: after a power failure no
    /// process is there any more.
    pub(super) fn started(&mut self, child: Process) -> io::Result<()> {
        self.0.write_all(&serde_json::to_vec(&child)?)
    }
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
        let mut fence = match self.read_fence()? {
            Found::Nothing => return Ok(Standing::New),
            Found::Empty => return Ok(Standing::Unknown),
            Found::Fence(fence) => fence,
        };
        let is_kept = fence.is_of_this_boot() && fence.keeper.is_alive();
        if !is_kept && let Found::Fence(last) = self.read_fence()? {
            // It may have named the child since, and nobody writes into it any more.
            fence = last;
        }
        if fence.is_of_this_boot() && fence.child.is_some_and(Process::group_is_alive) {
            return Ok(Standing::Running(fence));
        }
        // Read last: it may have ended since the look at the processes.
        Ok(match self.end()? {
            Some(end) => Standing::Ended(fence, end),
            // On its way to the child, or to the end.
            None if is_kept => Standing::Running(fence),
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

    fn read_fence(&self) -> io::Result<Found> {
        const LOOKS: u32 = 50;
        for _ in 0..LOOKS {
            let Some(text) = read(&self.fence())? else {
                return Ok(Found::Nothing);
            };
            if let Some(fence) = Fence::parse(&text) {
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
    pub(super) fn raise(&self, fence: &Fence) -> io::Result<Raised> {
        let mut text = serde_json::to_vec(fence)?;
        text.push(b'\n');
        let mut file = private_new(&self.fence())?;
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        if written.is_err() {
            self.withdraw();
        }
        written.map(|()| Raised(file))
    }

    /// Takes the fence away again: the child was not started.
    pub(super) fn withdraw(&self) {
        // Left over at worst, and then nobody knows.
        fs::remove_file(self.fence()).ok();
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
            child: None,
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

    #[test]
    fn it_runs_while_its_child_or_its_parent_lives() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let here = Process::this();
        let gone = Process { start: 1, ..here };
        let standing = |number, keeper, child: Option<Process>, ended| {
            let attempt = Attempt::new(dir, "a-b", number);
            let mut raised = attempt.raise(&fence(keeper)).unwrap();
            if let Some(child) = child {
                raised.started(child).unwrap();
            }
            if ended {
                attempt.close(&ChildEnd::default()).unwrap();
            }
            attempt.standing().unwrap()
        };
        let whole = |keeper, child| Fence {
            child,
            ..fence(keeper)
        };
        assert_eq!(
            standing(1, here, None, false),
            Standing::Running(whole(here, None))
        );
        assert_eq!(
            standing(2, gone, Some(here), false),
            Standing::Running(whole(gone, Some(here)))
        );
        // What it left in its group goes on.
        assert_eq!(
            standing(3, here, Some(here), true),
            Standing::Running(whole(here, Some(here)))
        );
        assert_eq!(
            standing(4, here, Some(gone), false),
            Standing::Running(whole(here, Some(gone)))
        );
        assert_eq!(
            standing(5, here, Some(gone), true),
            Standing::Ended(whole(here, Some(gone)), ChildEnd::default())
        );
        assert_eq!(standing(6, gone, Some(gone), false), Standing::Unknown);
        assert_eq!(standing(7, gone, None, false), Standing::Unknown);
    }
}
