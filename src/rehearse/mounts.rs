//! Mounting, as guests and local steps need it.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};

/// Name, major and minor number of each device, as devices.txt of Linux has them.
const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// Makes a directory, and those above it that are missing.
pub(super) fn make_dir(path: &Path, mode: u32) -> Result<(), String> {
    fs::create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .map_err(|e| format!("cannot create `{}`: {e}", path.display()))
}

/// Mounts a new file system.
pub(super) fn file_system(
    kind: &str,
    target: &Path,
    flags: MountFlags,
    data: Option<&str>,
) -> Result<(), String> {
    let data = data
        .map(CString::new)
        .transpose()
        .map_err(|e| e.to_string())?;
    mount(kind, target, kind, flags, data.as_deref())
        .map_err(|e| format!("cannot mount {kind} on `{}`: {e}", target.display()))
}

/// Shows a file or a directory at another place, without what is mounted in it.
pub(super) fn bind(from: &Path, to: &Path) -> Result<(), String> {
    mount_bind(from, to).map_err(|e| {
        format!(
            "cannot bind `{}` to `{}`: {e}",
            from.display(),
            to.display()
        )
    })
}

/// Makes a mount read-only; flags that are not named are lost.
pub(super) fn read_only(path: &Path, more: MountFlags) -> Result<(), String> {
    mount_remount(path, MountFlags::BIND | MountFlags::RDONLY | more, c"")
        .map_err(|e| format!("cannot make `{}` read-only: {e}", path.display()))
}

/// Nothing under `/proc` may be used to change the host.
/// Files that tell of it are covered with `nothing`, which is made.
pub(super) fn harden_proc(root: &Path, nothing: &Path) -> Result<(), String> {
    for name in [
        "sys",
        "irq",
        "bus",
        "fs",
        "sysrq-trigger",
        "acpi",
        "scsi",
        "mtrr",
    ] {
        let path = root.join("proc").join(name);
        if path.exists() {
            bind(&path, &path)?;
            read_only(
                &path,
                MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
            )?;
        }
    }
    fs::write(nothing, "").map_err(|e| e.to_string())?;
    for name in ["kcore", "keys", "kmsg", "timer_list"] {
        let path = root.join("proc").join(name);
        if path.exists() {
            bind(nothing, &path)?;
            read_only(&path, MountFlags::NOSUID | MountFlags::NODEV)?;
        }
    }
    Ok(())
}

/// `/dev` with devices of its own.
pub(super) fn devices(root: &Path) -> Result<(), String> {
    let dev = root.join("dev");
    file_system(
        "tmpfs",
        &dev,
        MountFlags::NOSUID | MountFlags::NOEXEC,
        Some("mode=0755,size=1m"),
    )?;
    // Not this machine's: who owns them here, and who may use them, is told there.
    for (name, major, minor) in DEVICES {
        let node = dev.join(name);
        let mode = Mode::from_raw_mode(0o666);
        mknodat(
            CWD,
            &node,
            FileType::CharacterDevice,
            mode,
            makedev(major, minor),
        )
        .map_err(io::Error::from)
        .and_then(|()| fs::set_permissions(&node, Permissions::from_mode(0o666)))
        .map_err(|e| format!("cannot make the device `{}`: {e}", node.display()))?;
    }
    make_dir(&dev.join("pts"), 0o755)?;
    file_system(
        "devpts",
        &dev.join("pts"),
        MountFlags::NOSUID | MountFlags::NOEXEC,
        Some("newinstance,ptmxmode=0666,mode=0620,gid=5"),
    )?;
    make_dir(&dev.join("shm"), 0o1777)?;
    let plain = MountFlags::NOSUID | MountFlags::NODEV;
    file_system("tmpfs", &dev.join("shm"), plain, Some("mode=1777"))?;
    for (link, to) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("core", "/proc/kcore"),
    ] {
        symlink(to, dev.join(link)).map_err(|e| e.to_string())?;
    }
    Ok(())
}
