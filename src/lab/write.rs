//! Files that are whole or not there: written beside, synced, renamed.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use camino::Utf8Path;

use crate::base::{no_links, remedy};
use crate::diag::{Exit, Failure, say};

/// Directories that hold what only the owner may read, wherever they are in a path.
const PRIVATE: &[&str] = &["state", ".states"];

/// Replaces the file at `path` (or makes it) with `contents` and `mode`, in one
/// step: a reader sees the old file or the new one, and so does the next start
/// after a power cut. Missing directories are made as by [`create_dir`].
///
/// # Errors
/// The path cannot be written (73).
pub fn write(path: &Utf8Path, contents: impl AsRef<[u8]>, mode: u32) -> Result<(), Failure> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_str().is_empty() => dir,
        _ => Utf8Path::new("."),
    };
    create_dir(dir)?;
    if is_device(dir, path) {
        return Err(Failure::message(
            Exit::CannotWrite,
            format!("`{path}` is not a file that can be replaced"),
        )
        .help("name a file of your own"));
    }
    replace(dir, path, contents.as_ref(), mode).map_err(|error| cannot("write", path, &error))
}

/// What a rename must not take the place of: devices, pipes and sockets, and
/// all that the system keeps in `/dev` and `/proc` (`/dev/stdout` is a link).
fn is_device(dir: &Utf8Path, path: &Utf8Path) -> bool {
    let special = fs::symlink_metadata(path).is_ok_and(|meta| {
        let kind = meta.file_type();
        !(kind.is_file() || kind.is_symlink() || kind.is_dir())
    });
    let systems =
        fs::canonicalize(dir).is_ok_and(|dir| dir == Path::new("/dev") || dir.starts_with("/proc"));
    special || systems
}

fn replace(dir: &Utf8Path, path: &Utf8Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let mut temp = tempfile::Builder::new()
        .prefix(".hl-")
        .suffix(".tmp")
        .tempfile_in(dir)?;
    temp.write_all(contents)?;
    let file = temp.as_file();
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()?;
    temp.persist(path).map_err(|error| error.error)?;
    // The rename itself is in the directory.
    File::open(dir)?.sync_all()
}

/// Makes a directory and those above it that are missing: `state`, `.states`
/// and what is in them for the owner alone (0700), others as the umask says.
///
/// # Errors
/// It cannot be made (73).
pub fn create_dir(dir: &Utf8Path) -> Result<(), Failure> {
    no_links(dir).map_err(|error| cannot("write in", dir, &error))?;
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(above) = dir.parent().filter(|above| !above.as_str().is_empty()) {
        create_dir(above)?;
    }
    let private = dir
        .components()
        .any(|component| PRIVATE.contains(&component.as_str()));
    let made = DirBuilder::new()
        .mode(if private { 0o700 } else { 0o777 })
        .create(dir);
    match made {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        other => other.map_err(|error| cannot("make directory", dir, &error)),
    }
}

fn cannot(what: &str, path: &Utf8Path, error: &io::Error) -> Failure {
    let failure = Failure::message(
        Exit::CannotWrite,
        format!("cannot {what} `{path}`: {}", reason(error)),
    );
    let kind = error.kind();
    if let Some(remedy) = remedy(error) {
        failure.help(remedy)
    } else if matches!(
        kind,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    ) {
        failure.help(
            say("free some space; ")
                .hl("clean --dry-run")
                .say(" lists what can go"),
        )
    } else if kind == io::ErrorKind::PermissionDenied {
        failure.help("make it writable for this user; was `hl` run with sudo before?")
    } else {
        failure
    }
}

/// The system's own words, without the number and in lower case.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

/// The permission bits of a file, nothing when it is not there.
pub(super) fn mode(path: &Utf8Path) -> Option<u32> {
    fs::metadata(path)
        .ok()
        .map(|meta| meta.permissions().mode() & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8PathBuf;

    fn temp() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        (dir, path)
    }

    #[test]
    fn directories_of_state_are_private_and_the_mode_is_exact() {
        let (_guard, dir) = temp();
        let file = dir.join("state/runs/latest.env");
        write(&file, "A=1\n", 0o600).unwrap();
        write(&dir.join("reports/x.md"), "# x\n", 0o644).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "A=1\n");
        assert_eq!(mode(&file), Some(0o600));
        assert_eq!(mode(&dir.join("state")), Some(0o700));
        assert_eq!(mode(&dir.join("state/runs")), Some(0o700));
        assert_eq!(mode(&dir.join("reports/x.md")), Some(0o644));
    }

    #[test]
    fn a_replaced_file_gets_the_new_mode_and_leaves_nothing_behind() {
        let (_guard, dir) = temp();
        let file = dir.join("a");
        fs::write(&file, "old and longer").unwrap();
        write(&file, "new", 0o600).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(mode(&file), Some(0o600));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_replaced_and_its_target_kept() {
        let (_guard, dir) = temp();
        fs::write(dir.join("target"), "kept").unwrap();
        std::os::unix::fs::symlink("target", dir.join("link")).unwrap();
        write(&dir.join("link"), "new", 0o644).unwrap();
        assert_eq!(fs::read_to_string(dir.join("target")).unwrap(), "kept");
        assert!(!dir.join("link").is_symlink());
    }

    #[test]
    fn what_cannot_be_written_is_named_and_the_exit_is_73() {
        let (_guard, dir) = temp();
        fs::write(dir.join("file"), "").unwrap();
        let failure = write(&dir.join("file/below"), "", 0o600).unwrap_err();
        assert_eq!(failure.exit, Exit::CannotWrite);
        assert!(failure.to_string().contains("file"), "{failure}");
        // A directory in the way: the rename fails, the temporary file goes.
        fs::create_dir(dir.join("dir")).unwrap();
        fs::write(dir.join("dir/x"), "").unwrap();
        let failure = write(&dir.join("dir"), "", 0o600).unwrap_err();
        assert_eq!(failure.exit, Exit::CannotWrite);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
    }

    /// Asked of names that do not matter, should it go wrong.
    #[test]
    fn what_is_no_file_is_never_replaced() {
        let (_guard, dir) = temp();
        let socket = dir.join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let failure = write(&socket, "x", 0o600).unwrap_err();
        assert_eq!(failure.exit, Exit::CannotWrite);
        assert!(!socket.metadata().unwrap().is_file());
        assert!(is_device(
            Utf8Path::new("/dev"),
            Utf8Path::new("/dev/hl-test")
        ));
        assert!(is_device(
            Utf8Path::new("/dev/fd"),
            Utf8Path::new("/dev/fd/1")
        ));
        assert!(!is_device(
            Utf8Path::new("/dev/shm"),
            Utf8Path::new("/dev/shm/x")
        ));
    }

    #[test]
    fn a_full_disk_is_named_with_a_remedy() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let failure = cannot("write", Utf8Path::new("state/runtime.yaml"), &full);
        assert_eq!(failure.exit, Exit::CannotWrite);
        assert!(failure.to_string().contains("state/runtime.yaml"));
        assert!(failure.diagnostics[0].help[0].contains("hl clean"));
    }
}
