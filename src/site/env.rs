//! An environment: the machines that `site/envs/ENV.yaml` asks for.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;
use serde::{Serialize, Serializer};

/// An environment, checked: names, vmids and addresses are unique.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Env {
    /// The file's stem.
    pub name: String,
    /// In the order of the file.
    pub vms: Vec<Vm>,
}

impl Env {
    /// The virtual machine of that name.
    pub fn vm(&self, name: &str) -> Option<&Vm> {
        self.vms.iter().find(|vm| vm.name == name)
    }
}

/// What a machine is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineKind {
    /// A virtual machine.
    #[default]
    Vm,
    /// A container.
    Ct,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vm {
    /// Name and host name: a DNS label.
    pub name: String,
    /// What it is.
    pub kind: MachineKind,
    /// The template of L1 it is cloned from; of a container, a template of the node's.
    pub image: String,
    /// Its id on the cluster, 100 or more; absent: one that is free.
    pub vmid: Option<u32>,
    /// Virtual CPUs.
    pub cores: u32,
    /// Memory in MB.
    pub memory: u64,
    /// Size of its disk in GB.
    pub disk: u64,
    /// Its address.
    pub ip: Ip,
    /// Where it sends what is not for its own network.
    pub gateway: Option<Ipv4Addr>,
    /// The bridge; absent: `PVE_BRIDGE`.
    pub bridge: Option<String>,
    /// Tags on the node, beside those that `hl` gives.
    pub tags: Vec<String>,
    /// Groups in the inventory of L3 and L4.
    pub groups: Vec<String>,
    /// Packages that L3 installs on it.
    pub packages: Vec<String>,
    /// Of a container: what it may do that others may not, as `nesting`.
    pub features: Vec<String>,
}

/// How a virtual machine gets its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ip {
    /// From the network.
    Dhcp,
    /// Fixed.
    Static(Cidr),
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp => f.write_str("dhcp"),
            Self::Static(cidr) => cidr.fmt(f),
        }
    }
}

impl Serialize for Ip {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A host's address with the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    /// The address.
    pub address: Ipv4Addr,
    /// 0 to 32.
    pub prefix: u8,
}

impl Cidr {
    /// Whether another address is in the same network.
    pub fn contains(self, other: Ipv4Addr) -> bool {
        self.network().contains(&other)
    }

    /// Whether this is an address that a host can have: neither the network's
    /// own nor its broadcast address.
    pub fn is_host(self) -> bool {
        let network = self.network();
        self.prefix >= 31 || ![network.network(), network.broadcast()].contains(&self.address)
    }

    fn network(self) -> Ipv4Net {
        Ipv4Net::new(self.address, self.prefix).unwrap_or_default()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    /// What is wrong, to be put behind the value.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((address, prefix)) = text.split_once('/') else {
            let hint = text.parse::<Ipv4Addr>().is_ok();
            let example = if hint { text } else { "192.168.1.51" };
            return Err(format!(
                "expected an address with its prefix such as `{example}/24`, or `dhcp`"
            ));
        };
        let address = address
            .parse()
            .map_err(|_| format!("`{address}` is not an IPv4 address"))?;
        let prefix = Some(prefix)
            .filter(|prefix| prefix.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|prefix| prefix.parse().ok())
            .filter(|prefix| *prefix <= 32)
            .ok_or_else(|| format!("prefix `{prefix}` is not a number from 0 to 32"))?;
        Ok(Self { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_of_networks_are_not_hosts() {
        let host = |text: &str| text.parse::<Cidr>().unwrap().is_host();
        assert!(host("10.0.0.1/24") && host("10.0.0.0/32") && host("10.0.0.0/31"));
        assert!(!host("10.0.0.0/24") && !host("10.0.0.255/24") && !host("0.0.0.0/0"));
    }

    proptest! {
        #[test]
        fn a_cidr_reads_back_and_holds_itself(bits: u32, prefix in 0u8..=32) {
            let cidr = Cidr { address: Ipv4Addr::from_bits(bits), prefix };
            prop_assert_eq!(cidr.to_string().parse::<Cidr>().unwrap(), cidr);
            prop_assert!(cidr.contains(cidr.address));
            let other = Ipv4Addr::from_bits(bits ^ 1 << 31);
            prop_assert_eq!(cidr.contains(other), prefix == 0);
        }

        #[test]
        fn nonsense_never_panics(text in "\\PC{0,20}") {
            if let Ok(cidr) = text.parse::<Cidr>() {
                prop_assert!(cidr.prefix <= 32);
            }
        }
    }
}
