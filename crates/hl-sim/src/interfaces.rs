//! The network interfaces of a node: those it has, and those it is to have.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::fields::Fields;
use super::words;
use super::world::{Bridge, Interface, Node};

/// Keys that the API gives back as numbers.
const NUMBERS: &str = "autostart bridge_vlan_aware ovs_tag";

impl Interface {
    /// What kind it is: `bridge`, `eth`, `vlan` ...
    pub(super) fn kind(&self) -> &str {
        self.get("type").unwrap_or("unknown")
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    /// Whether guests can be on it.
    pub(super) fn is_bridge(&self) -> bool {
        matches!(self.kind(), "bridge" | "OVSBridge")
    }

    /// As the API gives it; `priority` is its place in the file.
    pub(super) fn shown(&self, priority: usize) -> Map<String, Value> {
        let mut shown = Map::new();
        for (key, text) in &self.keys {
            let value = match text.parse::<i64>() {
                Ok(number) if words::has(NUMBERS, key) => json!(number),
                _ => json!(text),
            };
            shown.insert(key.clone(), value);
        }
        let mut families = Vec::new();
        for (family, end) in [("inet", ""), ("inet6", "6")] {
            let address = self
                .get(&format!("cidr{end}"))
                .and_then(|cidr| cidr.split_once('/'));
            if let Some((address, prefix)) = address {
                shown.insert(format!("address{end}"), json!(address));
                shown.insert(format!("netmask{end}"), json!(prefix));
            }
            if address.is_some() || family == "inet" {
                families.push(family);
            }
            let method = if address.is_some() {
                "static"
            } else {
                "manual"
            };
            shown.insert(format!("method{end}"), json!(method));
        }
        shown.insert("families".to_owned(), json!(families));
        shown.insert("priority".to_owned(), json!(priority));
        if self.active {
            // The node leaves the key out when it is down.
            shown.insert("active".to_owned(), json!(1));
        }
        if self.kind() == "eth" {
            shown.insert("exists".to_owned(), json!(1));
        }
        shown
    }

    /// What the node's file says of it.
    fn print(&self) -> String {
        let mut text = String::new();
        if self.get("autostart") == Some("1") {
            writeln!(text, "auto {}", self.name).ok();
        }
        let method = if self.keys.contains_key("cidr") {
            "static"
        } else {
            "manual"
        };
        writeln!(text, "iface {} inet {method}", self.name).ok();
        for (key, value) in &self.keys {
            match key.as_str() {
                "type" | "autostart" | "comments" | "comments6" => {}
                "cidr" => {
                    writeln!(text, "\taddress {value}").ok();
                }
                _ => {
                    writeln!(text, "\t{} {value}", key.replace('_', "-")).ok();
                }
            }
        }
        for line in self.get("comments").unwrap_or_default().lines() {
            writeln!(text, "#{line}").ok();
        }
        text.push('\n');
        text
    }
}

impl Node {
    /// Its interfaces as they are.
    pub(super) fn current(&self) -> Vec<Interface> {
        if !self.interfaces.is_empty() {
            return self.interfaces.clone();
        }
        let mut found = Vec::new();
        for (place, bridge) in self.bridges.iter().enumerate() {
            let port = format!("nic{place}");
            let mut keys = words_of(&[
                ("type", "bridge"),
                ("autostart", "1"),
                ("bridge_ports", &port),
                ("bridge_stp", "off"),
                ("bridge_fd", "0"),
            ]);
            for (key, value) in [("cidr", &bridge.cidr), ("gateway", &bridge.gateway)] {
                keys.extend(value.as_ref().map(|value| (key.to_owned(), value.clone())));
            }
            found.push(Interface {
                name: bridge.name.clone(),
                active: bridge.active,
                keys,
            });
            found.push(Interface {
                name: port,
                active: true,
                keys: words_of(&[("type", "eth")]),
            });
        }
        found
    }

    /// Its interfaces as they are to be.
    pub(super) fn planned(&self) -> Vec<Interface> {
        self.pending.clone().unwrap_or_else(|| self.current())
    }

    /// Makes them what they are to be; guests find the bridges that there are then.
    pub(super) fn apply(&mut self) {
        let Some(mut planned) = self.pending.take() else {
            return;
        };
        let mut bridges = Vec::new();
        for interface in &mut planned {
            let before = self
                .bridges
                .iter()
                .find(|bridge| bridge.name == interface.name);
            interface.active = before.is_none_or(|bridge| bridge.active);
            if interface.is_bridge() {
                bridges.push(Bridge {
                    name: interface.name.clone(),
                    cidr: interface.get("cidr").map(str::to_owned),
                    gateway: interface.get("gateway").map(str::to_owned),
                    active: interface.active,
                });
            }
        }
        self.bridges = bridges;
        self.interfaces = planned;
    }

    /// How the file is to change, if it is.
    pub(super) fn changes(&self) -> Option<String> {
        let print = |all: &[Interface]| all.iter().map(Interface::print).collect::<String>();
        let (old, new) = (print(&self.current()), print(self.pending.as_ref()?));
        (old != new).then(|| difference(&old, &new))
    }
}

fn words_of(pairs: &[(&str, &str)]) -> Fields {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// A unified difference of one hunk.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let head = old.iter().zip(&new).take_while(same).count();
    let most = old.len().min(new.len()) - head;
    let tail = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(most)
        .take_while(same)
        .count();
    let mut text = format!(
        "--- /etc/network/interfaces\n+++ /etc/network/interfaces.new\n@@ -1,{} +1,{} @@\n",
        old.len(),
        new.len()
    );
    let mut put = |mark: char, lines: &mut dyn Iterator<Item = &&str>| {
        for line in lines {
            writeln!(text, "{mark}{line}").ok();
        }
    };
    put(' ', &mut old.iter().take(head));
    put(
        '-',
        &mut old.iter().skip(head).take(old.len() - head - tail),
    );
    put(
        '+',
        &mut new.iter().skip(head).take(new.len() - head - tail),
    );
    put(' ', &mut old.iter().skip(old.len() - tail));
    text
}

/// Brings what a client says of an interface into the form that is kept, and refuses
/// what cannot be beside the others.
pub(super) fn normal(
    name: &str,
    mut keys: Fields,
    others: &[Interface],
) -> Result<Interface, ApiError> {
    for end in ["", "6"] {
        let [address, netmask, cidr] =
            ["address", "netmask", "cidr"].map(|key| format!("{key}{end}"));
        match (
            keys.remove(&address),
            keys.remove(&netmask),
            keys.contains_key(&cidr),
        ) {
            (Some(_), _, true) => {
                return Err(ApiError::param(
                    &address,
                    format!("{address} conflicts with {cidr}"),
                ));
            }
            (None, Some(_), true) => {
                return Err(ApiError::param(
                    &netmask,
                    format!("{netmask} conflicts with {cidr}"),
                ));
            }
            (Some(_), None, _) => return Err(requires(&netmask, &address)),
            (None, Some(_), false) => return Err(requires(&address, &netmask)),
            (Some(own), Some(mask), false) => {
                keys.insert(cidr, format!("{own}/{}", prefix(&mask)));
            }
            (None, None, _) => {}
        }
    }
    if keys.get("type").is_some_and(|kind| kind == "vlan")
        && let Some((device, tag)) = name.rsplit_once('.')
    {
        keys.insert("vlan-raw-device".to_owned(), device.to_owned());
        keys.insert("vlan-id".to_owned(), tag.to_owned());
    }
    if keys.get("type").is_some_and(|kind| kind == "bridge") {
        for (key, value) in [
            ("bridge_ports", ""),
            ("bridge_stp", "off"),
            ("bridge_fd", "0"),
        ] {
            keys.entry(key.to_owned())
                .or_insert_with(|| value.to_owned());
        }
    }
    if let Some(text) = keys
        .get_mut("comments")
        .filter(|text| !text.ends_with('\n'))
    {
        text.push('\n');
    }
    for key in ["gateway", "gateway6"] {
        let other = others.iter().find(|other| other.keys.contains_key(key));
        if let (true, Some(other)) = (keys.contains_key(key), other) {
            let text = format!(
                "Default gateway already exists on interface '{}'.",
                other.name
            );
            return Err(ApiError::param(key, text));
        }
    }
    for key in ["bridge_ports", "slaves"] {
        let own = ports(keys.get(key).map_or("", String::as_str));
        for other in others {
            let taken =
                ["bridge_ports", "slaves"].map(|key| ports(other.get(key).unwrap_or_default()));
            if let Some(port) = own
                .iter()
                .find(|port| taken.iter().any(|ports| ports.contains(*port)))
            {
                let text = format!("{port} is already used on interface '{}'.", other.name);
                return Err(ApiError::param(key, text));
            }
        }
    }
    if keys
        .get("bridge_vids")
        .is_some_and(|text| ports(text).is_empty())
    {
        return Err(ApiError::param("bridge_vids", "VLAN list items are empty"));
    }
    Ok(Interface {
        name: name.to_owned(),
        active: false,
        keys,
    })
}

fn requires(missing: &str, given: &str) -> ApiError {
    let text = format!("missing property - '{given}' requires this property");
    ApiError::param(missing, text)
}

fn ports(text: &str) -> BTreeSet<&str> {
    super::params::parts(text).into_iter().collect()
}

/// `255.255.255.0` as `24`.
fn prefix(mask: &str) -> String {
    match mask.parse::<Ipv4Addr>() {
        Ok(mask) => u32::from(mask).leading_ones().to_string(),
        Err(_) => mask.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(
        name: &str,
        pairs: &[(&str, &str)],
        others: &[Interface],
    ) -> Result<Interface, ApiError> {
        normal(name, words_of(pairs), others)
    }

    #[test]
    fn what_clients_say_becomes_one_form() {
        let pairs = [
            ("type", "bridge"),
            ("address", "10.0.0.1"),
            ("netmask", "255.255.255.0"),
        ];
        let one = make("vmbr1", &pairs, &[]).unwrap();
        assert_eq!(one.get("cidr"), Some("10.0.0.1/24"));
        let shown = one.shown(7);
        assert_eq!(
            (&shown["address"], &shown["netmask"]),
            (&json!("10.0.0.1"), &json!("24"))
        );
        assert_eq!(
            (&shown["method"], &shown["method6"]),
            (&json!("static"), &json!("manual"))
        );
        assert_eq!(shown["bridge_stp"], "off");
        assert!(!shown.contains_key("active"), "it is only planned");
        let vlan = make("eno1.5", &[("type", "vlan"), ("mtu", "1400")], &[]).unwrap();
        assert_eq!(vlan.shown(1)["vlan-id"], "5");
        assert_eq!(vlan.shown(1)["mtu"], "1400", "texts, as the node has them");
        assert_eq!(vlan.get("vlan-raw-device"), Some("eno1"));
    }

    #[test]
    fn what_cannot_be_beside_the_others() {
        let first = [
            ("type", "bridge"),
            ("bridge_ports", "eno1"),
            ("gateway", "10.0.0.254"),
        ];
        let others = [make("vmbr0", &first, &[]).unwrap()];
        let refused = |pairs: &[(&str, &str)]| make("vmbr1", pairs, &others).unwrap_err().errors;
        assert_eq!(
            refused(&[("bridge_ports", "eno2 eno1")])["bridge_ports"],
            "eno1 is already used on interface 'vmbr0'."
        );
        assert_eq!(
            refused(&[("gateway", "10.0.0.1")])["gateway"],
            "Default gateway already exists on interface 'vmbr0'."
        );
        assert_eq!(
            refused(&[("address", "10.0.0.1")])["netmask"],
            "missing property - 'address' requires this property"
        );
        assert_eq!(
            refused(&[("address", "10.0.0.1"), ("cidr", "10.0.0.1/8")])["address"],
            "address conflicts with cidr"
        );
        assert_eq!(
            refused(&[("bridge_vids", "")])["bridge_vids"],
            "VLAN list items are empty"
        );
    }

    #[test]
    fn a_difference_is_one_hunk() {
        assert_eq!(
            difference("a\nb\nc\n", "a\nx\ny\nc\n"),
            "--- /etc/network/interfaces\n+++ /etc/network/interfaces.new\n@@ -1,3 +1,4 @@\n a\n-b\n+x\n+y\n c\n"
        );
    }
}
