//! Files that nobody but the user may read, and that no link leads away from
//! the lab: a lab may come from somebody else, with links in it.

use std::fs;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// The directory below which, itself included, nothing that runs write may be
/// a link.
const STATE: &str = "state";

/// What helps against a link.
const REMEDY: &str =
    "take the link away; what is to lie elsewhere can be mounted there (`mount --bind`)";

/// Opens a file for appending, made 0600 when it is not there.
pub fn private_append(path: &Utf8Path) -> io::Result<File> {
    open(OpenOptions::new().append(true).create(true), path)
}

/// Makes a new file, 0600, for appending; one that is there is an error.
pub fn private_new(path: &Utf8Path) -> io::Result<File> {
    open(OpenOptions::new().append(true).create_new(true), path)
}

/// Opens a file for appending that must be there.
pub fn private_reopen(path: &Utf8Path) -> io::Result<File> {
    open(OpenOptions::new().append(true), path)
}

/// Opens a file for reading.
pub fn private_read(path: &Utf8Path) -> io::Result<File> {
    open(OpenOptions::new().read(true), path)
}

/// Opens a file for reading and writing, made 0600 when it is not there.
pub fn private_update(path: &Utf8Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    open(
        options.read(true).write(true).create(true).truncate(false),
        path,
    )
}

/// Nothing from `state` to the directory is a link.
///
/// # Errors
/// Something is, see [`remedy`].
pub fn no_links(dir: &Utf8Path) -> io::Result<()> {
    let mut path = Utf8PathBuf::new();
    let mut below = false;
    for component in dir.components() {
        path.push(component);
        below |= component.as_str() == STATE;
        if below && fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink()) {
            return Err(Foreign::Above(path).into());
        }
    }
    Ok(())
}

/// What to do about an error of this file, when it is one of those that only
/// somebody who made the lab can have caused.
pub fn remedy(error: &io::Error) -> Option<&'static str> {
    let foreign = error.get_ref()?.downcast_ref::<Foreign>()?;
    Some(match foreign {
        Foreign::Link | Foreign::Above(_) => REMEDY,
        Foreign::Special => "take it away: a file is made in its place",
    })
}

/// What stands where a file should.
#[derive(Debug, thiserror::Error)]
enum Foreign {
    #[error("it is a link, and runs write through none")]
    Link,
    #[error("it is not a file")]
    Special,
    #[error("`{0}` is a link, and runs write through none")]
    Above(Utf8PathBuf),
}

impl From<Foreign> for io::Error {
    fn from(foreign: Foreign) -> Self {
        // A kind that is told apart from "not there" and ends with 73.
        Self::new(io::ErrorKind::PermissionDenied, foreign)
    }
}

fn open(options: &mut OpenOptions, path: &Utf8Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        no_links(dir)?;
    }
    // A pipe without a reader must not stop `hl`; files do not know waiting.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = options
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let special = || fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file());
    match opened {
        Ok(file) if file.metadata()?.is_file() => {
            // Tools that are given it as their output refuse one that does not
            // wait (ansible says so in as many words).
            let flags = fcntl_getfl(&file)?;
            fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
            Ok(file)
        }
        Ok(_) => Err(Foreign::Special.into()),
        Err(_) if path.is_symlink() => Err(Foreign::Link.into()),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && special() => {
            Err(Foreign::Special.into())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn temp() -> (tempfile::TempDir, Utf8PathBuf) {
        let guard = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(guard.path()).unwrap().to_owned();
        fs::create_dir_all(dir.join("state/logs")).unwrap();
        fs::write(dir.join("precious"), "precious").unwrap();
        (guard, dir)
    }

    type Open = fn(&Utf8Path) -> io::Result<File>;
    const ALL: [Open; 5] = [
        private_append,
        private_new,
        private_reopen,
        private_read,
        private_update,
    ];

    #[test]
    fn what_a_tool_is_given_waits() {
        let (_guard, dir) = temp();
        let file = dir.join("state/spool");
        for open in [private_new as Open, private_append, private_reopen] {
            let flags = fcntl_getfl(open(&file).unwrap()).unwrap();
            assert!(!flags.contains(OFlags::NONBLOCK), "{flags:?}");
        }
    }

    #[test]
    fn no_link_is_followed_and_nothing_is_touched() {
        let (_guard, dir) = temp();
        symlink("../precious", dir.join("state/file")).unwrap();
        symlink("../made", dir.join("state/new")).unwrap();
        symlink("../../precious", dir.join("state/logs/file")).unwrap();
        symlink("logs", dir.join("state/runs")).unwrap();
        fs::write(dir.join("state/logs/real"), "real").unwrap();
        for open in ALL {
            for name in [
                "state/file",
                "state/new",
                "state/logs/file",
                "state/runs/real",
            ] {
                let error = open(&dir.join(name)).unwrap_err();
                assert_eq!(remedy(&error), Some(REMEDY), "{name}: {error}");
            }
        }
        assert!(!dir.join("made").exists());
        assert_eq!(
            fs::read_to_string(dir.join("precious")).unwrap(),
            "precious"
        );
    }

    #[test]
    fn what_is_no_file_is_refused_without_waiting() {
        let (_guard, dir) = temp();
        let pipe = dir.join("state/pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, pipe.as_std_path(), kind, mode, 0).unwrap();
        for open in [private_append, private_reopen, private_read, private_update] {
            for path in [&pipe, &dir.join("state/logs")] {
                let error = open(path).unwrap_err();
                assert!(remedy(&error).is_some(), "{path}: {error}");
            }
        }
    }

    #[test]
    fn a_link_above_the_state_is_the_users_own_way() {
        let (_guard, dir) = temp();
        symlink(".", dir.join("way")).unwrap();
        private_append(&dir.join("way/state/logs/a")).unwrap();
        assert!(dir.join("state/logs/a").is_file());
    }
}
