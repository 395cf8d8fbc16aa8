//! A freshly imported system: its own `/etc`, `/var` and homes, and the changes
//! to `/usr` that make it a guest.
//!
//! Guests run this machine's userland. From its `/etc` come only files that are
//! the same on every machine of its release (which services have which ports,
//! where libraries are); accounts, keys, hosts, secrets never.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use rustix::fs::XattrFlags;

use super::packages;

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
const COMMON: [&str; 22] = [
    "adduser.conf",
    "alternatives",
    "debconf.conf",
    "debian_version",
    "deluser.conf",
    "ethertypes",
    "gai.conf",
    "host.conf",
    "inputrc",
    "issue",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "lsb-release",
    "mime.types",
    "os-release",
    "perl",
    "protocols",
    "python3",
    "rpc",
    "services",
    "terminfo",
];

/// Directories and their modes.
const DIRS: &[(&str, u32)] = &[
    ("etc/apt/apt.conf.d", 0o755),
    ("etc/apt/preferences.d", 0o755),
    ("etc/apt/sources.list.d", 0o755),
    ("etc/apt/trusted.gpg.d", 0o755),
    ("etc/cron.d", 0o755),
    ("etc/cron.daily", 0o755),
    ("etc/default", 0o755),
    ("etc/dpkg/dpkg.cfg.d", 0o755),
    ("etc/dpkg/origins", 0o755),
    ("etc/init.d", 0o755),
    ("etc/logrotate.d", 0o755),
    ("etc/modprobe.d", 0o755),
    ("etc/modules-load.d", 0o755),
    ("etc/opt", 0o755),
    ("etc/pam.d", 0o755),
    ("etc/profile.d", 0o755),
    ("etc/security/limits.d", 0o755),
    ("etc/skel", 0o755),
    ("etc/ssh/sshd_config.d", 0o755),
    ("etc/ssl/certs", 0o755),
    ("etc/ssl/private", 0o710),
    ("etc/sudoers.d", 0o750),
    ("etc/sysctl.d", 0o755),
    ("etc/systemd/system/multi-user.target.wants", 0o755),
    ("etc/tmpfiles.d", 0o755),
    ("home", 0o755),
    ("opt", 0o755),
    ("root", 0o700),
    ("srv", 0o755),
    ("var/backups", 0o755),
    ("var/cache/apt/archives/partial", 0o755),
    ("var/cache/debconf", 0o755),
    ("var/cache/ldconfig", 0o700),
    ("var/lib/apt/lists/partial", 0o755),
    ("var/lib/cloud/data", 0o755),
    ("var/lib/dpkg/info", 0o755),
    ("var/lib/dpkg/parts", 0o755),
    ("var/lib/dpkg/triggers", 0o755),
    ("var/lib/dpkg/updates", 0o755),
    ("var/lib/misc", 0o755),
    ("var/lib/pam", 0o755),
    ("var/lib/systemd", 0o755),
    ("var/local", 0o755),
    ("var/log/apt", 0o755),
    ("var/mail", 0o755),
    ("var/opt", 0o755),
    ("var/spool/cron", 0o755),
    ("var/tmp", 0o1777),
];

/// Files of our own: path, mode, text.
const FILES: &[(&str, u32, &str)] = &[
    ("etc/apt/apt.conf.d/00rehearsal", 0o644, APT),
    ("etc/bash.bashrc", 0o644, include_str!("files/bashrc")),
    (
        "etc/dpkg/dpkg.cfg.d/rehearsal",
        0o644,
        "# A guest's disk is a directory that may be lost.\nforce-unsafe-io\n",
    ),
    ("etc/environment", 0o644, ""),
    ("etc/fstab", 0o644, "# The root is made by the rehearsal.\n"),
    (
        "etc/hosts",
        0o644,
        "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    ),
    ("etc/login.defs", 0o644, include_str!("files/login.defs")),
    ("etc/machine-id", 0o444, ""),
    (
        "etc/nsswitch.conf",
        0o644,
        "passwd: files\ngroup: files\nshadow: files\ngshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\nethers: files\nrpc: files\n",
    ),
    ("etc/profile", 0o644, include_str!("files/profile")),
    ("etc/resolv.conf", 0o644, ""),
    ("etc/security/access.conf", 0o644, ""),
    ("etc/security/limits.conf", 0o644, ""),
    ("etc/security/pam_env.conf", 0o644, ""),
    (
        "etc/shells",
        0o644,
        "/bin/sh\n/usr/bin/sh\n/bin/bash\n/usr/bin/bash\n/bin/dash\n/usr/bin/dash\n",
    ),
    ("etc/skel/.bashrc", 0o644, include_str!("files/bashrc")),
    (
        "etc/skel/.profile",
        0o644,
        "[ ! -f ~/.bashrc ] || . ~/.bashrc\n",
    ),
    ("etc/subgid", 0o644, ""),
    ("etc/subuid", 0o644, ""),
    ("etc/sysctl.conf", 0o644, ""),
    ("etc/timezone", 0o644, "Etc/UTC\n"),
    ("root/.bashrc", 0o644, include_str!("files/bashrc")),
    (
        "root/.profile",
        0o644,
        "[ ! -f ~/.bashrc ] || . ~/.bashrc\n",
    ),
    (
        "usr-upper/bin/cloud-init",
        0o755,
        include_str!("files/cloud-init"),
    ),
    (
        "usr-upper/bin/hostnamectl",
        0o755,
        "#!/bin/sh\nexec /run/hl/hl __systemctl hostnamectl \"$@\"\n",
    ),
    (
        "usr-upper/bin/journalctl",
        0o755,
        include_str!("files/journalctl"),
    ),
    (
        "usr-upper/bin/systemctl",
        0o755,
        "#!/bin/sh\nexec /run/hl/hl __systemctl \"${0##*/}\" \"$@\"\n",
    ),
    (
        "usr-upper/bin/timedatectl",
        0o755,
        include_str!("files/timedatectl"),
    ),
    (
        "usr-upper/lib/systemd/system/chrony.service.d/50-rehearsal.conf",
        0o644,
        include_str!("files/chrony.conf"),
    ),
    (
        "usr-upper/sbin/policy-rc.d",
        0o755,
        "#!/bin/sh\n# Packages may start their services.\nexit 0\n",
    ),
    ("usr-upper/sbin/sysctl", 0o755, include_str!("files/sysctl")),
    ("var/lib/dpkg/available", 0o644, ""),
    ("var/lib/dpkg/diversions", 0o644, ""),
    ("var/lib/dpkg/info/format", 0o644, "1\n"),
    ("var/lib/dpkg/statoverride", 0o644, ""),
];

const APT: &str = "// The archive is a directory that root alone may need to read.\n\
APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n\
APT::Get::Assume-Yes \"false\";\n";

/// PAM services, and what is in them.
const PAM: &[(&str, &str)] = &[
    (
        "common-account",
        "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\naccount requisite pam_deny.so\naccount required pam_permit.so\n",
    ),
    (
        "common-auth",
        "auth [success=1 default=ignore] pam_unix.so nullok\nauth requisite pam_deny.so\nauth required pam_permit.so\n",
    ),
    (
        "common-password",
        "password [success=1 default=ignore] pam_unix.so obscure yescrypt\npassword requisite pam_deny.so\npassword required pam_permit.so\n",
    ),
    (
        "common-session",
        "session required pam_permit.so\nsession required pam_unix.so\n",
    ),
    (
        "common-session-noninteractive",
        "session required pam_permit.so\nsession required pam_unix.so\n",
    ),
    (
        "other",
        "@include common-auth\n@include common-account\n@include common-password\n@include common-session\n",
    ),
    (
        "sshd",
        "@include common-auth\naccount required pam_nologin.so\n@include common-account\n@include common-session\n@include common-password\n",
    ),
    (
        "su",
        "auth sufficient pam_rootok.so\n@include common-auth\n@include common-account\n@include common-session\n",
    ),
    (
        "su-l",
        "auth sufficient pam_rootok.so\n@include common-auth\n@include common-account\n@include common-session\n",
    ),
    (
        "runuser",
        "auth sufficient pam_rootok.so\nsession required pam_unix.so\n",
    ),
    (
        "runuser-l",
        "auth sufficient pam_rootok.so\nsession required pam_unix.so\n",
    ),
    ("passwd", "@include common-password\n"),
    ("chpasswd", "@include common-password\n"),
    ("newusers", "@include common-password\n"),
    (
        "chfn",
        "auth sufficient pam_rootok.so\n@include common-auth\n@include common-account\n@include common-session\n",
    ),
    (
        "chsh",
        "auth sufficient pam_rootok.so\n@include common-auth\n@include common-account\n@include common-session\n",
    ),
    (
        "cron",
        "@include common-auth\n@include common-account\n@include common-session-noninteractive\n",
    ),
    (
        "login",
        "@include common-auth\n@include common-account\n@include common-session\n@include common-password\n",
    ),
];

/// Fills an empty disk.
pub(super) fn build(disk: &Path, apt_repo: Option<&Path>) -> Result<(), String> {
    for (name, mode) in DIRS {
        make_dir(&disk.join(name), *mode)?;
    }
    copy_common(disk)?;
    for (name, mode, text) in FILES {
        write(&disk.join(name), *mode, text)?;
    }
    for (name, text) in PAM {
        write(&disk.join("etc/pam.d").join(name), 0o644, text)?;
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

fn make_dir(path: &Path, mode: u32) -> Result<(), String> {
    fs::create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .map_err(|e| format!("cannot create `{}`: {e}", path.display()))
}

fn write(path: &Path, mode: u32, text: &str) -> Result<(), String> {
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

fn copy(from: &Path, to: &Path) -> Result<(), String> {
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
    for name in COMMON {
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
        None => std::collections::BTreeSet::new(),
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
