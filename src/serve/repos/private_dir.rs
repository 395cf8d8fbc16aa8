//! A private directory that is removed at the end, and by the next start where this
//! process could not: a lock tells whose process still runs.

use std::env;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

use crate::base::{private_new, private_read};

const PREFIX: &str = "hl-serve-";
const LOCK: &str = "lock";
/// The lock until it is held: nobody takes its owner for gone.
const UNHELD: &str = "lock.new";

/// A directory of mode 0700. Dropping it removes it.
#[derive(Debug)]
pub(super) struct PrivateDir {
    // Removed before the lock is let go.
    _dir: TempDir,
    path: Utf8PathBuf,
    _lock: File,
}

impl PrivateDir {
    /// Makes one among the temporary files.
    ///
    /// # Errors
    /// It cannot be made, or its path is not UTF-8.
    pub(super) fn new() -> io::Result<Self> {
        Self::within(&env::temp_dir())
    }

    fn within(temp: &Path) -> io::Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(temp)?;
        let path = Utf8PathBuf::from_path_buf(dir.path().to_owned())
            .map_err(|_| io::ErrorKind::InvalidFilename)?;
        let unheld = path.join(UNHELD);
        let lock = private_new(&unheld)?;
        lock.lock()?;
        fs::rename(&unheld, path.join(LOCK))?;
        Ok(Self {
            _dir: dir,
            path,
            _lock: lock,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Utf8Path {
        &self.path
    }
}

/// Removes what processes left behind that were killed. What cannot be removed stays:
/// nothing depends on it.
pub(in crate::serve) fn remove_left_behind() {
    remove_from(&env::temp_dir());
}

fn remove_from(temp: &Path) {
    let entries = fs::read_dir(temp).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX));
        if ours && is_left_behind(&entry.path()) {
            match fs::remove_dir_all(entry.path()) {
                Ok(()) => tracing::info!(path = %entry.path().display(), "removed"),
                Err(error) => {
                    tracing::warn!(path = %entry.path().display(), %error, "not removed");
                }
            }
        }
    }
}

/// A directory of this user, of which nobody holds the lock.
fn is_left_behind(path: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    let owned =
        |path: &Path| fs::symlink_metadata(path).is_ok_and(|m| m.is_dir() && m.uid() == user);
    let Some(lock) = Utf8Path::from_path(path).map(|path| path.join(LOCK)) else {
        return false;
    };
    owned(path) && private_read(&lock).is_ok_and(|lock| lock.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn it_is_private_and_goes_with_its_owner() {
        let temp = tempfile::tempdir().unwrap();
        let dir = PrivateDir::within(temp.path()).unwrap();
        let path = dir.path().to_owned();
        let mode = fs::metadata(&path).unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o700);
        fs::create_dir_all(path.join("a/b")).unwrap();
        remove_from(temp.path());
        assert!(path.join("a/b").is_dir(), "its owner lives");
        drop(dir);
        assert!(!path.exists());
    }

    #[test]
    fn what_was_left_behind_is_removed_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let left = temp.path().join("hl-serve-left");
        fs::create_dir_all(left.join("x.git")).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        let keep = ["hl-serve-new", "hl-server", "other/hl-serve-deep", "aim"];
        for name in keep {
            fs::create_dir_all(temp.path().join(name)).unwrap();
        }
        fs::write(temp.path().join("aim").join(LOCK), "").unwrap();
        symlink("aim", temp.path().join("hl-serve-link")).unwrap();
        remove_from(temp.path());
        assert!(!left.exists());
        for name in keep {
            assert!(temp.path().join(name).is_dir(), "{name}");
        }
        assert!(temp.path().join("aim").join(LOCK).is_file());
    }
}
