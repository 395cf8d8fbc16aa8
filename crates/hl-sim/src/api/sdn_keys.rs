//! What the objects of SDN may say.

use crate::kind::Kind::{Bool, Enum, Int, Like, List, Text};
use crate::names;
use crate::params::{Param, opt};

pub(super) const ZONE: &[Param] = &[
    opt("advertise-subnets", Bool),
    opt("bridge", Text),
    opt("controller", Text),
    opt("delete", Text),
    opt("dhcp", Enum(&["dnsmasq"])),
    opt("digest", Text),
    opt("disable-arp-nd-suppression", Bool),
    opt("dns", Text),
    opt("dnszone", Text),
    opt("exitnodes", Text),
    opt("exitnodes-local-routing", Bool),
    opt("exitnodes-primary", Text),
    opt("fabric", Text),
    opt("ipam", Text),
    opt("lock-token", Text),
    opt("mac", Text),
    opt("mtu", Int(0, 65_520)),
    opt("nodes", Text),
    opt("peers", Text),
    opt("reversedns", Text),
    opt("rt-import", Text),
    opt("tag", Int(0, 4096)),
    opt(
        "type",
        Enum(&["simple", "vlan", "qinq", "vxlan", "evpn", "faucet"]),
    ),
    opt("vlan-protocol", Enum(&["802.1q", "802.1ad"])),
    opt("vrf-vxlan", Int(1, 16_777_215)),
    opt("vxlan-port", Int(1, 65_535)),
    opt("zone", Like(zone_id)),
];
pub(super) const VNET: &[Param] = &[
    opt("alias", Text),
    opt("delete", Text),
    opt("digest", Text),
    opt("isolate-ports", Bool),
    opt("lock-token", Text),
    opt("tag", Int(1, 16_777_215)),
    opt("type", Enum(&["vnet"])),
    opt("vlanaware", Bool),
    opt("vnet", Like(vnet_id)),
    opt("zone", Text),
];
pub(super) const SUBNET: &[Param] = &[
    opt("delete", Text),
    opt("dhcp-dns-server", Text),
    opt("dhcp-range", List),
    opt("digest", Text),
    opt("dnszoneprefix", Text),
    opt("gateway", Text),
    opt("lock-token", Text),
    opt("snat", Bool),
    opt("subnet", Text),
    opt("type", Enum(&["subnet"])),
];
pub(super) const CONTROLLER: &[Param] = &[
    opt("asn", Int(0, 4_294_967_296)),
    opt("bgp-multipath-as-path-relax", Bool),
    opt("controller", Like(names::config_id)),
    opt("delete", Text),
    opt("digest", Text),
    opt("ebgp", Bool),
    opt("ebgp-multihop", Int(0, 255)),
    opt("fabric", Text),
    opt("isis-domain", Text),
    opt("isis-ifaces", Text),
    opt("isis-net", Text),
    opt("lock-token", Text),
    opt("loopback", Text),
    opt("node", Text),
    opt("peers", Text),
    opt("type", Enum(&["evpn", "bgp", "isis", "faucet"])),
];
pub(super) const DNS: &[Param] = &[
    opt("delete", Text),
    opt("digest", Text),
    opt("dns", Like(names::config_id)),
    opt("key", Text),
    opt("lock-token", Text),
    opt("ttl", Int(1, i64::MAX)),
    opt("type", Enum(&["powerdns"])),
    opt("url", Text),
];
pub(super) const IPAM: &[Param] = &[
    opt("delete", Text),
    opt("digest", Text),
    opt("ipam", Like(names::config_id)),
    opt("lock-token", Text),
    opt("section", Int(0, i64::MAX)),
    opt("token", Text),
    opt("type", Enum(&["netbox", "phpipam", "pve"])),
    opt("url", Text),
];
fn zone_id(text: &str) -> Result<(), String> {
    short_id(text, "zone")
}

fn vnet_id(text: &str) -> Result<(), String> {
    short_id(text, "vnet")
}

fn short_id(text: &str, what: &str) -> Result<(), String> {
    let fits = text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric());
    if !fits {
        return Err(format!(
            "invalid format - {what} ID '{text}' contains illegal characters"
        ));
    }
    if text.len() > 8 {
        return Err(format!(
            "{what} ID '{text}' can't be more length than 8 characters"
        ));
    }
    Ok(())
}
