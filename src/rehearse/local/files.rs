//! The file system that local steps see: this machine's, read-only, with the lab's
//! `state/rehearsal`, and private temporary and home directories that are gone at
//! the end. Devices are new, and no socket of this machine is there.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, StatVfsMountFlags};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};

use crate::action::clean::Mounts;
use crate::rehearse::mounts::{bind, devices, file_system, harden_proc, make_dir, read_only};

/// Directories whose content stays hidden, homes beside them.
pub(super) const HIDDEN: [&str; 6] = ["/home", "/root", "/run", "/tmp", "/var/run", "/var/tmp"];
/// Where everybody may write.
const OPEN: [&str; 2] = ["/tmp", "/var/tmp"];
/// What is mounted anew, and may be written as far as it goes.
const KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];
/// Where it is made: nothing is shown of what is there.
const MOUNT_POINT: &str = "/sys";
/// An empty file, to cover others with.
const NOTHING: &str = "run/hl-nothing";

/// What the file system is made of.
#[derive(Debug)]
pub(super) struct Files<'a> {
    /// Root of the lab.
    pub(super) lab: &'a Path,
    /// `state/rehearsal`
    pub(super) out: &'a Path,
    /// Homes of the user, the last of which can be a home here.
    pub(super) homes: &'a [PathBuf],
    /// What is seen although it is in a hidden directory.
    pub(super) shown: &'a [PathBuf],
    /// Sockets of this machine.
    pub(super) sockets: &'a [PathBuf],
    /// Where runs of this machine are spoken to.
    pub(super) private: Option<&'a Path>,
}

/// Makes it and moves into it, in new mount and process namespaces; gives the home.
pub(super) fn make(files: &Files<'_>) -> Result<PathBuf, String> {
    let real = |path: &Path| {
        path.canonicalize()
            .map_err(|e| format!("cannot find `{}`: {e}", path.display()))
    };
    let (lab, out) = (real(files.lab)?, real(files.out)?);
    let root = PathBuf::from(MOUNT_POINT);
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|e| format!("cannot make mounts private: {e}"))?;
    mount_bind_recursive("/", &root).map_err(|e| format!("cannot show `/`: {e}"))?;
    for point in mount_points()?.iter().filter(|p| p.starts_with(&root)) {
        lock(point);
    }
    let tree = Tree {
        hidden: hidden(files.homes, &lab),
        root,
    };
    tree.hide()?;
    for home in files.homes {
        tree.home(home)?;
    }
    let mut shown: Vec<&Path> = files.shown.iter().map(PathBuf::as_path).collect();
    shown.extend([
        files.lab,
        Path::new("/etc/resolv.conf"),
        Path::new("/etc/hosts"),
    ]);
    shown.sort_unstable();
    for path in shown {
        tree.show(path)?;
    }
    tree.writable(&out)?;
    tree.world(&out.join("world"))?;
    if let Some(private) = files.private {
        tree.cover(private)?;
    }
    tree.kernel()?;
    tree.enter()?;
    for socket in files.sockets.iter().filter(|socket| is_socket(socket)) {
        bind(&Path::new("/").join(NOTHING), socket)?;
        read_only(socket, MountFlags::NOSUID | MountFlags::NODEV)?;
    }
    prove(&tree.hidden, &out)?;
    let inside = |home: &Path| [files.lab, &lab].iter().any(|lab| home.starts_with(lab));
    let mut homes = files.homes.iter();
    let home = homes.find(|home| tree.hides(home) && !inside(home));
    home.cloned().ok_or_else(|| "there is no home".to_owned())
}

/// The hidden directories that are there. A home that is the lab, or holds more
/// than what is a user's, is not hidden: then it is not the home in there either.
fn hidden(homes: &[PathBuf], lab: &Path) -> Vec<PathBuf> {
    let homes = homes.iter().filter_map(|home| home.canonicalize().ok());
    let homes = homes.filter(|home| {
        let holds = |path: &str| Path::new(path).starts_with(home);
        !home.starts_with(lab) && !["/usr", "/etc", "/var/lib"].iter().any(|path| holds(path))
    });
    let usual = HIDDEN
        .iter()
        .filter_map(|dir| Path::new(dir).canonicalize().ok());
    let mut all: Vec<PathBuf> = usual.chain(homes).filter(|dir| dir.is_dir()).collect();
    all.sort_unstable();
    all.dedup_by(|below, above| below.starts_with(&*above));
    all
}

/// The new root while it is made.
struct Tree {
    root: PathBuf,
    hidden: Vec<PathBuf>,
}

impl Tree {
    /// Where an absolute path is in the new root.
    fn at(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn hides(&self, path: &Path) -> bool {
        self.hidden.iter().any(|dir| path.starts_with(dir))
    }

    fn hide(&self) -> Result<(), String> {
        for dir in &self.hidden {
            let open = OPEN.iter().any(|open| dir == Path::new(open));
            let mode = if open { "mode=1777" } else { "mode=0755" };
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            file_system("tmpfs", &self.at(dir), flags, Some(mode))?;
        }
        let lock = self.at(Path::new("/run/lock"));
        if self.hides(Path::new("/run/lock")) {
            make_dir(&lock, 0o1777)?;
        }
        Ok(())
    }

    fn home(&self, home: &Path) -> Result<(), String> {
        if self.hides(home) {
            make_dir(&self.at(home), 0o700)?;
        }
        Ok(())
    }

    /// Shows a path that is hidden, read-only; a link with what it leads to.
    fn show(&self, path: &Path) -> Result<(), String> {
        let Ok(real) = path.canonicalize() else {
            return Ok(());
        };
        let above = path.parent().and_then(|above| above.canonicalize().ok());
        let place = above.and_then(|above| Some(above.join(path.file_name()?)));
        if let Some(place) = place.filter(|place| *place != real && self.hides(place)) {
            let link = self.at(&place);
            if link.symlink_metadata().is_err() {
                if let Some(above) = link.parent() {
                    make_missing(above)?;
                }
                symlink(&real, &link).map_err(|e| cannot("make", &link, &e))?;
            }
        }
        // What holds a hidden directory would show all of it.
        let whole = self.hidden.iter().any(|dir| dir.starts_with(&real));
        let target = self.at(&real);
        if whole || !self.hides(&real) || target.exists() && !is_empty(&target) {
            return Ok(());
        }
        if real.is_dir() {
            make_missing(&target)?;
        } else {
            if let Some(above) = target.parent() {
                make_missing(above)?;
            }
            fs::write(&target, "").map_err(|e| cannot("make", &target, &e))?;
        }
        mount_bind_recursive(&real, &target)
            .map_err(|e| format!("cannot show `{}`: {e}", real.display()))?;
        for point in mount_points()?.iter().filter(|p| p.starts_with(&target)) {
            lock(point);
        }
        Ok(())
    }

    /// What a rehearsal may write.
    fn writable(&self, out: &Path) -> Result<(), String> {
        let target = self.at(out);
        if self.hides(out) {
            make_missing(&target)?;
        }
        bind(out, &target)?;
        let flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
        mount_remount(&target, flags, c"")
            .map_err(|e| format!("cannot make `{}` writable: {e}", out.display()))
    }

    /// The simulated node is not for steps: what its holder writes there, it writes
    /// as root of this machine. They need its certificate.
    fn world(&self, world: &Path) -> Result<(), String> {
        let target = self.at(world);
        let ca = fs::read(world.join("ca.pem")).map_err(|e| cannot("read", world, &e))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        file_system("tmpfs", &target, flags, Some("mode=0755,size=1m"))?;
        fs::write(target.join("ca.pem"), ca).map_err(|e| cannot("write", &target, &e))?;
        read_only(&target, flags)?;
        // Nor is it for them to say who has the lock.
        let lock = target.with_file_name("lock");
        bind(&lock, &lock)?;
        read_only(&lock, flags)
    }

    /// Hides a directory wherever it lies, also in what is shown.
    fn cover(&self, dir: &Path) -> Result<(), String> {
        let real = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let target = self.at(&real);
        if !target.is_dir() {
            return Ok(());
        }
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        file_system("tmpfs", &target, flags, Some("mode=0700,size=64k"))?;
        read_only(&target, flags)
    }

    fn kernel(&self) -> Result<(), String> {
        let proc = self.at(Path::new("/proc"));
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        file_system("proc", &proc, flags, None)?;
        harden_proc(&self.root, &self.root.join(NOTHING))?;
        devices(&self.root)
    }

    /// Makes it the root; the old one is gone.
    fn enter(&self) -> Result<(), String> {
        let open = |path: &Path| {
            let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::empty())
        };
        let moved = || -> io::Result<()> {
            let old = open(Path::new("/"))?;
            let new = open(&self.root)?;
            rustix::process::fchdir(&new)?;
            // The old root is mounted over the new one, where it can be taken away.
            rustix::process::pivot_root(".", ".")?;
            rustix::process::fchdir(&old)?;
            unmount(".", UnmountFlags::DETACH)?;
            std::env::set_current_dir("/")
        };
        moved().map_err(|e| format!("cannot leave this machine's file system: {e}"))
    }
}

/// Nothing but what is ours can be written, wherever it is mounted.
fn prove(hidden: &[PathBuf], out: &Path) -> Result<(), String> {
    // Mounts that a hidden directory covers are still in the list. Where the lab is
    // on one of them, a directory of the private file system stands at its path.
    let hides = |dir: &PathBuf, point: &Path| {
        point.starts_with(dir) && device(point).is_some_and(|it| device(dir) == Some(it))
    };
    let ours = |point: &Path| {
        hidden.iter().any(|dir| hides(dir, point))
            || point == out
            || KERNEL.iter().any(|top| point.starts_with(top))
    };
    for point in mount_points()?.iter().filter(|point| !ours(point)) {
        let flags = rustix::fs::statvfs(point).map(|stat| stat.f_flag);
        if flags.is_ok_and(|flags| !flags.contains(StatVfsMountFlags::RDONLY)) {
            return Err(format!("`{}` could be written", point.display()));
        }
    }
    Ok(())
}

fn device(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|meta| meta.dev())
}

/// Makes a mount read-only and keeps its other flags. What cannot be reached, and
/// so cannot be changed, is under another mount; [`prove`] looks at the outcome.
fn lock(point: &Path) {
    let Ok(stat) = rustix::fs::statvfs(point) else {
        return;
    };
    let mut flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NODEV;
    for (set, flag) in [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ] {
        if stat.f_flag.contains(set) {
            flags |= flag;
        }
    }
    mount_remount(point, flags, c"").ok();
}

/// All mount points, in the order in which they were made.
fn mount_points() -> Result<Vec<PathBuf>, String> {
    let mounts = Mounts::read().map_err(|e| format!("cannot tell what is mounted: {e}"))?;
    Ok(mounts.all().to_vec())
}

/// Makes the directories that are missing; what is there may be read-only.
fn make_missing(dir: &Path) -> Result<(), String> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).map_err(|e| cannot("make", dir, &e))
}

fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

fn is_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {verb} `{}`: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_that_is_the_lab_or_the_whole_machine_is_not_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let lab = dir.path().canonicalize().unwrap();
        let inside = lab.join("home");
        fs::create_dir(&inside).unwrap();
        let homes = [
            lab.clone(),
            inside,
            PathBuf::from("/"),
            PathBuf::from("/usr"),
        ];
        let found = hidden(&homes, &lab);
        assert!(homes.iter().all(|home| !found.contains(home)), "{found:?}");
        assert!(found.contains(&PathBuf::from("/tmp")), "{found:?}");
    }

    #[test]
    fn of_hidden_directories_the_outer_is_enough() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let home = dir.path().canonicalize().unwrap();
        let found = hidden(std::slice::from_ref(&home), Path::new("/srv/lab"));
        assert!(!found.contains(&home), "{found:?}");
    }
}
