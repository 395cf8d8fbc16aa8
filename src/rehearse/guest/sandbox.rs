//! The root of a guest: an overlay over this machine's `/usr`, the guest's own
//! directories, fresh kernel file systems, and nothing else of the host.
//!
//! Runs in new mount, PID, UTS, IPC (and network) namespaces that `unshare(1)`
//! made, as the process that becomes PID 1.

use std::ffi::{CString, OsString};
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use rustix::fs::Mode;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change,
    mount_remount, unmount,
};

use super::boot::{Address, Boot, Network};
use super::disk::PARTS;
use super::init::{BOOT_FILE, BOOT_ID};

/// The line that the holder writes when the guest's `eth0` is there.
pub(super) const NETWORK_READY: &str = "network";

/// `hl __guest BOOTFILE`: does not return when all goes well.
pub(in crate::rehearse) fn main(args: &[OsString]) -> ExitCode {
    let error = match args.first() {
        Some(path) => enter(Path::new(path)).unwrap_or_else(|e| e),
        None => "no boot file was named".to_owned(),
    };
    writeln!(io::stderr(), "error: {error}").ok();
    ExitCode::FAILURE
}

/// Makes the root, moves into it and becomes `/sbin/init`; comes back with an
/// error message only.
fn enter(file: &Path) -> Result<String, String> {
    let boot = Boot::read(file)?;
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|e| e.to_string())?;
    if line.trim() != NETWORK_READY {
        return Err("the holder went away".to_owned());
    }
    configure_network(&boot)?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    build(&boot)?;
    let root = &boot.root;
    let old = root.join("mnt/old");
    make_dir(&old, 0o700)?;
    std::env::set_current_dir(root).map_err(|e| e.to_string())?;
    rustix::process::pivot_root(".", "mnt/old").map_err(|e| format!("pivot_root: {e}"))?;
    std::env::set_current_dir("/").map_err(|e| e.to_string())?;
    unmount("/mnt/old", UnmountFlags::DETACH).map_err(|e| format!("leaving the host: {e}"))?;
    fs::remove_dir("/mnt/old").ok();
    let error = Command::new("/run/hl/hl")
        .arg0("/sbin/init")
        .arg("__guest-init")
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8")
        .exec();
    Ok(format!("cannot become /sbin/init: {error}"))
}

fn configure_network(boot: &Boot) -> Result<(), String> {
    if boot.network == Network::Shared {
        return Ok(());
    }
    let ip = |args: &[&str]| super::network::ip(args);
    ip(&["link", "set", "lo", "up"])?;
    let Some(address) = &boot.address else {
        return Ok(());
    };
    let Address {
        ip: own, prefix, ..
    } = address;
    let peer = address.peer().to_string();
    ip(&["address", "add", &format!("{own}/{prefix}"), "dev", "eth0"])?;
    ip(&["link", "set", "eth0", "up"])?;
    if address.gateway.is_some() {
        ip(&[
            "route", "replace", "default", "via", &peer, "dev", "eth0", "onlink",
        ])?;
    } else {
        ip(&["route", "replace", &peer, "dev", "eth0"])?;
    }
    Ok(())
}

fn make_dir(path: &Path, mode: u32) -> Result<(), String> {
    fs::create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .map_err(|e| format!("cannot create `{}`: {e}", path.display()))
}

fn file_system(
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

fn bind(from: &Path, to: &Path) -> Result<(), String> {
    mount_bind(from, to).map_err(|e| {
        format!(
            "cannot bind `{}` to `{}`: {e}",
            from.display(),
            to.display()
        )
    })
}

fn read_only(path: &Path, more: MountFlags) -> Result<(), String> {
    mount_remount(path, MountFlags::BIND | MountFlags::RDONLY | more, c"")
        .map_err(|e| format!("cannot make `{}` read-only: {e}", path.display()))
}

fn build(boot: &Boot) -> Result<(), String> {
    let root = &boot.root;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|e| format!("cannot make mounts private: {e}"))?;
    file_system(
        "tmpfs",
        root,
        MountFlags::empty(),
        Some("mode=0755,size=16m"),
    )?;
    for name in [
        "boot", "dev", "media", "mnt", "proc", "run", "sys", "tmp", "usr",
    ] {
        make_dir(&root.join(name), 0o755)?;
    }
    overlay(boot)?;
    links_of_root(root)?;
    for part in PARTS.iter().filter(|p| **p != "usr-upper") {
        let target = root.join(part);
        make_dir(&target, 0o755)?;
        bind(&boot.disk.join(part), &target)?;
    }
    let plain = MountFlags::NOSUID | MountFlags::NODEV;
    file_system("tmpfs", &root.join("tmp"), plain, Some("mode=1777"))?;
    file_system("tmpfs", &root.join("run"), plain, Some("mode=0755"))?;
    for (name, mode) in [
        ("run/lock", 0o1777),
        ("run/systemd/system", 0o755),
        ("run/sshd", 0o755),
        ("run/user", 0o755),
        ("run/hl", 0o755),
    ] {
        make_dir(&root.join(name), mode)?;
    }
    let strict = plain | MountFlags::NOEXEC;
    file_system("proc", &root.join("proc"), strict, None)?;
    harden_proc(boot)?;
    file_system(
        "sysfs",
        &root.join("sys"),
        strict | MountFlags::RDONLY,
        None,
    )?;
    devices(root)?;
    let program = root.join("run/hl/hl");
    File::create(&program).map_err(|e| e.to_string())?;
    bind(&boot.exe, &program)?;
    read_only(&program, MountFlags::empty())?;
    if let Some(repo) = &boot.apt_repo {
        let target = root.join("run/hl/apt");
        make_dir(&target, 0o755)?;
        bind(repo, &target)?;
        read_only(&target, plain)?;
    }
    boot.write(&root.join(BOOT_FILE.trim_start_matches('/')))?;
    fs::set_permissions(
        root.join(BOOT_FILE.trim_start_matches('/')),
        Permissions::from_mode(0o600),
    )
    .map_err(|e| e.to_string())
}

/// The overlay's paths are relative, so that no character of them is special.
fn overlay(boot: &Boot) -> Result<(), String> {
    let work = boot.disk.join("usr-work");
    fs::create_dir_all(&work).map_err(|e| format!("cannot create `{}`: {e}", work.display()))?;
    let here = std::env::current_dir().map_err(|e| e.to_string())?;
    std::env::set_current_dir(&boot.disk)
        .map_err(|e| format!("cannot enter `{}`: {e}", boot.disk.display()))?;
    // A disk may be copied, so its layer must not remember inode numbers.
    let data = "lowerdir=/usr,upperdir=usr-upper,workdir=usr-work,index=off,metacopy=off";
    let mounted = file_system(
        "overlay",
        &boot.root.join("usr"),
        MountFlags::empty(),
        Some(data),
    );
    std::env::set_current_dir(here).map_err(|e| e.to_string())?;
    mounted.map_err(|e| {
        format!(
            "{e}: the file system under `{}` must be able to hold an overlay's upper \
             directory (ext4, xfs and btrfs can; another overlay cannot)",
            boot.disk.display()
        )
    })
}

/// `/bin`, `/lib` and their like, as the host has them.
fn links_of_root(root: &Path) -> Result<(), String> {
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let host = Path::new("/").join(name);
        let target = root.join(name);
        if let Ok(link) = fs::read_link(&host) {
            symlink(link, &target).map_err(|e| e.to_string())?;
        } else if host.is_dir() {
            make_dir(&target, 0o755)?;
            bind(&host, &target)?;
            read_only(&target, MountFlags::empty())?;
        }
    }
    Ok(())
}

/// Nothing under `/proc` may be used to change the host.
fn harden_proc(boot: &Boot) -> Result<(), String> {
    let root = &boot.root;
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
    for name in ["kcore", "keys", "kmsg", "timer_list"] {
        let path = root.join("proc").join(name);
        if path.exists() {
            bind(Path::new("/dev/null"), &path)?;
        }
    }
    // Each start is a boot of its own: programs that wait for a reboot look here.
    let id = root.join(BOOT_ID.trim_start_matches('/'));
    fs::write(&id, format!("{}\n", boot.id)).map_err(|e| e.to_string())?;
    let path = root.join("proc/sys/kernel/random/boot_id");
    if path.exists() {
        bind(&id, &path)?;
        read_only(&path, MountFlags::NOSUID | MountFlags::NODEV)?;
    }
    Ok(())
}

fn devices(root: &Path) -> Result<(), String> {
    let dev = root.join("dev");
    file_system(
        "tmpfs",
        &dev,
        MountFlags::NOSUID | MountFlags::NOEXEC,
        Some("mode=0755,size=1m"),
    )?;
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let target = dev.join(name);
        File::create(&target).map_err(|e| e.to_string())?;
        bind(&Path::new("/dev").join(name), &target)?;
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
