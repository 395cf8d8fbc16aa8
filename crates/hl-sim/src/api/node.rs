//! `/nodes`: the nodes, their status and their network.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::kind::Kind::{Bool, Text};
use crate::params::opt;
use crate::route::{Route, on_node, route};
use crate::show;
use crate::world::{Bridge, Node, World};

pub(super) const ROUTES: &[Route] = &[
    route("GET", "nodes", &[], list),
    on_node("GET", "status", &[], status),
    on_node("GET", "version", &[], version),
    on_node("GET", "network", &[opt("type", Text)], network),
    on_node("GET", "network/{iface}", &[], interface),
    on_node("GET", "lxc", &[opt("full", Bool)], containers),
];

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let nodes = world.nodes.iter().map(|node| show::node(&world, node));
    Ok(Value::Array(nodes.collect()))
}

/// The simulator has no containers; clients that list everything need the list.
fn containers(_: &Call<'_>) -> Answer {
    Ok(json!([]))
}

fn version(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    Ok(json!({
        "version": world.profile.version,
        "release": world.profile.release,
        "repoid": world.profile.repoid,
    }))
}

fn status(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    call.need(&world, &format!("/nodes/{}", call.node()), "Sys.Audit")?;
    let node = node(&world, call)?;
    let (used, _) = show::load(&world, node);
    let kernel = if world.profile.major >= 9 {
        "6.14.11-4-pve"
    } else {
        "6.8.12-10-pve"
    };
    let free = node.memory.saturating_sub(used);
    Ok(json!({
        "cpu": 0.01,
        "wait": 0.0,
        "idle": 0,
        "uptime": show::uptime(&world, node),
        "loadavg": ["0.10", "0.08", "0.05"],
        "kversion": format!("Linux {kernel} #1 SMP PREEMPT_DYNAMIC"),
        "pveversion": format!(
            "pve-manager/{}/{}", world.profile.version, world.profile.repoid
        ),
        "cpuinfo": {
            "cpus": node.cpus, "cores": node.cpus, "sockets": 1, "model": "Simulated CPU",
            "mhz": "3000.000", "hvm": "1", "user_hz": 100, "flags": "",
        },
        "memory": {"total": node.memory, "used": used, "free": free, "available": free},
        "swap": {"total": 0, "used": 0, "free": 0},
        "rootfs": {
            "total": 64_u64 << 30, "used": 4_u64 << 30, "free": 60_u64 << 30,
            "avail": 60_u64 << 30,
        },
        "ksm": {"shared": 0},
        "current-kernel": {
            "sysname": "Linux", "release": kernel, "machine": "x86_64",
            "version": "#1 SMP PREEMPT_DYNAMIC",
        },
        "boot-info": {"mode": "efi", "secureboot": 0},
    }))
}

fn network(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let node = node(&world, call)?;
    let wanted = call.params.text("type");
    let mut found = Vec::new();
    for (place, bridge) in node.bridges.iter().enumerate() {
        // Bridges are listed for users who may see or use them.
        let path = format!("/sdn/zones/localnetwork/{}", bridge.name);
        let seen = call.has(&world, &path, "SDN.Audit")
            || call.has(&world, &path, "SDN.Use")
            || call.has(&world, &format!("/nodes/{}", node.name), "Sys.Audit");
        let bridges = matches!(
            wanted,
            None | Some("bridge" | "any_bridge" | "any_local_bridge")
        );
        if seen && bridges {
            let mut fields = show_bridge(bridge, place);
            fields["iface"] = json!(bridge.name);
            found.push(fields);
        }
        if matches!(wanted, None | Some("eth")) {
            found.push(json!({
                "iface": format!("nic{place}"),
                "type": "eth",
                "active": 1,
                "exists": 1,
                "method": "manual",
                "method6": "manual",
                "families": ["inet"],
                "priority": 100 + place,
            }));
        }
    }
    Ok(Value::Array(found))
}

fn interface(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    call.need(&world, &format!("/nodes/{}", call.node()), "Sys.Audit")?;
    let node = node(&world, call)?;
    let wanted = call.part("iface");
    node.bridges
        .iter()
        .enumerate()
        .find(|(_, bridge)| bridge.name == wanted)
        .map(|(place, bridge)| show_bridge(bridge, place))
        .ok_or_else(|| ApiError::param("iface", "interface does not exist"))
}

fn show_bridge(bridge: &Bridge, place: usize) -> Value {
    let mut fields = json!({
        "type": "bridge", "autostart": 1, "bridge_ports": format!("nic{place}"),
        "bridge_stp": "off", "bridge_fd": "0", "families": ["inet"], "method": "manual",
        "method6": "manual", "priority": 4 + place,
    });
    if bridge.active {
        // The node leaves the key out when the bridge is down.
        fields["active"] = json!(1);
    }
    let address = bridge.cidr.as_deref().and_then(|cidr| cidr.split_once('/'));
    if let Some((address, prefix)) = address {
        fields["method"] = json!("static");
        fields["cidr"] = json!(format!("{address}/{prefix}"));
        fields["address"] = json!(address);
        fields["netmask"] = json!(prefix);
        if let Some(gateway) = &bridge.gateway {
            fields["gateway"] = json!(gateway);
        }
    }
    fields
}

fn node<'w>(world: &'w World, call: &Call<'_>) -> Result<&'w Node, ApiError> {
    world
        .node(call.node())
        .ok_or_else(|| ApiError::die(format!("no such cluster node '{}'", call.node())))
}
