//! Moves what is there to `state/legacy/`, and never over anything.

use std::fs;
use std::fs::{File, Permissions};
use std::io;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Where a file will be: its own name, or with a number where that is taken. A
/// file of the same content counts as free: the move was cut off behind the copy.
/// `taken` are names that are promised to others.
pub(super) fn target(dir: &Utf8Path, path: &Utf8Path, taken: &[Utf8PathBuf]) -> Utf8PathBuf {
    let name = path.file_name().unwrap_or("unnamed");
    let (stem, end) = name.rsplit_once('.').unwrap_or((name, ""));
    let mut target = dir.join(name);
    let mut number = 2_u32;
    while taken.contains(&target) || (is_there(&target) && !same(path, &target)) {
        target = dir.join(format!("{stem}-{number}.{end}"));
        number += 1;
    }
    target
}

/// Moves `path` to `target`, which is for its owner alone then (0600). The
/// directory of `target` exists. A link to a file becomes the file's content,
/// and what it led to stays; other links are moved as they are.
pub(super) fn relocate(path: &Utf8Path, target: &Utf8Path) -> io::Result<()> {
    let link = fs::symlink_metadata(path)?.is_symlink();
    let copied = link && fs::metadata(path).is_ok_and(|meta| meta.is_file());
    if is_there(target) && same(path, target) {
        fs::remove_file(path)?;
    } else if copied {
        copy(path, target)?;
    } else {
        match rename(path, target) {
            Err(error) if error.kind() == ErrorKind::CrossesDevices && !link => {
                copy(path, target)?;
            }
            other => other?,
        }
    }
    if fs::symlink_metadata(target)?.is_file() {
        fs::set_permissions(target, Permissions::from_mode(0o600))?;
    }
    for dir in [path.parent(), target.parent()].into_iter().flatten() {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// In one step, over nothing. Where a file system cannot promise the latter,
/// the lab's lock does.
fn rename(path: &Utf8Path, target: &Utf8Path) -> io::Result<()> {
    let (from, to) = (path.as_std_path(), target.as_std_path());
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !is_there(target) => {
            fs::rename(path, target)
        }
        other => Ok(other?),
    }
}

/// The content first, whole and on the disk; then the old name goes.
fn copy(path: &Utf8Path, target: &Utf8Path) -> io::Result<()> {
    let mut from = File::open(path)?;
    if !from.metadata()?.is_file() {
        return Err(io::Error::other(
            "it is no file, and another disk is behind it",
        ));
    }
    let dir = target.parent().unwrap_or(Utf8Path::new("."));
    // 0600 from the start.
    let mut temp = tempfile::Builder::new()
        .prefix(".hl-")
        .suffix(".tmp")
        .tempfile_in(dir)?;
    io::copy(&mut from, &mut temp)?;
    temp.as_file().sync_all()?;
    temp.persist_noclobber(target)
        .map_err(|error| error.error)?;
    File::open(dir)?.sync_all()?;
    fs::remove_file(path)
}

fn is_there(path: &Utf8Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Two files with the same bytes.
fn same(a: &Utf8Path, b: &Utf8Path) -> bool {
    let size = |path: &Utf8Path| {
        fs::metadata(path)
            .ok()
            .filter(fs::Metadata::is_file)
            .map(|m| m.len())
    };
    let own = fs::symlink_metadata(b).is_ok_and(|meta| meta.is_file());
    own && size(a).is_some()
        && size(a) == size(b)
        && matches!((fs::read(a), fs::read(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct World {
        _guard: tempfile::TempDir,
        dir: Utf8PathBuf,
        to: Utf8PathBuf,
    }

    impl World {
        fn new() -> Self {
            let guard = tempfile::tempdir().unwrap();
            let dir = Utf8Path::from_path(guard.path()).unwrap().to_owned();
            let to = dir.join("legacy");
            fs::create_dir(&to).unwrap();
            Self {
                _guard: guard,
                dir,
                to,
            }
        }

        fn moved(&self, name: &str) -> Utf8PathBuf {
            let path = self.dir.join(name);
            let target = target(&self.to, &path, &[]);
            relocate(&path, &target).unwrap();
            assert!(!is_there(&path));
            target
        }
    }

    #[test]
    fn nothing_is_written_over_and_the_mode_is_exact() {
        let world = World::new();
        for text in ["one", "two", "three"] {
            fs::write(world.dir.join("a.yaml"), text).unwrap();
            world.moved("a.yaml");
        }
        for (name, text) in [
            ("a.yaml", "one"),
            ("a-2.yaml", "two"),
            ("a-3.yaml", "three"),
        ] {
            assert_eq!(fs::read_to_string(world.to.join(name)).unwrap(), text);
            let mode = fs::metadata(world.to.join(name)).unwrap().permissions();
            assert_eq!(mode.mode() & 0o777, 0o600);
        }
        // Cut off between the copy and the removal.
        fs::write(world.dir.join("a.yaml"), "one").unwrap();
        assert_eq!(world.moved("a.yaml"), world.to.join("a.yaml"));
        assert_eq!(fs::read_dir(&world.to).unwrap().count(), 3);
    }

    #[test]
    fn a_copy_is_whole_and_the_old_name_goes() {
        let world = World::new();
        let path = world.dir.join("a.yaml");
        fs::write(&path, "text").unwrap();
        copy(&path, &world.to.join("a.yaml")).unwrap();
        assert!(!path.exists());
        fs::write(&path, "other").unwrap();
        assert!(copy(&path, &world.to.join("a.yaml")).is_err());
        assert_eq!(fs::read_to_string(world.to.join("a.yaml")).unwrap(), "text");
        assert_eq!(fs::read_to_string(&path).unwrap(), "other");
        assert!(copy(&world.to, &world.dir.join("dir")).is_err());
    }

    #[test]
    fn links_and_directories_go_and_what_they_led_to_stays() {
        let world = World::new();
        fs::write(world.dir.join("real"), "text").unwrap();
        symlink("real", world.dir.join("link.yaml")).unwrap();
        symlink("nowhere", world.dir.join("lost.yaml")).unwrap();
        fs::create_dir(world.dir.join("dir.yaml")).unwrap();
        fs::write(world.dir.join("dir.yaml/x"), "inside").unwrap();
        let copied = world.moved("link.yaml");
        assert!(!copied.is_symlink());
        assert_eq!(fs::read_to_string(copied).unwrap(), "text");
        assert_eq!(fs::read_to_string(world.dir.join("real")).unwrap(), "text");
        assert!(world.moved("lost.yaml").is_symlink());
        let inside = world.moved("dir.yaml").join("x");
        assert_eq!(fs::read_to_string(inside).unwrap(), "inside");
    }
}
