//! What one start of a guest is told: the file that the sandbox and its PID 1 read.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use hl_sim::GuestSpec;

use crate::base::hex;

/// What a line of `resolv.conf` with domains begins with.
const SEARCH: &str = "search ";

/// Which network a guest is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// A network namespace of its own with an `eth0`; the holder's namespace
    /// answers for every other address (`AnyIP`) and routes between guests.
    Own,
    /// The holder's sealed network namespace: guests share all ports of wildcard
    /// addresses. For kernels without veth.
    Shared,
    /// This machine's own network, for `hl sim`. Guests have no user namespace
    /// then: their sshd has a port that is root's.
    Machine,
}

/// An address as `ipconfig0` gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Address {
    /// The guest's address.
    pub(super) ip: Ipv4Addr,
    /// Prefix length.
    pub(super) prefix: u8,
    /// Gateway, when there is one.
    pub(super) gateway: Option<Ipv4Addr>,
}

impl Address {
    /// Reads `ip=10.0.0.5/24,gw=10.0.0.1`; `None` without a static IPv4 address.
    pub(super) fn parse(ipconfig: &str) -> Option<Self> {
        let mut found = None;
        let mut gateway = None;
        for part in ipconfig.split(',') {
            match part.trim().split_once('=') {
                Some(("ip", value)) => {
                    let (ip, prefix) = value.split_once('/').unwrap_or((value, "32"));
                    found = Some((ip.parse().ok()?, prefix.parse().ok().filter(|p| *p <= 32)?));
                }
                Some(("gw", value)) => gateway = value.parse().ok(),
                _ => {}
            }
        }
        let (ip, prefix) = found?;
        Some(Self {
            ip,
            prefix,
            gateway,
        })
    }

    /// The address that the world outside the guest has in its subnet: the
    /// gateway, or the first one that is not the guest.
    pub(super) fn peer(&self) -> Ipv4Addr {
        self.gateway.unwrap_or_else(|| {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(self.prefix))
                .unwrap_or(0);
            let first = Ipv4Addr::from((u32::from(self.ip) & mask) | 1);
            if first == self.ip {
                Ipv4Addr::from(u32::from(first) ^ 3)
            } else {
                first
            }
        })
    }
}

/// A directory of this machine that a guest has at a path of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Mount {
    /// The directory.
    pub(super) from: PathBuf,
    /// Where it is in the guest, from the root on.
    pub(super) path: String,
    /// Whether nothing may be written to it.
    pub(super) read_only: bool,
}

/// One start of a guest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Boot {
    /// VMID.
    pub(super) vmid: u32,
    /// Whether it is a container.
    pub(super) container: bool,
    /// Hostname.
    pub(super) name: String,
    /// Directory of the boot disk.
    pub(super) disk: PathBuf,
    /// Empty directory that becomes the root's mount point.
    pub(super) root: PathBuf,
    /// What is mounted besides.
    #[serde(default)]
    pub(super) mounts: Vec<Mount>,
    /// The `hl` that becomes PID 1.
    pub(super) exe: PathBuf,
    /// Flat apt repository, shown to the guest read-only.
    pub(super) apt_repo: Option<PathBuf>,
    /// Which network.
    pub(super) network: Network,
    /// The user namespace that its root is root of.
    pub(super) user_namespace: Option<PathBuf>,
    /// Static address of `eth0`.
    pub(super) address: Option<Address>,
    /// `ciuser`.
    pub(super) user: Option<String>,
    /// Public keys of that user.
    pub(super) ssh_keys: Vec<String>,
    /// Whether the VM has the guest agent's port.
    pub(super) agent: bool,
    /// `nameserver` and `searchdomain`.
    pub(super) resolver: Vec<String>,
    /// A socket of the simulator, for the system of a node.
    #[serde(default)]
    pub(super) socket: Option<PathBuf>,
    /// The directory of its own world's sockets, for a guest that may be a Proxmox VE.
    #[serde(default)]
    pub(super) own_world: Option<PathBuf>,
    /// `cicustom`: `user`, `vendor` ... with the text of the snippet.
    #[serde(default)]
    pub(super) custom: BTreeMap<String, String>,
    /// Identity of this boot, as `/proc/sys/kernel/random/boot_id` shows it.
    pub(super) id: String,
}

impl Boot {
    /// What cloud-init would call this instance.
    pub(super) fn instance(&self) -> String {
        instance(self.vmid, &self.name)
    }

    /// Whether a snippet stands in the place of the user and keys of the config.
    pub(super) fn replaces_user(&self) -> bool {
        self.custom.contains_key("user")
    }

    /// `searchdomain`, the first of them.
    pub(super) fn search_domain(&self) -> Option<&str> {
        let mut lines = self.resolver.iter();
        let domains = lines.find_map(|line| line.strip_prefix(SEARCH))?;
        domains.split_whitespace().next()
    }

    /// Whether `nameserver` says any.
    pub(super) fn has_servers(&self) -> bool {
        self.resolver.iter().any(|line| !line.starts_with(SEARCH))
    }

    /// Changes when any of the settings that are applied to the guest changes.
    pub(super) fn settings_digest(&self) -> String {
        let mut hash = Sha256::new();
        let parts = [
            self.instance(),
            self.user.clone().unwrap_or_default(),
            self.ssh_keys.join("\n"),
            self.resolver.join("\n"),
            self.custom.values().cloned().collect::<Vec<_>>().join("\0"),
        ];
        for part in parts {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hex(&hash.finalize())
    }

    /// Writes the file.
    pub(super) fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| e.to_string())?;
        fs::write(path, text).map_err(|e| format!("cannot write `{}`: {e}", path.display()))
    }

    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path)
            .map_err(|e| format!("cannot read `{}`: {e}", path.display()))?;
        serde_json::from_str(&text).map_err(|e| format!("`{}`: {e}", path.display()))
    }
}

/// The identity of an instance.
pub(super) fn instance(vmid: u32, hostname: &str) -> String {
    format!("i-{vmid}-{hostname}")
}

/// The settings of `nameserver` and `searchdomain` as lines of `resolv.conf`.
pub(super) fn resolver(config: &BTreeMap<String, String>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(domain) = config.get("searchdomain") {
        lines.push(format!("{SEARCH}{domain}"));
    }
    if let Some(servers) = config.get("nameserver") {
        lines.extend(
            servers
                .split([' ', ',', ';'])
                .filter(|s| !s.is_empty())
                .map(|s| format!("nameserver {s}")),
        );
    }
    lines
}

/// A host name that every tool accepts, from a VM's name.
pub(super) fn hostname(spec: &GuestSpec) -> String {
    let name: String = spec
        .name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' || c == '.' {
                c
            } else {
                '-'
            }
        })
        .collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() {
        format!("vm-{}", spec.vmid)
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_as_proxmox_writes_them() {
        let a = Address::parse("ip=192.168.1.50/24,gw=192.168.1.1").unwrap();
        assert_eq!((a.ip.to_string().as_str(), a.prefix), ("192.168.1.50", 24));
        assert_eq!(a.peer().to_string(), "192.168.1.1");
        assert_eq!(Address::parse("ip=dhcp"), None);
        assert_eq!(Address::parse("ip6=auto"), None);
        assert_eq!(Address::parse("ip=10.0.0.1/99"), None);
    }

    #[test]
    fn the_peer_without_a_gateway_is_someone_else() {
        for ip in [
            "10.0.0.1/24",
            "10.0.0.2/24",
            "10.0.0.5/31",
            "10.0.0.5/32",
            "10.9.9.9/0",
        ] {
            let a = Address::parse(&format!("ip={ip}")).unwrap();
            assert_ne!(a.peer(), a.ip, "{ip}");
        }
    }

    #[test]
    fn names_become_hostnames() {
        let spec = |name: &str| GuestSpec {
            vmid: 7,
            name: name.to_owned(),
            ..GuestSpec::default()
        };
        assert_eq!(hostname(&spec("web 1_a")), "web-1-a");
        assert_eq!(hostname(&spec("..")), "vm-7");
    }
}
