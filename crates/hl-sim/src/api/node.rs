//! `/nodes`: the nodes and their status.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::route::{Route, on_node, route};
use crate::show;
use crate::world::{Node, World};

pub(super) const ROUTES: &[Route] = &[
    route("GET", "nodes", &[], list),
    on_node("GET", "status", &[], status).needs("/nodes/{node}", &["Sys.Audit"]),
    on_node("GET", "version", &[], version),
];

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let nodes = world.nodes.iter().map(|node| show::node(&world, node));
    Ok(Value::Array(nodes.collect()))
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

/// The node of the path.
pub(super) fn node<'w>(world: &'w World, call: &Call<'_>) -> Result<&'w Node, ApiError> {
    world
        .node(call.node())
        .ok_or_else(|| ApiError::die(format!("no such cluster node '{}'", call.node())))
}
