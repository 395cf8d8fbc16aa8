//! Network cards in the words of both kinds of guests: a VM's begins with its model, a
//! container's has a name and its addresses.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::drive::{Net, flags, is_mac, joined, known, properties};
use super::names;
use super::vm::{GuestKind, Vm};

const OPTIONS: &str = "bridge gw gw6 ip ip6 mtu name rate tag trunks";
const FLAGS: &str = "firewall host-managed link_down";

/// What all cards of containers are.
const VETH: &str = "veth";

/// Reads a card; of a container's, `model` is `veth` and the name an option.
pub(super) fn parse(kind: GuestKind, text: &str) -> Result<Net, String> {
    if kind == GuestKind::Qemu {
        return Net::parse(text);
    }
    let mut options = all_named(text, "name")?;
    match options.remove("type").as_deref() {
        None | Some(VETH) => {}
        Some(other) => {
            return Err(format!(
                "type: value '{other}' does not have a value in the enumeration '{VETH}'"
            ));
        }
    }
    let mac = options.remove("hwaddr").filter(|mac| !mac.is_empty());
    if let Some(mac) = &mac
        && !is_mac(mac)
    {
        return Err(format!(
            "hwaddr: invalid format - value does not look like a valid unicast MAC address: {mac}"
        ));
    }
    flags(&mut options, FLAGS)?;
    known(&options, &[OPTIONS, FLAGS])?;
    if !options.contains_key("name") {
        return Err("name: property is missing and it is not optional".to_owned());
    }
    for (name, value) in &options {
        option(name, value).map_err(|text| format!("{name}: {text}"))?;
    }
    Ok(Net {
        model: VETH.to_owned(),
        mac,
        options,
    })
}

/// The parts of a property string all of which have names.
pub(super) fn all_named(text: &str, required: &str) -> Result<BTreeMap<String, String>, String> {
    let options = properties(text, "", required)?;
    if options.contains_key("") {
        return Err("value without key, but schema does not define a default key".to_owned());
    }
    Ok(options)
}

/// As the config holds it.
pub(super) fn print(kind: GuestKind, card: &Net) -> String {
    if kind == GuestKind::Qemu {
        return card.print();
    }
    let mut rest: BTreeMap<String, String> = card.options.clone();
    let name = rest.remove("name").unwrap_or_default();
    rest.extend(card.mac.clone().map(|mac| ("hwaddr".to_owned(), mac)));
    rest.insert("type".to_owned(), VETH.to_owned());
    joined(format!("name={name}"), &rest)
}

/// The first card of a guest, `net0`, if it has one.
pub(super) fn first(vm: &Vm) -> Option<Net> {
    parse(vm.kind, vm.config.get("net0")?).ok()
}

/// Whether an option of a container's card holds what it may.
fn option(name: &str, value: &str) -> Result<(), String> {
    let between = |least: u32, most: u32| match value.parse::<u32>() {
        Ok(number) if number < least => Err(format!("value must have a minimum value of {least}")),
        Ok(number) if number > most => Err(format!("value must have a maximum value of {most}")),
        Ok(_) => Ok(()),
        Err(_) => Err(format!("type check ('integer') failed - got '{value}'")),
    };
    let fits = match name {
        "name" | "bridge" => value
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')),
        "ip" => matches!(value, "dhcp" | "manual") || names::is_cidr::<Ipv4Addr>(value, 32),
        "ip6" => {
            matches!(value, "auto" | "dhcp" | "manual") || names::is_cidr::<Ipv6Addr>(value, 128)
        }
        "gw" => value.parse::<Ipv4Addr>().is_ok(),
        "gw6" => value.parse::<Ipv6Addr>().is_ok(),
        "mtu" => return between(64, 65_535),
        "tag" => return between(1, 4094),
        "rate" => value.parse::<f64>().is_ok(),
        "trunks" => value.split(';').all(|tag| tag.parse::<u32>().is_ok()),
        _ => true,
    };
    if fits && !value.is_empty() {
        return Ok(());
    }
    Err(format!(
        "invalid format - value does not look like a valid {name}: {value}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CT: GuestKind = GuestKind::Lxc;

    #[test]
    fn a_containers_card_is_printed_as_a_node_does() {
        let given = "bridge=vmbr0,firewall=yes,ip=10.0.0.5/24,gw=10.0.0.1,name=eth0,rate=1.50";
        let mut card = parse(CT, given).unwrap();
        assert_eq!(card.bridge(), Some("vmbr0"));
        card.mac = Some("BC:24:11:00:00:01".to_owned());
        let text = print(CT, &card);
        assert_eq!(
            text,
            "name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr=BC:24:11:00:00:01,\
             ip=10.0.0.5/24,rate=1.50,type=veth"
        );
        assert_eq!(parse(CT, &text).unwrap(), card);
        let vm = parse(GuestKind::Qemu, "virtio,bridge=vmbr0").unwrap();
        assert_eq!(print(GuestKind::Qemu, &vm), "virtio,bridge=vmbr0");
    }

    #[test]
    fn what_no_card_of_a_container_is() {
        for text in [
            "",
            "bridge=vmbr0",
            "virtio,bridge=vmbr0,model=virtio",
            "name=eth0,ip=10.0.0.5",
            "name=eth0,ip=auto",
            "name=eth0,ip6=10.0.0.5/24",
            "name=eth0,gw=here",
            "name=eth0,tag=4095",
            "name=eth0,mtu=9",
            "name=eth0,hwaddr=01:00:00:00:00:00",
            "name=eth0,type=phys",
            "name=eth0,wings=2",
            "name=eth 0",
            "eth0,ip=dhcp",
        ] {
            assert!(parse(CT, text).is_err(), "{text}");
        }
        for text in [
            "name=eth0",
            "name=eth0,ip=dhcp,ip6=auto",
            "ip=manual,name=eth0",
        ] {
            parse(CT, text).unwrap();
        }
    }
}
