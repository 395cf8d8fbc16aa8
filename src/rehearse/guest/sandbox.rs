//! The root of a guest: an overlay over this machine's `/usr`, the guest's own
//! directories, fresh kernel file systems, and nothing else of the host.
//!
//! Runs in new mount, PID, UTS, IPC (and network) namespaces that `unshare(1)`
//! made, as the process that becomes PID 1.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use rustix::fs::Mode;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount_change, mount_move, unmount,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::boot::{Address, Boot, Mount, Network};
use super::disk::PARTS;
use super::init::{BOOT_FILE, BOOT_ID};
use super::kernel;
use super::node;
use super::own_world;
use crate::rehearse::mounts::{bind, devices, file_system, harden_proc, make_dir, read_only};

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
    // Nothing in there may have the terminal of the user for its own.
    rustix::process::setsid().map_err(|e| format!("no session of its own: {e}"))?;
    let user = boot.user_namespace.as_deref().map(File::open).transpose();
    let user = user.map_err(|e| format!("cannot open the user namespace: {e}"))?;
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
    place_mounts(&boot.mounts)?;
    if let Some(user) = user {
        move_into_link_name_space(user.as_fd(), Some(LinkNameSpaceType::User))
            .map_err(|e| format!("cannot enter the user namespace: {e}"))?;
    }
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
    if boot.network != Network::Own {
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
    harden_proc(root, &root.join("run/hl/nothing"))?;
    boot_id(boot)?;
    kernel::cover(root)?;
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
    if let Some(socket) = &boot.socket {
        let target = root.join(node::SOCKET.trim_start_matches('/'));
        File::create(&target).map_err(|e| e.to_string())?;
        bind(socket, &target)?;
        // To be connected to, and nothing else.
        read_only(&target, strict)?;
    }
    for (number, mount) in boot.mounts.iter().enumerate() {
        let target = root.join(waiting(number).trim_start_matches('/'));
        make_dir(&target, 0o755)?;
        bind(&mount.from, &target)?;
        if mount.read_only {
            read_only(&target, MountFlags::empty())?;
        }
    }
    if let Some(shown) = &boot.own_world {
        let target = root.join(own_world::DIR.trim_start_matches('/'));
        make_dir(&target, 0o755)?;
        bind(shown, &target)?;
        read_only(&target, strict)?;
    }
    boot.write(&root.join(BOOT_FILE.trim_start_matches('/')))?;
    fs::set_permissions(
        root.join(BOOT_FILE.trim_start_matches('/')),
        Permissions::from_mode(0o600),
    )
    .map_err(|e| e.to_string())
}

/// Where a mount waits until the root is the guest's.
fn waiting(number: usize) -> String {
    format!("/run/hl/mount-{number}")
}

/// Puts the mounts where they belong. Their paths are the guest's own, and so are links
/// on the way there: they must not be followed before the guest has its root.
fn place_mounts(mounts: &[Mount]) -> Result<(), String> {
    for (number, mount) in mounts.iter().enumerate() {
        let (from, to) = (waiting(number), Path::new(&mount.path));
        fs::create_dir_all(to).map_err(|e| format!("cannot create `{}`: {e}", mount.path))?;
        mount_move(&*from, to).map_err(|e| format!("cannot mount `{}`: {e}", mount.path))?;
        fs::remove_dir(from).ok();
    }
    Ok(())
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

/// Each start is a boot of its own: programs that wait for a reboot look here.
fn boot_id(boot: &Boot) -> Result<(), String> {
    let root = &boot.root;
    let id = root.join(BOOT_ID.trim_start_matches('/'));
    fs::write(&id, format!("{}\n", boot.id)).map_err(|e| e.to_string())?;
    let path = root.join("proc/sys/kernel/random/boot_id");
    if path.exists() {
        bind(&id, &path)?;
        read_only(&path, MountFlags::NOSUID | MountFlags::NODEV)?;
    }
    Ok(())
}
