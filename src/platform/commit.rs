//! What was rendered takes the place of what was rendered before, whole.
//!
//! The new tree, its pipeline and its lock are written to `.render.new` and synced.
//! Renaming that to `.render.ready` decides: from then on they are the platform's,
//! and whoever comes next finishes what a killed `hl` began. `generated` itself is
//! exchanged in one step, so it is never a mixture either.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};
use rustix::io::Errno;

use super::disk::Tree;
use super::lock::{self, Lock};
use super::pipeline;
use super::render::Rendered;
use crate::base::if_there;
use crate::diag::{Exit, Failure};
use crate::lab::{Paths, create_dir};

const GENERATED: &str = "generated";
const NEW: &str = ".render.new";
const READY: &str = ".render.ready";

/// `platform/generated`
pub(super) fn generated(paths: &Paths) -> Utf8PathBuf {
    paths.platform().join(GENERATED)
}

/// Whether a `hl` was killed while it wrote.
pub fn is_torn(paths: &Paths) -> bool {
    let platform = paths.platform();
    [NEW, READY].iter().any(|name| platform.join(name).exists())
}

/// Finishes or forgets what a killed `hl` began. The caller holds the lab.
///
/// # Errors
/// It cannot be written (73).
pub fn settle(paths: &Paths) -> Result<(), Failure> {
    let platform = paths.platform();
    let settled = if_there(fs::remove_dir_all(platform.join(NEW))).and_then(|_| {
        if platform.join(READY).exists() {
            let ready = platform.join(READY);
            let is_new = is_still_new(&ready, &ready.join(GENERATED))?;
            put_in_place(paths, is_new)?;
        }
        Ok(())
    });
    settled.map_err(|error| cannot(paths, &error))
}

/// Writes what was rendered. The caller holds the lab, and has settled.
///
/// # Errors
/// It cannot be written (73); then all is as it was.
pub fn commit(paths: &Paths, rendered: &Rendered) -> Result<(), Failure> {
    let platform = paths.platform();
    create_dir(&platform)?;
    let (pipeline, lock) = (rendered.pipeline.text()?, rendered.lock.text()?);
    let new = platform.join(NEW);
    let written = write_tree(&new.join(GENERATED), rendered).and_then(|()| {
        fs::write(new.join(pipeline::FILE), pipeline)?;
        fs::write(new.join(lock::FILE), lock)?;
        // One call for all of them: a file each would take as long as a disk turns.
        syncfs(File::open(&new)?)?;
        fs::rename(&new, platform.join(READY))?;
        File::open(&platform)?.sync_all()
    });
    if let Err(error) = written {
        if_there(fs::remove_dir_all(&new)).ok();
        return Err(cannot(paths, &error));
    }
    put_in_place(paths, true).map_err(|error| cannot(paths, &error))
}

fn write_tree(dir: &Utf8Path, rendered: &Rendered) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let mut last = Utf8PathBuf::new();
    for (path, file) in &rendered.files {
        let target = dir.join(path);
        if let Some(above) = target.parent().filter(|above| **above != last) {
            fs::create_dir_all(above)?;
            above.clone_into(&mut last);
        }
        fs::write(&target, &file.data)?;
        fs::set_permissions(&target, fs::Permissions::from_mode(file.mode))?;
    }
    Ok(())
}

/// Puts what is ready in its places. Each part may have been done before; `is_new`:
/// the tree that is ready is not yet the platform's.
fn put_in_place(paths: &Paths, is_new: bool) -> io::Result<()> {
    let platform = paths.platform();
    let ready = platform.join(READY);
    if is_new {
        exchange(&ready.join(GENERATED), &platform.join(GENERATED))?;
    }
    // The lock is the last: while it is there, the exchange can be judged.
    for name in [pipeline::FILE, lock::FILE] {
        if_there(fs::rename(ready.join(name), platform.join(name)))?;
    }
    File::open(&platform)?.sync_all()?;
    fs::remove_dir_all(&ready)
}

/// Whether the tree that is ready is the new one, and not the one of before.
fn is_still_new(ready: &Utf8Path, tree: &Utf8Path) -> io::Result<bool> {
    let Some(text) = if_there(fs::read_to_string(ready.join(lock::FILE)))? else {
        return Ok(false);
    };
    let lock: Lock = serde_json::from_str(&text).map_err(io::Error::other)?;
    let tree = Tree::read(tree, tree).map_err(io::Error::other)?;
    Ok(tree.digest() == lock.artifacts_hash)
}

/// Two directories change places in one step; where there is only one, it moves.
fn exchange(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    let (from, to) = (from.as_std_path(), to.as_std_path());
    match renameat_with(CWD, from, CWD, to, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        Err(Errno::NOENT) => fs::rename(from, to),
        // A file system without it: what is ready stays until all is done, so a kill
        // in between is finished by the next command.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            if_there(fs::remove_dir_all(to))?;
            fs::rename(from, to)
        }
        Err(error) => Err(error.into()),
    }
}

fn cannot(paths: &Paths, error: &io::Error) -> Failure {
    let shown = paths.show(&paths.platform());
    let message = format!("cannot write what was rendered to `{shown}`: {error}");
    Failure::message(Exit::CannotWrite, message).help("make it writable for this user")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{platform_of, rendered};
    use super::*;

    /// Every state in which a kill can leave the directory is finished or forgotten.
    #[test]
    fn what_was_begun_is_finished_or_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        let (old, new) = (rendered("one"), rendered("two"));
        let text = |paths: &Paths| platform_of(paths);
        commit(&paths, &old).unwrap();
        let before = text(&paths);
        // Killed while it wrote: the old one.
        write_tree(&paths.platform().join(NEW).join(GENERATED), &new).unwrap();
        assert!(is_torn(&paths));
        settle(&paths).unwrap();
        assert_eq!(text(&paths), before);
        // Killed when it was decided, and after each part of what follows: the new one.
        for done in 0..4 {
            commit(&paths, &old).unwrap();
            let ready = paths.platform().join(READY);
            write_tree(&ready.join(GENERATED), &new).unwrap();
            fs::write(ready.join(pipeline::FILE), new.pipeline.text().unwrap()).unwrap();
            fs::write(ready.join(lock::FILE), new.lock.text().unwrap()).unwrap();
            if done > 0 {
                exchange(&ready.join(GENERATED), &generated(&paths)).unwrap();
            }
            for name in [pipeline::FILE, lock::FILE].iter().take(done.max(1) - 1) {
                fs::rename(ready.join(name), paths.platform().join(name)).unwrap();
            }
            settle(&paths).unwrap();
            assert!(!is_torn(&paths));
            let after = text(&paths);
            commit(&paths, &new).unwrap();
            assert_eq!(after, text(&paths), "{done}");
        }
    }
}
