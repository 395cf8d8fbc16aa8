//! Disks of guests: a volume is a directory.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{agent_package, container, skeleton};
use hl_sim::ContainerSystem;

/// What a disk holds: the changes to `/usr`, and these directories of the root.
pub(super) const PARTS: [&str; 7] = ["usr-upper", "etc", "home", "root", "var", "srv", "opt"];
/// In a disk that has a system on it: the image it was made from.
const SYSTEM: &str = "system";

/// End of the name of a disk that is being made.
const UNFINISHED: &str = "new";

/// The disks under one directory.
#[derive(Debug, Clone)]
pub(super) struct Disks {
    dir: PathBuf,
    apt_repo: Option<PathBuf>,
}

impl Disks {
    /// Disks in `dir`; new systems use `apt_repo`.
    pub(super) fn new(dir: PathBuf, apt_repo: Option<PathBuf>) -> Self {
        Self { dir, apt_repo }
    }

    /// Removes what a copy that was cut off left.
    pub(super) fn sweep(&self) -> Result<(), String> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_some_and(|end| end == UNFINISHED) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// The directory of a volume such as `local-lvm:vm-110-disk-0` or
    /// `local:110/vm-110-disk-0.qcow2`.
    pub(super) fn path(&self, volume: &str) -> PathBuf {
        let name = volume.chars().fold(String::new(), |mut out, c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || (c == '.' && !out.is_empty())
            {
                out.push(c);
            } else {
                write!(out, "%{:x}", u32::from(c)).ok();
            }
            out
        });
        self.dir.join(name)
    }

    /// The files on a volume that has no system, which a container has at a mount point.
    pub(super) fn files(&self, volume: &str) -> PathBuf {
        self.path(volume).join("srv")
    }

    /// Whether there is a system on it.
    pub(super) fn bootable(&self, volume: &str) -> bool {
        self.path(volume).join(SYSTEM).exists()
    }

    /// Makes a disk: empty, or with a system.
    pub(super) fn create(&self, volume: &str, image: Option<&str>) -> Result<(), String> {
        self.create_with(volume, image, |_| Ok(()))
    }

    /// The same, and `more` adds to the system before anybody has used it: later, what
    /// is on a disk is its guest's, and no file of it may be trusted.
    pub(super) fn create_with(
        &self,
        volume: &str,
        image: Option<&str>,
        more: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Result<(), String> {
        let path = self.path(volume);
        let fresh = self.fresh(&path)?;
        for part in PARTS {
            let dir = fresh.join(part);
            fs::create_dir(&dir).map_err(|e| cannot("create", &dir, &e))?;
        }
        if let Some(image) = image {
            skeleton::build(&fresh, self.apt_repo.as_deref())?;
            more(&fresh)?;
            fs::write(fresh.join(SYSTEM), image).map_err(|e| cannot("write", &fresh, &e))?;
        }
        fs::rename(&fresh, &path).map_err(|e| cannot("create", &path, &e))
    }

    /// Installs the guest agent on a disk with a system.
    pub(super) fn install_agent(&self, volume: &str) -> Result<(), String> {
        agent_package::install(&self.path(volume), self.apt_repo.as_deref())
    }

    /// Puts the system of a new container on an empty disk.
    pub(super) fn unpack(&self, volume: &str, system: &ContainerSystem) -> Result<(), String> {
        let path = self.path(volume);
        container::unpack(&path, system, self.apt_repo.as_deref())?;
        let mark = path.join(SYSTEM);
        fs::write(&mark, &system.template).map_err(|e| cannot("write", &mark, &e))
    }

    /// Copies a disk.
    pub(super) fn clone(&self, from: &str, to: &str) -> Result<(), String> {
        let source = self.path(from);
        if !source.is_dir() {
            return Err(format!("volume '{from}' does not exist"));
        }
        let target = self.path(to);
        let fresh = self.fresh(&target)?;
        let mut copy = Command::new("cp");
        copy.args(["-a", "--reflink=auto", "--"]);
        for name in PARTS.iter().chain(&[SYSTEM]) {
            let path = source.join(name);
            if path.exists() {
                copy.arg(path);
            }
        }
        let output = copy
            .arg(&fresh)
            .output()
            .map_err(|e| format!("cannot run `cp`: {e}"))?;
        if !output.status.success() {
            remove(&fresh)?;
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(format!(
                "copying '{from}' failed: {}",
                text.lines().last().unwrap_or_default()
            ));
        }
        fs::rename(&fresh, &target).map_err(|e| cannot("create", &target, &e))
    }

    /// An empty directory beside `path` that becomes it when it is complete.
    fn fresh(&self, path: &Path) -> Result<PathBuf, String> {
        fs::create_dir_all(&self.dir).map_err(|e| cannot("create", &self.dir, &e))?;
        if path.exists() {
            return Err(format!("`{}` exists already", path.display()));
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".");
        name.push(UNFINISHED);
        let fresh = path.with_file_name(name);
        remove(&fresh)?;
        fs::create_dir(&fresh).map_err(|e| cannot("create", &fresh, &e))?;
        Ok(fresh)
    }

    /// Gives a disk another name.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), String> {
        let (source, target) = (self.path(from), self.path(to));
        if target.exists() {
            return Err(format!("volume '{to}' exists already"));
        }
        fs::rename(&source, target).map_err(|e| cannot("rename", &source, &e))
    }

    /// Removes a disk; one that does not exist is fine.
    pub(super) fn remove(&self, volume: &str) -> Result<(), String> {
        remove(&self.path(volume))
    }
}

/// Whether disks in this directory can be laid over `/usr`: its file system must
/// be able to hold an overlay's upper directory (another overlay cannot, which is
/// what the root of a container often is).
///
/// # Errors
/// What the kernel said.
pub fn overlay_works(dir: &Path) -> Result<(), String> {
    let probe = tempfile::tempdir_in(dir).map_err(|e| cannot("write to", dir, &e))?;
    let script = "mkdir upper work top && mount -t overlay overlay \
                  -o lowerdir=/usr,upperdir=upper,workdir=work,index=off,metacopy=off top";
    let output = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "--",
            "sh",
            "-ec",
            script,
        ])
        .current_dir(probe.path())
        .output()
        .map_err(|e| format!("cannot run `unshare`: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "`{}` cannot hold the disks of guests (ext4, xfs and btrfs can): {}",
        dir.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {verb} `{}`: {error}", path.display())
}

/// Removes a tree.
fn remove(path: &Path) -> Result<(), String> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(cannot("remove", path, &error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_become_one_directory_each() {
        let disks = Disks::new(PathBuf::from("/d"), None);
        assert_eq!(
            disks.path("local-lvm:vm-1-disk-0"),
            Path::new("/d/local-lvm%3avm-1-disk-0")
        );
        assert_eq!(
            disks.path("local:1/vm-1-disk-0.qcow2"),
            Path::new("/d/local%3a1%2fvm-1-disk-0.qcow2")
        );
        assert_eq!(disks.path("../x"), Path::new("/d/%2e.%2fx"));
    }

    #[test]
    fn an_empty_disk_is_copied_renamed_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let disks = Disks::new(dir.path().to_owned(), None);
        disks.create("s:a", None).unwrap();
        assert!(disks.create("s:a", None).is_err());
        assert!(!disks.bootable("s:a"));
        fs::write(disks.path("s:a").join("etc/x"), "y").unwrap();
        disks.clone("s:a", "s:b").unwrap();
        disks.rename("s:b", "s:c").unwrap();
        assert_eq!(fs::read(disks.path("s:c").join("etc/x")).unwrap(), b"y");
        disks.remove("s:c").unwrap();
        disks.remove("s:c").unwrap();
        assert!(disks.clone("s:c", "s:d").is_err());
        fs::create_dir_all(dir.path().join("s%3ad.new/etc")).unwrap();
        disks.sweep().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
