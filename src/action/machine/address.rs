//! Which of a guest's addresses lead to it.
//!
//! `GET .../agent/network-get-interfaces` and, of a container, `GET .../interfaces`
//! list every interface of the guest, also those of its containers and bridges, whose
//! addresses are the same on every machine that runs them.

use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;

/// Interfaces that exist inside a guest only: loopback, container and
/// virtual-machine bridges, their ends, tunnels of clusters.
const INSIDE: &[&str] = &[
    "lo", "docker", "br-", "veth", "virbr", "cni", "flannel", "cali", "podman", "lxcbr", "lxdbr",
    "incusbr", "kube-", "nerdctl",
];

/// The agent's answer.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Interfaces {
    #[serde(default)]
    pub(super) result: Vec<Interface>,
}

impl Interfaces {
    /// Of the answer about a container: a list, or nothing when it does not run.
    pub(super) fn of_container(answer: Option<Vec<Interface>>) -> Self {
        let mut result = answer.unwrap_or_default();
        for interface in &mut result {
            // Before 8.1 there is no list of addresses, only the first one.
            if let (true, Some(cidr)) = (interface.addresses.is_empty(), &interface.inet) {
                let address = cidr.split('/').next().unwrap_or_default().to_owned();
                interface.addresses.push(Address { address });
            }
        }
        Self { result }
    }
}

/// One interface; everything may be absent (measured with `lo`).
#[derive(Debug, Default, Deserialize)]
pub(super) struct Interface {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "ip-addresses")]
    addresses: Vec<Address>,
    /// Of a container: the first IPv4 address with its prefix.
    #[serde(default)]
    inet: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Address {
    #[serde(default, rename = "ip-address")]
    address: String,
}

/// What a guest told, sorted by use.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// IPv4 addresses that lead to it, in the agent's order.
    pub(super) usable: Vec<String>,
    /// Others, with what they are on: `172.17.0.1 (docker0)`.
    pub(super) refused: Vec<String>,
}

impl Interfaces {
    /// Sorts the addresses; loopback's are not worth a word.
    pub(super) fn told(&self) -> Told {
        let mut told = Told::default();
        for interface in &self.result {
            for Address { address } in &interface.addresses {
                // fe80::1%eth0
                let bare = address.split('%').next().unwrap_or_default();
                match bare.parse::<IpAddr>() {
                    Ok(ip) if ip.is_loopback() => {}
                    Ok(IpAddr::V4(ip)) if leads(ip) && !is_inside(&interface.name) => {
                        told.usable.push(ip.to_string());
                    }
                    _ => told.refused.push(format!("{address} ({})", interface.name)),
                }
            }
        }
        told
    }
}

fn leads(ip: Ipv4Addr) -> bool {
    !(ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.is_multicast())
}

fn is_inside(name: &str) -> bool {
    INSIDE.iter().any(|prefix| match *prefix {
        "lo" => name == "lo",
        prefix => name.starts_with(prefix),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(value: serde_json::Value) -> Told {
        serde_json::from_value::<Interfaces>(value).unwrap().told()
    }

    #[test]
    fn what_is_inside_a_guest_does_not_lead_to_it() {
        let all = told(json!({"result": [
            {"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1", "prefix": 8}, {"ip-address": "::1"}]},
            {"name": "docker0", "ip-addresses": [{"ip-address": "172.17.0.1"}]},
            {"name": "br-4f1c2d", "ip-addresses": [{"ip-address": "172.18.0.1"}]},
            {"name": "veth12ab", "ip-addresses": [{"ip-address": "169.254.9.9"}]},
            {"name": "eth0", "ip-addresses": [
                {"ip-address": "fe80::1%eth0"}, {"ip-address": "169.254.7.7"}, {"ip-address": "192.168.1.51"}]},
            // A hypervisor in a guest is reached at its bridge.
            {"name": "vmbr0", "ip-addresses": [{"ip-address": "192.168.1.60", "ip-address-type": "ipv4"}]},
            {"name": "eth1"},
        ]}));
        assert_eq!(all.usable, ["192.168.1.51", "192.168.1.60"]);
        assert_eq!(
            all.refused,
            [
                "172.17.0.1 (docker0)",
                "172.18.0.1 (br-4f1c2d)",
                "169.254.9.9 (veth12ab)",
                "fe80::1%eth0 (eth0)",
                "169.254.7.7 (eth0)"
            ]
        );
    }

    #[test]
    fn a_container_tells_a_list_or_one_address_each() {
        let told = |value: serde_json::Value| {
            let answer = serde_json::from_value(value).unwrap();
            Interfaces::of_container(answer).told()
        };
        let all = told(json!([
            {"name": "lo", "inet": "127.0.0.1/8", "hwaddr": "00:00:00:00:00:00"},
            {"name": "eth0", "inet": "192.168.1.60/24", "ip-addresses": [
                {"ip-address": "192.168.1.60", "ip-address-type": "inet", "prefix": 24},
                {"ip-address": "fe80::1", "ip-address-type": "inet6", "prefix": 64}]},
            {"name": "eth1", "inet": "10.0.0.5/24"},
            {"name": "docker0", "inet": "172.17.0.1/16"},
        ]));
        assert_eq!(all.usable, ["192.168.1.60", "10.0.0.5"]);
        assert_eq!(told(json!(null)), Told::default());
    }

    #[test]
    fn an_agent_may_say_little() {
        assert_eq!(told(json!({"result": []})), Told::default());
        assert_eq!(told(json!({})), Told::default());
        let odd = told(json!({"result": [{"ip-addresses": [{"ip-address": "x"}, {}]}]}));
        assert!(odd.usable.is_empty() && odd.refused.len() == 2);
    }
}
