//! `/nodes/N/network`: interfaces are planned, and then applied.

use serde_json::{Value, json};

use super::node::node;
use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::fields::{self, Fields};
use crate::interfaces;
use crate::kind::Kind::{Bool, Enum, Int, Like, Text};
use crate::params::{Param, opt, req};
use crate::route::{Route, on_node};
use crate::world::Interface;

const TYPE: Param = req(
    "type",
    Enum(&[
        "bridge",
        "bond",
        "eth",
        "alias",
        "vlan",
        "fabric",
        "OVSBridge",
        "OVSBond",
        "OVSPort",
        "OVSIntPort",
        "vnet",
        "unknown",
    ]),
);
const KEYS: &[Param] = &[
    TYPE,
    opt("address", Text),
    opt("address6", Text),
    opt("autostart", Bool),
    opt("bond-primary", Text),
    opt("bond_mode", Text),
    opt("bond_xmit_hash_policy", Text),
    opt("bridge_ports", Text),
    opt("bridge_vids", Text),
    opt("bridge_vlan_aware", Bool),
    opt("cidr", Text),
    opt("cidr6", Text),
    opt("comments", Text),
    opt("comments6", Text),
    opt("delete", Text),
    opt("gateway", Text),
    opt("gateway6", Text),
    opt("mtu", Int(1280, 65520)),
    opt("netmask", Text),
    opt("netmask6", Text),
    opt("ovs_bonds", Text),
    opt("ovs_bridge", Text),
    opt("ovs_options", Text),
    opt("ovs_ports", Text),
    opt("ovs_tag", Int(1, 4094)),
    opt("slaves", Text),
    opt("vlan-id", Int(1, 4094)),
    opt("vlan-raw-device", Text),
    NAME_IN_BODY,
];

/// The interface of `POST`; of `PUT` it is in the path.
const NAME_IN_BODY: Param = opt("iface", Like(name));

/// What a client that sends no address takes away.
const ADDRESSES: [&str; 6] = [
    "address", "netmask", "cidr", "address6", "netmask6", "cidr6",
];

const NODE: &str = "/nodes/{node}";
const MODIFY: &[&str] = &["Sys.Modify"];

pub(super) const ROUTES: &[Route] = &[
    on_node("GET", "network", &[opt("type", Text)], list),
    on_node("POST", "network", KEYS, create).needs(NODE, MODIFY),
    on_node("PUT", "network", &[opt("regenerate-frr", Bool)], apply).needs(NODE, MODIFY),
    on_node("DELETE", "network", &[], revert).needs(NODE, MODIFY),
    on_node("GET", "network/{iface}", &[], read).needs(NODE, &["Sys.Audit"]),
    on_node("PUT", "network/{iface}", KEYS, update).needs(NODE, MODIFY),
    on_node("DELETE", "network/{iface}", &[], delete).needs(NODE, MODIFY),
];

fn name(text: &str) -> Result<(), String> {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    if begins && (2..=20).contains(&text.len()) && text.chars().all(letters) {
        return Ok(());
    }
    Err("invalid format - invalid network interface name '".to_owned() + text + "'")
}

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let node = node(&world, call)?;
    let wanted = call.params.text("type");
    let audits = call.has(&world, &format!("/nodes/{}", node.name), "Sys.Audit");
    let mut found = Vec::new();
    for (place, interface) in node.planned().iter().enumerate() {
        let kind = interface.kind();
        let listed = match wanted {
            None | Some("include_sdn") => true,
            Some("any_bridge" | "any_local_bridge") => interface.is_bridge(),
            Some(wanted) => wanted == kind,
        };
        // Bridges are listed for users who may see or use them.
        let path = format!("/sdn/zones/localnetwork/{}", interface.name);
        let sees = |right| call.has(&world, &path, right);
        if listed && (!interface.is_bridge() || audits || sees("SDN.Audit") || sees("SDN.Use")) {
            let mut shown = interface.shown(place + 3);
            shown.insert("iface".to_owned(), json!(interface.name));
            found.push(Value::Object(shown));
        }
    }
    if matches!(wanted, Some("any_bridge" | "include_sdn" | "vnet")) {
        found.extend(super::sdn::bridges(call, &world));
    }
    if let Some(text) = node.changes() {
        call.tell("changes", text);
    }
    Ok(Value::Array(found))
}

fn read(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let planned = node(&world, call)?.planned();
    let wanted = call.part("iface");
    let mut found = planned.iter().enumerate();
    found
        .find(|(_, interface)| interface.name == wanted)
        .map(|(place, interface)| Value::Object(interface.shown(place + 3)))
        .ok_or_else(|| ApiError::param("iface", "interface does not exist"))
}

/// Changes the plan of the node's interfaces.
fn plan(
    call: &Call<'_>,
    change: impl FnOnce(&mut Vec<Interface>) -> Result<(), ApiError>,
) -> Answer {
    call.sim.change(|world| {
        let mut planned = node(world, call)?.planned();
        change(&mut planned)?;
        if let Some(node) = world.node_mut(call.node()) {
            node.pending = Some(planned);
        }
        Ok(Value::Null)
    })
}

fn said(call: &Call<'_>) -> Fields {
    fields::given(&call.params, KEYS, &["iface"])
}

fn create(call: &Call<'_>) -> Answer {
    let name = call.params.must("iface")?;
    plan(call, |planned| {
        if planned.iter().any(|interface| interface.name == name) {
            return Err(ApiError::param("iface", "interface already exists"));
        }
        let made = interfaces::normal(name, said(call), planned)?;
        planned.push(made);
        Ok(())
    })
}

fn update(call: &Call<'_>) -> Answer {
    let name = call.part("iface");
    plan(call, |planned| {
        let place = planned.iter().position(|interface| interface.name == name);
        let Some(old) = place.map(|place| planned.remove(place)) else {
            return Err(ApiError::param("iface", "interface does not exist"));
        };
        let mut keys = old.keys;
        for key in ADDRESSES {
            keys.remove(key);
        }
        for key in call.params.parts("delete") {
            keys.remove(key);
        }
        keys.extend(said(call));
        let mut new = interfaces::normal(name, keys, planned)?;
        new.active = old.active;
        planned.insert(place.unwrap_or_default(), new);
        Ok(())
    })
}

fn delete(call: &Call<'_>) -> Answer {
    let name = call.part("iface");
    plan(call, |planned| {
        let count = planned.len();
        planned.retain(|interface| interface.name != name);
        if planned.len() == count {
            return Err(ApiError::param("iface", "interface does not exist"));
        }
        Ok(())
    })
}

fn apply(call: &Call<'_>) -> Answer {
    let name = call.node().to_owned();
    call.task(
        "srvreload",
        "networking".to_owned(),
        Vec::new(),
        move |sim, _| {
            sim.change(|world| {
                let Some(node) = world.node_mut(&name) else {
                    bail!("no such cluster node '{name}'");
                };
                node.apply();
                Ok(())
            })
        },
    )
}

fn revert(call: &Call<'_>) -> Answer {
    call.sim.change(|world| {
        if let Some(node) = world.node_mut(call.node()) {
            node.pending = None;
        }
    });
    Ok(Value::Null)
}
