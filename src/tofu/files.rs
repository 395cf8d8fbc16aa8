//! Copies and permissions of what tofu works with.

use std::fs;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};

use crate::base::if_there;
use crate::diag::StepError;

/// Makes `to` hold what `from` holds and nothing else, except top-level files
/// named in `keep` that `from` does not have. Links are followed; what tofu
/// makes for itself is not copied.
pub fn mirror(from: &Utf8Path, to: &Utf8Path, keep: &[&str]) -> Result<(), StepError> {
    let clear = || -> io::Result<()> {
        fs::create_dir_all(to)?;
        for entry in to.read_dir_utf8()? {
            let entry = entry?;
            if keep.contains(&entry.file_name()) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    clear().map_err(|error| StepError::io("empty", to, &error))?;
    copy(from, to).map_err(|error| StepError::io("copy", from, &error))
}

fn copy(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in from.read_dir_utf8()? {
        let entry = entry?;
        let name = entry.file_name();
        if name == ".terraform" || name.contains(".tfstate") || name.ends_with(".tfplan") {
            continue;
        }
        let target = to.join(name);
        if entry.path().is_dir() {
            copy(entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// For the owner alone.
pub fn private(path: &Utf8Path) -> Result<(), StepError> {
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|error| StepError::io("protect", path, &error))
}

/// An empty file for the owner alone, for a tool that writes it: tools that
/// make it themselves would make it readable for all.
pub fn reserve(path: &Utf8Path) -> Result<(), StepError> {
    remove(path)?;
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|error| StepError::io("write", path, &error))
}

/// Removes a file that may not be there.
pub fn remove(path: &Utf8Path) -> Result<(), StepError> {
    gone(path, fs::remove_file(path))
}

/// Removes a directory that may not be there.
pub fn remove_dir(path: &Utf8Path) -> Result<(), StepError> {
    gone(path, fs::remove_dir_all(path))
}

fn gone(path: &Utf8Path, removed: io::Result<()>) -> Result<(), StepError> {
    if_there(removed)
        .map(drop)
        .map_err(|error| StepError::io("remove", path, &error))
}

/// How deep below `.build` a plan may be: `tofu/MANIFEST/HOST/NODE/RUN.tfplan`.
const DEPTH: usize = 5;

/// Removes the plans that runs saved and never came to apply:
/// `.build/tofu/KEY/*.tfplan`, where a key has one part or three.
/// Only while no run can use them. What cannot be read is none.
///
/// # Errors
/// One cannot be removed.
pub fn remove_saved_plans(build: &Utf8Path) -> io::Result<()> {
    let mut level = vec![build.to_owned()];
    for _ in 0..DEPTH {
        let mut below = Vec::new();
        for dir in level {
            for entry in dir.read_dir_utf8().into_iter().flatten().flatten() {
                let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_dir && entry.file_name() != "module" {
                    below.push(entry.into_path());
                } else if entry.path().extension() == Some("tfplan") {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        level = below;
    }
    Ok(())
}

/// `PATH` with something added to its name.
pub fn beside(path: &Utf8Path, suffix: &str) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{path}{suffix}"))
}

/// A file that is removed when this goes, whatever happened.
#[derive(Debug)]
pub struct RemoveOnDrop(pub Utf8PathBuf);

impl RemoveOnDrop {
    /// It stays after all.
    pub fn keep(mut self) {
        self.0 = Utf8PathBuf::new();
    }
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        if self.0.as_str().is_empty() {
            return;
        }
        // Best effort: the next plan removes what is left.
        fs::remove_file(&self.0).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_holds_the_module_and_its_lock_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let (from, to) = (root.join("from"), root.join("to"));
        for (path, text) in [
            (from.join("main.tf"), "new"),
            (from.join("sub/x.tf"), "x"),
            (from.join(".terraform/big"), "no"),
            (from.join("terraform.tfstate"), "no"),
            (to.join("main.tf"), "old"),
            (to.join("gone.tf"), "old"),
            (to.join("old/y.tf"), "old"),
            (to.join(".terraform.lock.hcl"), "lock"),
        ] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let list = || {
            let mut names: Vec<String> = to
                .read_dir_utf8()
                .unwrap()
                .map(|e| e.unwrap().file_name().to_owned())
                .collect();
            names.sort();
            names
        };
        mirror(&from, &to, &[".terraform.lock.hcl"]).unwrap();
        assert_eq!(list(), [".terraform.lock.hcl", "main.tf", "sub"]);
        assert_eq!(fs::read_to_string(to.join("main.tf")).unwrap(), "new");
        // The checkout's own lock wins; without `keep` the old one goes.
        fs::write(from.join(".terraform.lock.hcl"), "theirs").unwrap();
        mirror(&from, &to, &[".terraform.lock.hcl"]).unwrap();
        assert_eq!(
            fs::read_to_string(to.join(".terraform.lock.hcl")).unwrap(),
            "theirs"
        );
        fs::remove_file(from.join(".terraform.lock.hcl")).unwrap();
        mirror(&from, &to, &[]).unwrap();
        assert_eq!(list(), ["main.tf", "sub"]);
    }

    #[test]
    fn a_reserved_file_is_private_and_gone_after_its_use() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("x.tfplan");
        fs::write(&path, "old").unwrap();
        reserve(&path).unwrap();
        let meta = path.metadata().unwrap();
        assert_eq!((meta.len(), meta.permissions().mode() & 0o777), (0, 0o600));
        drop(RemoveOnDrop(path.clone()));
        assert!(!path.exists());
        remove(&path).unwrap();
    }
}
