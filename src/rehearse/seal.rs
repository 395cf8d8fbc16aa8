//! The sealed network: new network and mount namespaces in which every address
//! is this machine's own, and the proof that it is so.
//!
//! With `ip route add local 0.0.0.0/0 dev lo` (`AnyIP`) the kernel delivers each
//! packet to itself: the Proxmox host, gateways and everyone else have their real
//! addresses, and none of them is real. There is no other link, so nothing can
//! leave, whatever a tool does.

use std::fmt::{self, Write as _};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::mount::{MountFlags, mount, mount_bind};

use super::guest::ip;

/// Why a rehearsal cannot be sealed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Only root may make the namespaces in this version.
    NotRoot,
    /// A program is missing: its name, and the Debian package that has it.
    MissingTool(&'static str, &'static str),
    /// The kernel, or what runs this machine, does not allow it; what it said.
    Forbidden(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRoot => f.write_str("only root can make a sealed network in this version"),
            Self::MissingTool(tool, package) => {
                write!(
                    f,
                    "`{tool}` is not on PATH; it is in the package `{package}`"
                )
            }
            Self::Forbidden(said) => {
                write!(f, "this machine does not allow network namespaces: {said}")
            }
        }
    }
}

/// Whether a sealed network can be made here; makes one and leaves it to be sure.
///
/// # Errors
/// The reason, for the user.
pub fn possible() -> Result<(), Refusal> {
    if !rustix::process::geteuid().is_root() {
        return Err(Refusal::NotRoot);
    }
    for (tool, package) in [
        ("nsenter", "util-linux"),
        ("setpriv", "util-linux"),
        ("setsid", "util-linux"),
        ("unshare", "util-linux"),
        ("ip", "iproute2"),
        ("sshd", "openssh-server"),
        ("ssh-keygen", "openssh-client"),
    ] {
        let usual = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        if which::which(tool).is_err() && !usual.iter().any(|d| Path::new(d).join(tool).exists()) {
            return Err(Refusal::MissingTool(tool, package));
        }
    }
    let output = unshare()
        .args([
            "sh",
            "-ec",
            "ip link set lo up; ip route add local 0.0.0.0/0 dev lo",
        ])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Refusal::Forbidden(e.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Refusal::Forbidden(said))
}

/// New namespaces, and a session without the user's terminal; what follows runs
/// inside, under the same process id, and sees the same processes.
pub(super) fn unshare() -> Command {
    let mut command = Command::new("setsid");
    command.args(["unshare", "--net", "--mount", "--propagation", "private"]);
    command.arg("--");
    command
}

/// The network namespace of a process, e.g. `net:[4026531840]`.
pub fn network_of(process: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/ns/net")).ok()
}

/// Makes every address local, and the names in `hosts` known. Files for that are
/// written to `dir`. To be called in new namespaces only.
pub(super) fn close(hosts: &[(IpAddr, String)], dir: &Path) -> Result<(), String> {
    if network_of("self") == network_of("1") {
        return Err("this is the network of the machine itself".to_owned());
    }
    ip(&["link", "set", "lo", "up"])?;
    ip(&[
        "route",
        "replace",
        "local",
        "0.0.0.0/0",
        "dev",
        "lo",
        "table",
        "local",
    ])?;
    if Path::new("/proc/net/if_inet6").exists() {
        ip(&[
            "-6", "route", "replace", "local", "::/0", "dev", "lo", "table", "local",
        ])?;
    }
    // What tools see of links is that of these namespaces.
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    mount("sysfs", "/sys", "sysfs", flags, None).map_err(|e| format!("cannot mount /sys: {e}"))?;
    let mut names = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n".to_owned();
    if let Ok(own) = fs::read_to_string("/proc/sys/kernel/hostname") {
        writeln!(names, "127.0.1.1 {}", own.trim()).ok();
    }
    for (address, name) in hosts {
        writeln!(names, "{address} {name}").ok();
    }
    // Nobody answers there, at once: a name that is not in hosts is unknown.
    let resolver = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
    for (name, text) in [("hosts", names.as_str()), ("resolv.conf", resolver)] {
        let file = dir.join(name);
        fs::write(&file, text).map_err(|e| format!("cannot write `{}`: {e}", file.display()))?;
        let target = Path::new("/etc").join(name);
        if target.exists() {
            mount_bind(&file, &target)
                .map_err(|e| format!("cannot replace `{}`: {e}", target.display()))?;
        }
    }
    Ok(())
}

/// Proves that nothing can leave this network namespace: it is neither that of
/// the machine (PID 1) nor `outer`, it has no link but `lo`, and no route that
/// leads anywhere else.
///
/// # Errors
/// What was found instead.
pub fn prove_sealed(outer: &Path) -> Result<(), String> {
    let own = network_of("self").ok_or("cannot tell which network this is")?;
    if own == outer || Some(&own) == network_of("1").as_ref() {
        return Err(format!(
            "`{}` is the network of the machine itself",
            own.display()
        ));
    }
    let devices = fs::read_to_string("/proc/net/dev").map_err(|e| e.to_string())?;
    if let Some(other) = links(&devices).find(|name| *name != "lo") {
        return Err(format!("there is a link `{other}` beside `lo`"));
    }
    for family in ["-4", "-6"] {
        let output = Command::new("ip")
            .args(["-json", family, "route", "show", "table", "all"])
            .output()
            .map_err(|e| format!("cannot run `ip`: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if let Some(route) = way_out(&text)? {
            return Err(format!("there is a way out: {route}"));
        }
    }
    Ok(())
}

/// The names in `/proc/net/dev`.
fn links(devices: &str) -> impl Iterator<Item = &str> {
    devices
        .lines()
        .filter_map(|line| line.split_once(':').map(|(name, _)| name.trim()))
}

/// The first route of `ip -json route` that does not end at `lo`.
fn way_out(routes: &str) -> Result<Option<String>, String> {
    let routes: Vec<serde_json::Value> = match routes.trim() {
        "" => Vec::new(),
        text => serde_json::from_str(text).map_err(|e| format!("cannot read the routes: {e}"))?,
    };
    Ok(routes
        .iter()
        .find(|route| {
            let text = |key: &str| route.get(key).and_then(|v| v.as_str());
            text("dev") != Some("lo")
                && !matches!(text("type"), Some("unreachable" | "blackhole" | "prohibit"))
        })
        .map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_routes_to_lo_are_no_way_out() {
        let sealed = r#"[{"type":"local","dst":"default","dev":"lo","flags":[]},
            {"type":"unreachable","dst":"10.0.0.0/8","flags":[]},{"dst":"::1","dev":"lo"}]"#;
        assert_eq!(way_out(sealed), Ok(None));
        assert_eq!(way_out(""), Ok(None));
        let open = r#"[{"dst":"default","gateway":"10.0.0.1","dev":"eth0","flags":[]}]"#;
        assert!(way_out(open).unwrap().unwrap().contains("eth0"));
        assert!(way_out("nonsense").is_err());
    }

    #[test]
    fn links_are_read_with_their_headers_left_out() {
        let text = "Inter-|   Receive\n face |bytes\n    lo: 1 2\n  eth0:3 4\n";
        assert_eq!(links(text).collect::<Vec<_>>(), ["lo", "eth0"]);
    }

    #[test]
    fn the_network_of_this_machine_is_not_sealed() {
        let own = network_of("self").unwrap();
        assert!(prove_sealed(&own).is_err());
    }
}
