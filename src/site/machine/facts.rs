//! What a machine said, and the host file that follows from it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::site::secrets::Secrets;

/// Bridges that programs make for guests of their own.
const OTHERS: [&str; 8] = [
    "docker", "br-", "virbr", "lxcbr", "lxdbr", "fwbr", "cni", "podman",
];
/// Ports that belong to guests.
const GUESTS: [&str; 5] = ["tap", "veth", "fwpr", "vnet", "fwln"];

/// The lines of `look.sh`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Host name without its domain.
    pub name: String,
    domain: Option<String>,
    user: Option<String>,
    cores: Option<u64>,
    memory_kb: Option<u64>,
    /// Name, kind, ports; in the order of the system.
    links: Vec<(String, &'static str, Vec<String>)>,
    addresses: BTreeMap<String, String>,
    gateway: Option<(String, String)>,
    pools: Vec<Pool>,
    ssh_port: Option<u16>,
    root_login: Option<String>,
    password: Option<String>,
    keys: Vec<String>,
}

/// `hosts/HOST.yaml`
#[derive(Debug, Clone, Serialize)]
pub struct HostFile {
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(skip_serializing_if = "Network::is_empty")]
    network: Network,
    #[serde(skip_serializing_if = "Storage::is_empty")]
    storage: Storage,
    #[serde(skip_serializing_if = "Hardware::is_empty")]
    hardware: Hardware,
    access: Access,
    #[serde(skip_serializing_if = "Ssh::is_empty")]
    ssh: Ssh,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Network {
    interfaces: BTreeMap<String, Interface>,
}

#[derive(Debug, Clone, Serialize)]
struct Interface {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Storage {
    zfs_pools: Vec<Pool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Pool {
    name: String,
    devices: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Hardware {
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_cores: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_gb: Option<u64>,
}

#[derive(Debug, Clone, Serialize)]
struct Access {
    #[serde(skip_serializing_if = "Option::is_none")]
    ssh_user: Option<String>,
    ssh_port: u16,
    authorized_keys: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Ssh {
    #[serde(skip_serializing_if = "Option::is_none")]
    permit_root_login: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_authentication: Option<String>,
}

impl Network {
    fn is_empty(&self) -> bool {
        self.interfaces.is_empty()
    }
}

impl Storage {
    fn is_empty(&self) -> bool {
        self.zfs_pools.is_empty()
    }
}

impl Hardware {
    fn is_empty(&self) -> bool {
        self.cpu_cores.is_none() && self.memory_gb.is_none()
    }
}

impl Ssh {
    fn is_empty(&self) -> bool {
        self.permit_root_login.is_none() && self.password_authentication.is_none()
    }
}

impl Facts {
    /// Reads the lines; what is not known here is left out.
    pub fn read(text: &str) -> Self {
        let mut facts = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once('\t') else {
                continue;
            };
            let value: String = value.chars().filter(|c| !c.is_control()).collect();
            let mut words = value.split_whitespace().map(str::to_owned);
            let first = words.next();
            match (key, first) {
                ("name", Some(name)) => facts.name = name,
                ("domain", domain) => facts.domain = domain,
                ("user", user) => facts.user = user,
                ("cores", Some(number)) => facts.cores = number.parse().ok(),
                ("memory_kb", Some(number)) => facts.memory_kb = number.parse().ok(),
                ("bridge", Some(name)) => facts.links.push((name, "bridge", words.collect())),
                ("bond", Some(name)) => facts.links.push((name, "bond", Vec::new())),
                ("ethernet", Some(name)) => facts.links.push((name, "ethernet", Vec::new())),
                ("address", Some(name)) => {
                    if let Some(address) = words.next() {
                        // The first one is the main one.
                        facts.addresses.entry(name).or_insert(address);
                    }
                }
                ("gateway", Some(name)) if facts.gateway.is_none() => {
                    facts.gateway = words.next().map(|gateway| (name, gateway));
                }
                ("pool", Some(name)) => facts.pools.push(Pool {
                    name,
                    devices: Vec::new(),
                }),
                ("device", Some(name)) => {
                    let pool = facts.pools.iter_mut().find(|pool| pool.name == name);
                    if let (Some(pool), Some(device)) = (pool, words.next()) {
                        pool.devices.push(device);
                    }
                }
                ("ssh_port", Some(port)) => facts.ssh_port = port.parse().ok(),
                ("sshd_port", Some(port)) if facts.ssh_port.is_none() => {
                    facts.ssh_port = port.parse().ok();
                }
                ("root_login", Some(word)) => {
                    // Its old name.
                    facts.root_login = Some(if word == "without-password" {
                        "prohibit-password".to_owned()
                    } else {
                        word
                    });
                }
                ("password", word) => facts.password = word,
                ("key", _) => facts.keys.push(value),
                _ => {}
            }
        }
        facts
    }

    /// The host file. `secrets` give the names of the keys that may log in.
    pub fn host_file(&self, name: &str, secrets: Option<&Secrets>) -> HostFile {
        let gateway = |link: &str| {
            let (of, gateway) = self.gateway.as_ref()?;
            (of == link).then(|| gateway.clone())
        };
        let joined: Vec<&String> = self.links.iter().flat_map(|(_, _, ports)| ports).collect();
        let interfaces: BTreeMap<String, Interface> = self
            .links
            .iter()
            .filter(|(name, kind, _)| {
                !begins(name, &OTHERS)
                    && !joined.contains(&name)
                    && (*kind == "bridge" || self.addresses.contains_key(name))
            })
            .map(|(name, kind, ports)| {
                let own = ports.iter().filter(|port| !begins(port, &GUESTS));
                let interface = Interface {
                    kind,
                    ports: own.cloned().collect(),
                    address: self.addresses.get(name).cloned(),
                    gateway: gateway(name),
                };
                (name.clone(), interface)
            })
            .collect();
        let main = self.gateway.as_ref().map(|(name, _)| name.as_str());
        let ip = ["vmbr0"]
            .into_iter()
            .chain(main)
            .chain(interfaces.keys().map(String::as_str))
            .find_map(|link| self.addresses.get(link))
            .and_then(|address| address.split('/').next())
            .map(str::to_owned);
        HostFile {
            host: name.to_owned(),
            domain: self.domain.clone(),
            ip,
            network: Network { interfaces },
            storage: Storage {
                zfs_pools: self.pools.clone(),
            },
            hardware: Hardware {
                cpu_cores: self.cores,
                // The kernel keeps a part for itself.
                memory_gb: self.memory_kb.map(|kb| kb.div_ceil(1 << 20)),
            },
            access: Access {
                ssh_user: self.user.clone(),
                ssh_port: self.ssh_port.unwrap_or(22),
                authorized_keys: secrets.map_or_else(Vec::new, |secrets| self.known_keys(secrets)),
            },
            ssh: Ssh {
                permit_root_login: self.root_login.clone(),
                password_authentication: self.password.clone(),
            },
        }
    }

    /// Names in `ssh_keys` of the keys that may log in.
    fn known_keys(&self, secrets: &Secrets) -> Vec<String> {
        let lines: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        let allowed = |key: &str| {
            // Options may stand before a key, a comment behind it.
            key.split_whitespace().nth(1).is_some_and(|blob| {
                lines
                    .iter()
                    .any(|line| line.split_whitespace().any(|w| w == blob))
            })
        };
        secrets
            .ssh_keys
            .iter()
            .filter(|(_, key)| allowed(key.reveal()))
            .map(|(name, _)| name.to_owned())
            .collect()
    }
}

fn begins(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;

    const SAID: &str = "name\tkestrel\ndomain\torchard.example\nuser\troot\ncores\t16\nmemory_kb\t65739852\n\
        bridge\tvmbr0 enp1s0 tap100i0\naddress\tvmbr0 192.0.2.10/24\naddress\tvmbr0 192.0.2.11/24\n\
        bridge\tdocker0 veth1\naddress\tdocker0 172.17.0.1/16\nethernet\tenp1s0\nethernet\teno2\n\
        gateway\tvmbr0 192.0.2.1\npool\ttank\ndevice\ttank nvme0n1\nsshd_port\t2222\n\
        root_login\twithout-password\npassword\tno\nkey\tssh-ed25519 AAAA1 ana@desk\nkey\tfrom=\"x\" ssh-rsa AAAA3 z\nnonsense\n";

    #[test]
    fn a_host_is_what_the_machine_said() {
        let secrets = Secrets::parse(Source::new(
            "s",
            "ssh_keys:\n  ana@desk: ssh-ed25519 AAAA1 other\n  b@c: ssh-rsa AAAA2\n  d@e: ssh-rsa AAAA3\n",
        ))
        .unwrap();
        let file = Facts::read(SAID).host_file("kestrel", Some(&secrets));
        insta::assert_snapshot!(serde_saphyr::to_string(&file).unwrap());
    }

    #[test]
    fn a_machine_that_says_little_is_a_host_too() {
        let file = Facts::read("name\tx\n").host_file("x", None);
        let text = serde_saphyr::to_string(&file).unwrap();
        assert_eq!(
            text,
            "host: x\naccess:\n  ssh_port: 22\n  authorized_keys: []\n"
        );
    }
}
