//! A freshly imported system: its own `/etc`, `/var` and homes, and the changes
//! to `/usr` that make it a guest.
//!
//! Guests run this machine's userland. From its `/etc` come only files that are
//! the same on every machine of its release (which services have which ports,
//! where libraries are); accounts, keys, hosts, secrets never.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use rustix::fs::XattrFlags;

use super::packages;
use crate::rehearse::mounts::make_dir;

/// What stands in for the real thing in a guest, for the rehearsal to say.
pub const STAND_INS: [(&str, &str); 9] = [
    ("kernel", "guests share this machine's kernel"),
    (
        "systemctl",
        "runs and enables real unit files; timers, sockets and mounts are only noted",
    ),
    (
        "cloud-init",
        "its work is done before the guest answers; `status` says done",
    ),
    ("hostnamectl", "sets the guest's hostname"),
    ("timedatectl", "sets the time zone, never the clock"),
    ("chronyd", "runs with -x: leaves the clock alone"),
    ("sysctl", "checks and remembers settings, applies none"),
    (
        "journalctl",
        "shows what services wrote since the guest's start",
    ),
    (
        "reboot",
        "ends all processes and starts the enabled services again; power off through the API",
    ),
];

/// Of `/etc`, what a release gives everyone.
const COMMON: &str = "
    adduser.conf alternatives debconf.conf debian_version deluser.conf ethertypes gai.conf
    host.conf inputrc issue ld.so.cache ld.so.conf ld.so.conf.d lsb-release mime.types
    os-release perl protocols python3 rpc services terminfo";

/// Directories of mode 755.
const DIRS: &str = "
    etc/apt/apt.conf.d etc/apt/preferences.d etc/apt/sources.list.d etc/apt/trusted.gpg.d
    etc/cron.d etc/cron.daily etc/default etc/dpkg/dpkg.cfg.d etc/dpkg/origins etc/init.d
    etc/logrotate.d etc/modprobe.d etc/modules-load.d etc/opt etc/pam.d etc/profile.d
    etc/security/limits.d etc/skel etc/ssh/sshd_config.d etc/ssl/certs etc/sysctl.d
    etc/systemd/system/multi-user.target.wants etc/tmpfiles.d home opt srv var/backups
    var/cache/apt/archives/partial var/cache/debconf var/lib/apt/lists/partial
    var/lib/cloud/data var/lib/dpkg/info var/lib/dpkg/parts var/lib/dpkg/triggers
    var/lib/dpkg/updates var/lib/misc var/lib/pam var/lib/systemd var/local var/log/apt var/mail
    var/opt var/spool/cron";

/// Those of other modes.
const GUARDED_DIRS: &[(&str, u32)] = &[
    ("etc/ssl/private", 0o710),
    ("etc/sudoers.d", 0o750),
    ("root", 0o700),
    ("var/cache/ldconfig", 0o700),
    ("var/tmp", 0o1777),
];

/// Files that are there and empty.
const EMPTY: &str = "
    etc/environment etc/resolv.conf etc/security/access.conf etc/security/limits.conf
    etc/security/pam_env.conf etc/subgid etc/subuid etc/sysctl.conf var/lib/dpkg/available
    var/lib/dpkg/diversions var/lib/dpkg/statoverride";

/// Files of our own, of mode 644.
const FILES: &[(&str, &str)] = &[
    ("etc/apt/apt.conf.d/00rehearsal", APT),
    ("etc/bash.bashrc", include_str!("files/bashrc")),
    (
        "etc/dpkg/dpkg.cfg.d/rehearsal",
        "# A guest's disk is a directory that may be lost.\nforce-unsafe-io\n",
    ),
    ("etc/fstab", "# The root is made by the rehearsal.\n"),
    (
        "etc/hosts",
        "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    ),
    ("etc/login.defs", include_str!("files/login.defs")),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\ngshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\nethers: files\nrpc: files\n",
    ),
    ("etc/profile", include_str!("files/profile")),
    (
        "etc/shells",
        "/bin/sh\n/usr/bin/sh\n/bin/bash\n/usr/bin/bash\n/bin/dash\n/usr/bin/dash\n",
    ),
    ("etc/skel/.bashrc", include_str!("files/bashrc")),
    ("etc/skel/.profile", "[ ! -f ~/.bashrc ] || . ~/.bashrc\n"),
    ("etc/timezone", "Etc/UTC\n"),
    ("root/.bashrc", include_str!("files/bashrc")),
    ("root/.profile", "[ ! -f ~/.bashrc ] || . ~/.bashrc\n"),
    (
        "usr-upper/lib/systemd/system/chrony.service.d/50-rehearsal.conf",
        include_str!("files/chrony.conf"),
    ),
    ("var/lib/dpkg/info/format", "1\n"),
];

/// Programs of our own, below `/usr`.
const PROGRAMS: &[(&str, &str)] = &[
    ("bin/cloud-init", include_str!("files/cloud-init")),
    (
        "bin/hostnamectl",
        "#!/bin/sh\nexec /run/hl/hl __systemctl hostnamectl \"$@\"\n",
    ),
    ("bin/journalctl", include_str!("files/journalctl")),
    (
        "bin/systemctl",
        "#!/bin/sh\nexec /run/hl/hl __systemctl \"${0##*/}\" \"$@\"\n",
    ),
    ("bin/timedatectl", include_str!("files/timedatectl")),
    (
        "sbin/policy-rc.d",
        "#!/bin/sh\n# Packages may start their services.\nexit 0\n",
    ),
    ("sbin/sysctl", include_str!("files/sysctl")),
];

const APT: &str = "// The archive is a directory that root alone may need to read.\n\
APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n\
APT::Get::Assume-Yes \"false\";\n";

/// PAM services: each line is a service, and a line of its file.
const PAM: &str = include_str!("files/pam");

/// Fills an empty disk.
pub(super) fn build(disk: &Path, apt_repo: Option<&Path>) -> Result<(), String> {
    for name in DIRS.split_whitespace() {
        make_dir(&disk.join(name), 0o755)?;
    }
    for (name, mode) in GUARDED_DIRS {
        make_dir(&disk.join(name), *mode)?;
    }
    copy_common(disk)?;
    for name in EMPTY.split_whitespace() {
        write(&disk.join(name), 0o644, "")?;
    }
    for (name, text) in FILES {
        write(&disk.join(name), 0o644, text)?;
    }
    for (name, text) in PROGRAMS {
        write(&disk.join("usr-upper").join(name), 0o755, text)?;
    }
    write(&disk.join("etc/machine-id"), 0o444, "")?;
    let mut services: BTreeMap<&str, String> = BTreeMap::new();
    for (name, line) in PAM.lines().filter_map(|line| line.split_once(": ")) {
        writeln!(services.entry(name).or_default(), "{line}").ok();
    }
    for (name, text) in services {
        write(&disk.join("etc/pam.d").join(name), 0o644, &text)?;
    }
    accounts(disk)?;
    // As systemd's packages link them; the program tells them apart by name.
    for name in [
        "halt", "init", "poweroff", "reboot", "runlevel", "shutdown", "telinit",
    ] {
        let link = disk.join("usr-upper/sbin").join(name);
        symlink("../bin/systemctl", &link)
            .map_err(|e| format!("cannot create `{}`: {e}", link.display()))?;
    }
    for (link, to) in [
        ("etc/localtime", "/usr/share/zoneinfo/Etc/UTC"),
        ("etc/mtab", "/proc/self/mounts"),
        ("var/lock", "/run/lock"),
        ("var/run", "/run"),
    ] {
        symlink(to, disk.join(link)).map_err(|e| format!("cannot create `{link}`: {e}"))?;
    }
    for level in ["0", "1", "2", "3", "4", "5", "6", "S"] {
        make_dir(&disk.join(format!("etc/rc{level}.d")), 0o755)?;
    }
    ssh(disk)?;
    empty_local(disk)?;
    package_database(disk, apt_repo)
}

pub(super) fn write(path: &Path, mode: u32, text: &str) -> Result<(), String> {
    if let Some(dir) = path.parent()
        && !dir.exists()
    {
        make_dir(dir, 0o755)?;
    }
    fs::remove_file(path).ok();
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .map_err(|e| format!("cannot write `{}`: {e}", path.display()))
}

pub(super) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let output = Command::new("cp")
        .args(["-a", "--"])
        .args([from, to])
        .output()
        .map_err(|e| format!("cannot run `cp`: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "cannot copy `{}`: {}",
        from.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

fn copy_common(disk: &Path) -> Result<(), String> {
    for name in COMMON.split_whitespace() {
        let from = Path::new("/etc").join(name);
        if from.symlink_metadata().is_ok() {
            copy(&from, &disk.join("etc").join(name))?;
        }
    }
    let from = Path::new("/etc/ssl/openssl.cnf");
    if from.is_file() {
        copy(from, &disk.join("etc/ssl/openssl.cnf"))?;
    }
    Ok(())
}

/// Accounts as a fresh install has them, from lines with passwords in place.
fn accounts(disk: &Path) -> Result<(), String> {
    let etc = disk.join("etc");
    let mut passwd = String::new();
    let mut shadow = String::new();
    for line in include_str!("files/passwd").lines() {
        if let Some((name, rest)) = line.split_once(':')
            && let Some((_, rest)) = rest.split_once(':')
        {
            writeln!(passwd, "{name}:x:{rest}").ok();
            writeln!(shadow, "{name}:*:19800:0:99999:7:::").ok();
        }
    }
    let mut group = String::new();
    let mut gshadow = String::new();
    for line in include_str!("files/group").lines() {
        if let Some((name, rest)) = line.split_once(":*:") {
            writeln!(group, "{name}:x:{rest}").ok();
            writeln!(gshadow, "{name}:*::").ok();
        }
    }
    write(&etc.join("passwd"), 0o644, &passwd)?;
    write(&etc.join("group"), 0o644, &group)?;
    write(&etc.join("shadow"), 0o640, &shadow)?;
    write(&etc.join("gshadow"), 0o640, &gshadow)
}

fn ssh(disk: &Path) -> Result<(), String> {
    let server = "/usr/lib/openssh/sftp-server";
    let server = if Path::new(server).exists() {
        server
    } else {
        "internal-sftp"
    };
    let config = format!(
        "{}Subsystem sftp {server}\n",
        include_str!("files/sshd_config")
    );
    write(&disk.join("etc/ssh/sshd_config"), 0o644, &config)?;
    if !Path::new("/usr/lib/systemd/system/ssh.service").exists() {
        write(
            &disk.join("usr-upper/lib/systemd/system/ssh.service"),
            0o644,
            include_str!("files/ssh.service"),
        )?;
    }
    let system = disk.join("etc/systemd/system");
    for link in ["multi-user.target.wants/ssh.service", "sshd.service"] {
        symlink("/usr/lib/systemd/system/ssh.service", system.join(link))
            .map_err(|e| format!("cannot enable ssh: {e}"))?;
    }
    Ok(())
}

/// What is in this machine's `/usr/local` is its owner's, not its release's.
fn empty_local(disk: &Path) -> Result<(), String> {
    let local = disk.join("usr-upper/local");
    for name in [
        "bin", "sbin", "lib", "share", "etc", "include", "src", "games",
    ] {
        make_dir(&local.join(name), 0o755)?;
    }
    rustix::fs::setxattr(&local, "trusted.overlay.opaque", b"y", XattrFlags::empty())
        .map_err(|e| format!("cannot mark `{}` for the overlay: {e}", local.display()))
}

fn package_database(disk: &Path, apt_repo: Option<&Path>) -> Result<(), String> {
    let Ok(host) = fs::read_to_string("/var/lib/dpkg/status") else {
        return Ok(());
    };
    let shipped = match apt_repo {
        Some(repo) => {
            let path = repo.join("Packages");
            let text = fs::read_to_string(&path)
                .map_err(|e| format!("cannot read `{}`: {e}", path.display()))?;
            write(
                &disk.join("etc/apt/sources.list"),
                0o644,
                "# The packages that this rehearsal can install.\ndeb [trusted=yes] file:/run/hl/apt ./\n",
            )?;
            packages::shipped(&text)
        }
        None => BTreeSet::new(),
    };
    let (status, lists) = packages::status(&host, &shipped);
    let dpkg = disk.join("var/lib/dpkg");
    write(&dpkg.join("status"), 0o644, &status)?;
    for name in lists {
        // dpkg warns about each package that has no list. Scripts and triggers of
        // what is not on this disk must not be there; questions are asked by others.
        write(&dpkg.join("info").join(format!("{name}.list")), 0o644, "")?;
        let templates = format!("{name}.templates");
        let from = Path::new("/var/lib/dpkg/info").join(&templates);
        if let Ok(text) = fs::read_to_string(from) {
            write(&dpkg.join("info").join(templates), 0o644, &text)?;
        }
    }
    questions(disk)?;
    let alternatives = Path::new("/var/lib/dpkg/alternatives");
    if alternatives.is_dir() {
        copy(alternatives, &dpkg.join("alternatives"))?;
    }
    Ok(())
}

/// debconf's questions, without anyone's answers: packages ask those of others
/// (`ucf/...`) and fail where they do not exist.
fn questions(disk: &Path) -> Result<(), String> {
    let cache = Path::new("/var/cache/debconf");
    let (Ok(config), true) = (
        fs::read_to_string(cache.join("config.dat")),
        cache.join("templates.dat").is_file(),
    ) else {
        return Ok(());
    };
    let target = disk.join("var/cache/debconf");
    copy(&cache.join("templates.dat"), &target.join("templates.dat"))?;
    write(
        &target.join("config.dat"),
        0o644,
        &packages::unanswered(&config),
    )
}
