//! The directory of a world, and who serves it. The process that writes locks it;
//! `world.json` is replaced as a whole, so that it can be read meanwhile.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::access::Access;
use crate::base::{Process, private_append};
use crate::diag::{Exit, Failure};

/// An open directory. Nobody else writes there while this lives.
pub(super) struct Place {
    pub(super) dir: Utf8PathBuf,
    lock: File,
    /// Removed at the end.
    temporary: Option<TempDir>,
}

/// What the lock file says: who serves the world, and how it is reached.
#[derive(Serialize, Deserialize)]
struct Server {
    process: Process,
    access: Access,
}

impl Place {
    /// Makes the directory of a world where it is missing, for its owner alone, and
    /// locks it. Without a name, it is a temporary one.
    ///
    /// # Errors
    /// It is served by another process (75), or cannot be made (73).
    pub(super) fn open(dir: Option<Utf8PathBuf>) -> Result<Self, Failure> {
        let (dir, temporary) = if let Some(dir) = dir {
            (dir, None)
        } else {
            let made = tempfile::tempdir()
                .map_err(|error| cannot("make a temporary directory", &error))?;
            let path = Utf8PathBuf::try_from(made.path().to_owned()).map_err(|_| {
                let message = "the temporary directory's name is not UTF-8";
                Failure::message(Exit::CannotWrite, message)
            })?;
            (path, Some(made))
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&dir)
            .map_err(|error| cannot(&format!("make `{dir}`"), &error))?;
        Ok(Self {
            lock: lock(&dir)?,
            dir,
            temporary,
        })
    }

    /// Whether what is written there outlives this.
    pub(super) fn is_kept(&self) -> bool {
        self.temporary.is_none()
    }

    /// Says to others how the world is reached.
    pub(super) fn announce(&mut self, access: &Access) -> Result<(), Failure> {
        let server = Server {
            process: Process::this(),
            access: access.clone(),
        };
        let text = serde_json::to_string(&server).unwrap_or_default();
        self.lock
            .set_len(0)
            .and_then(|()| self.lock.write_all(text.as_bytes()))
            .map_err(|error| cannot(&format!("write to `{}`", file(&self.dir)), &error))
    }

    /// How the world in a directory is reached; `None`: nobody serves it.
    pub(super) fn served(dir: &Utf8Path) -> Option<Access> {
        Server::read(dir).map(|server| server.access)
    }
}

impl Server {
    fn read(dir: &Utf8Path) -> Option<Self> {
        let text = std::fs::read_to_string(file(dir)).ok()?;
        let server: Self = serde_json::from_str(&text).ok()?;
        server.process.is_alive().then_some(server)
    }
}

fn file(dir: &Utf8Path) -> Utf8PathBuf {
    dir.join("sim.lock")
}

fn lock(dir: &Utf8Path) -> Result<File, Failure> {
    let path = file(dir);
    let opened =
        private_append(&path).map_err(|error| cannot(&format!("open `{path}`"), &error))?;
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => {
            let who = Server::read(dir).map_or_else(
                || "another process".to_owned(),
                |server| format!("process {}, at {}", server.process.pid, server.access.url),
            );
            let message = format!("`{dir}` is being served by {who}");
            Err(Failure::message(Exit::Busy, message)
                .help(format!("its variables: `hl sim export --world {dir}`")))
        }
        Err(TryLockError::Error(error)) => Err(cannot(&format!("lock `{path}`"), &error)),
    }
}

pub(super) fn cannot(what: &str, error: &io::Error) -> Failure {
    Failure::message(Exit::CannotWrite, format!("cannot {what}: {error}"))
}
