//! What cloud-init does on a real guest: hostname, user, keys, host keys, once
//! per instance, and again when the settings change.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use super::boot::{Boot, Network};
use super::services::Services;

/// Where cloud-init keeps the id of the instance, and we beside it what we applied.
const INSTANCE: &str = "/var/lib/cloud/data/instance-id";
const APPLIED: &str = "/var/lib/cloud/data/applied";

/// Brings the disk in line with the settings of this start; whether they changed.
pub(super) fn apply(boot: &Boot, services: &Services) -> Result<bool, String> {
    let instance = boot.instance();
    let digest = boot.settings_digest();
    let known = fs::read_to_string(INSTANCE).unwrap_or_default();
    let new = known.trim() != instance;
    if new {
        remove_host_keys();
    }
    machine_id(boot)?;
    let changed = new || fs::read_to_string(APPLIED).unwrap_or_default().trim() != digest;
    if changed {
        hostname_files(boot, boot.search_domain(), false)?;
        resolver(boot)?;
    }
    set_hostname(boot)?;
    listen_address(boot)?;
    host_keys(services)?;
    if let Some(user) = &boot.user
        && changed
        && !boot.replaces_user()
    {
        if boot.socket.is_none() || user != "root" {
            sudo(boot, services)?;
        }
        account(user, services)?;
        keys(user, &boot.ssh_keys)?;
    }
    write(INSTANCE, &format!("{instance}\n"), 0o644)?;
    write(APPLIED, &format!("{digest}\n"), 0o644)?;
    Ok(changed)
}

/// The servers that names are asked of, where the settings say some.
pub(super) fn resolver(boot: &Boot) -> Result<(), String> {
    if boot.resolver.is_empty() {
        return Ok(());
    }
    let mut lines = boot.resolver.clone();
    if !boot.has_servers() {
        // A domain alone leaves the servers as they are.
        let known = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let servers = known.lines().filter(|line| line.starts_with("nameserver"));
        lines.extend(servers.map(str::to_owned));
    }
    write("/etc/resolv.conf", &(lines.join("\n") + "\n"), 0o644)
}

/// Makes true what `/etc/hostname` says.
pub(super) fn set_hostname(boot: &Boot) -> Result<(), String> {
    let name = fs::read_to_string("/etc/hostname").unwrap_or_else(|_| boot.name.clone());
    rustix::system::sethostname(name.trim().as_bytes())
        .map_err(|e| format!("cannot set the hostname: {e}"))
}

/// Makes the keys of sshd, when it has none.
pub(super) fn host_keys(services: &Services) -> Result<(), String> {
    if any_host_key() {
        return Ok(());
    }
    services.children.run("/usr/bin/ssh-keygen", &["-A"])
}

/// Writes a file of the guest, with what it is in.
pub(super) fn write(path: &str, text: &str, mode: u32) -> Result<(), String> {
    let path = Path::new(path);
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(|e| format!("cannot create `{}`: {e}", dir.display()))?;
    }
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .map_err(|e| format!("cannot write `{}`: {e}", path.display()))
}

fn all_host_keys() -> Vec<PathBuf> {
    fs::read_dir("/etc/ssh")
        .into_iter()
        .flatten()
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| {
            p.file_name()
                .is_some_and(|f| f.to_string_lossy().starts_with("ssh_host_"))
        })
        .collect()
}

fn remove_host_keys() {
    for key in all_host_keys() {
        fs::remove_file(key).ok();
    }
}

fn any_host_key() -> bool {
    all_host_keys()
        .iter()
        .any(|p| p.extension().is_none() && fs::metadata(p).is_ok_and(|m| m.len() > 0))
}

/// An empty machine-id means: make one at the next boot (machine-id(5)).
pub(super) fn machine_id(boot: &Boot) -> Result<(), String> {
    let known = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    if known.trim().is_empty() || known.trim() == "uninitialized" {
        let id = boot.id.replace('-', "");
        write("/etc/machine-id", &format!("{id}\n"), 0o444)?;
    }
    Ok(())
}

/// In a network that guests share, port 22 of each address is another guest's.
pub(super) fn listen_address(boot: &Boot) -> Result<(), String> {
    let path = "/etc/ssh/sshd_config.d/00-rehearsal.conf";
    if let (Network::Shared | Network::Machine, Some(address)) = (boot.network, &boot.address) {
        return write(path, &format!("ListenAddress {}\n", address.ip), 0o644);
    }
    fs::remove_file(path).ok();
    Ok(())
}

/// Names the guest in its files. What somebody else wrote of its name cloud-init
/// replaces; a node leaves it in a container (`keep`).
pub(super) fn hostname_files(boot: &Boot, domain: Option<&str>, keep: bool) -> Result<(), String> {
    let short = boot.name.split('.').next().unwrap_or(&boot.name);
    write("/etc/hostname", &format!("{short}\n"), 0o644)?;
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let names_it = |line: &str| {
        let mut words = line.split_whitespace();
        words.next() == Some("127.0.1.1") && words.any(|word| word == short)
    };
    if keep && hosts.lines().any(names_it) {
        return Ok(());
    }
    let mut lines: Vec<String> = hosts
        .lines()
        .filter(|l| !l.starts_with("127.0.1.1"))
        .map(str::to_owned)
        .collect();
    if !lines.iter().any(|l| l.starts_with("127.0.0.1")) {
        lines.push("127.0.0.1 localhost".to_owned());
        lines.push("::1 localhost ip6-localhost ip6-loopback".to_owned());
    }
    lines.insert(0, format!("127.0.1.1 {}", names(&boot.name, domain)));
    write("/etc/hosts", &(lines.join("\n") + "\n"), 0o644)
}

/// A machine's names as Proxmox VE gives them to cloud-init (`fqdn`): a name with a dot
/// has its domain, another one is in that of `searchdomain`.
fn names(name: &str, domain: Option<&str>) -> String {
    match (name.split_once('.'), domain) {
        (Some((short, _)), _) => format!("{name} {short}"),
        (None, Some(domain)) => format!("{name}.{domain} {name}"),
        (None, None) => name.to_owned(),
    }
}

/// Cloud images have sudo; a host's userland may not.
pub(super) fn sudo(boot: &Boot, services: &Services) -> Result<(), String> {
    if Path::new("/usr/bin/sudo").exists() {
        return Ok(());
    }
    let missing = "this machine's userland has no sudo, and the guests' apt repository gave none: \
                   run `scripts/tools guest-packages` and set HL_GUEST_APT";
    if boot.apt_repo.is_none() {
        return Err(missing.to_owned());
    }
    services
        .children
        .run("/usr/bin/apt-get", &["-q", "update"])
        .and_then(|()| {
            services.children.run(
                "/usr/bin/apt-get",
                &["-q", "-y", "--no-install-recommends", "install", "sudo"],
            )
        })
        .map_err(|e| format!("{missing} ({e})"))
}

pub(super) fn account(user: &str, services: &Services) -> Result<(), String> {
    if home_of(user).is_none() {
        services.children.run(
            "/usr/sbin/useradd",
            &[
                "--create-home",
                "--shell",
                "/bin/bash",
                "--user-group",
                user,
            ],
        )?;
        for group in ["adm", "sudo"] {
            services
                .children
                .run("/usr/sbin/usermod", &["--append", "--groups", group, user])
                .ok();
        }
    }
    sudo_rules(&format!(
        "# User rules for {user}\n{user} ALL=(ALL) NOPASSWD:ALL\n"
    ))
}

/// Adds rules of a user, unless they are there.
pub(super) fn sudo_rules(rules: &str) -> Result<(), String> {
    let path = "/etc/sudoers.d/90-cloud-init-users";
    let known = fs::read_to_string(path).unwrap_or_default();
    if known.contains(rules) {
        return Ok(());
    }
    write(path, &(known + rules), 0o440)
}

/// Home, uid and gid of a user.
pub(super) fn home_of(user: &str) -> Option<(PathBuf, u32, u32)> {
    fs::read_to_string("/etc/passwd")
        .ok()?
        .lines()
        .find_map(|line| {
            let f: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, _, home, _] = f.as_slice() else {
                return None;
            };
            (*name == user)
                .then(|| Some((PathBuf::from(home), uid.parse().ok()?, gid.parse().ok()?)))?
        })
}

pub(super) fn keys(user: &str, keys: &[String]) -> Result<(), String> {
    let Some((home, uid, gid)) = home_of(user) else {
        return Err(format!("the user `{user}` was not made"));
    };
    let dir = home.join(".ssh");
    let file = dir.join("authorized_keys");
    let known = fs::read_to_string(&file).unwrap_or_default();
    let mut lines: Vec<&str> = known.lines().collect();
    for key in keys.iter().map(|k| k.trim()).filter(|k| !k.is_empty()) {
        if !lines.contains(&key) {
            lines.push(key);
        }
    }
    fs::create_dir_all(&dir)
        .and_then(|()| fs::write(&file, lines.join("\n") + "\n"))
        .and_then(|()| fs::set_permissions(&dir, Permissions::from_mode(0o700)))
        .and_then(|()| fs::set_permissions(&file, Permissions::from_mode(0o600)))
        .and_then(|()| chown(&dir, Some(uid), Some(gid)))
        .and_then(|()| chown(&file, Some(uid), Some(gid)))
        .map_err(|e| format!("cannot write the keys of `{user}`: {e}"))
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_machine_is_in_the_domain_of_its_settings() {
        assert_eq!(names("web", Some("lab.example")), "web.lab.example web");
        assert_eq!(names("web", None), "web");
        let own = "web.other.example web";
        assert_eq!(names("web.other.example", Some("lab.example")), own);
        assert_eq!(names("web.other.example", None), own);
    }
}
