//! A directory for what an editor must see: in memory where the system has
//! such a place, for the user alone, and gone afterwards. One that a killed
//! `hl` left behind goes with the next one's start.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

use crate::base::Process;

const PREFIX: &str = "hl-secrets-";

/// Lives as long as the directory.
#[derive(Debug)]
pub(super) struct PrivateDir {
    dir: TempDir,
}

impl PrivateDir {
    /// Makes one, and clears away what ended processes left.
    pub(super) fn make(runtime: Option<&str>) -> io::Result<Self> {
        let mut last = None;
        for base in bases(runtime) {
            match Self::make_in(&base) {
                Ok(dir) => return Ok(dir),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }

    fn make_in(base: &Utf8Path) -> io::Result<Self> {
        sweep(base);
        let this = Process::this();
        let dir = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-{}-", this.pid, this.start))
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(base)?;
        Ok(Self { dir })
    }

    /// Where it is.
    pub(super) fn path(&self) -> io::Result<&Utf8Path> {
        Utf8Path::from_path(self.dir.path()).ok_or_else(|| io::ErrorKind::InvalidFilename.into())
    }

    /// Removes it now, so that a failure to is seen.
    pub(super) fn remove(self) -> io::Result<()> {
        self.dir.close()
    }
}

/// Memory first: `/dev/shm`, then `XDG_RUNTIME_DIR`, then the usual place.
fn bases(runtime: Option<&str>) -> Vec<Utf8PathBuf> {
    let temp = Utf8PathBuf::from_path_buf(std::env::temp_dir()).ok();
    [
        Some("/dev/shm".into()),
        runtime.map(Utf8PathBuf::from),
        temp,
    ]
    .into_iter()
    .flatten()
    .filter(|dir| dir.is_dir())
    .collect()
}

/// Removes the directories of this user's ended processes.
fn sweep(base: &Utf8Path) {
    let user = rustix::process::getuid().as_raw();
    for entry in base.read_dir_utf8().into_iter().flatten().flatten() {
        let stale = entry
            .file_name()
            .strip_prefix(PREFIX)
            .is_some_and(|rest| owner(rest).is_some_and(|process| !process.is_alive()));
        let own = entry
            .path()
            .symlink_metadata()
            .is_ok_and(|meta| meta.is_dir() && meta.uid() == user);
        if stale && own {
            // It is tried again next time.
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

fn owner(rest: &str) -> Option<Process> {
    let mut parts = rest.split('-');
    Some(Process {
        pid: parts.next()?.parse().ok()?,
        start: parts.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_private_and_gone_afterwards() {
        let dir = PrivateDir::make(None).unwrap();
        let path = dir.path().unwrap().to_owned();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::write(path.join("x"), "x").unwrap();
        dir.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_a_killed_process_left_goes_with_the_next_one() {
        let guard = tempfile::tempdir().unwrap();
        let base = Utf8Path::from_path(guard.path()).unwrap();
        let this = Process::this();
        let dead = base.join(format!("{PREFIX}{}-{}-abc", this.pid, this.start - 1));
        let alive = base.join(format!("{PREFIX}{}-{}-abc", this.pid, this.start));
        let other = base.join(format!("{PREFIX}notes"));
        for dir in [&dead, &alive, &other] {
            fs::create_dir(dir).unwrap();
            fs::write(dir.join("secrets.yaml"), "x").unwrap();
        }
        drop(PrivateDir::make_in(base).unwrap());
        assert!(!dead.exists() && alive.exists() && other.exists());
    }
}
