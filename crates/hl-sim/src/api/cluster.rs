//! `/cluster`: the next VMID, all resources, the quorum.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::kind::Kind::{Enum, Vmid};
use crate::params::{Param, opt};
use crate::resources;
use crate::route::{Route, route};
use crate::show;

pub(super) const ROUTES: &[Route] = &[
    route("GET", "cluster/nextid", &[opt("vmid", Vmid)], next_id),
    route("GET", "cluster/resources", RESOURCES, all),
    route("GET", "cluster/status", &[], status),
];

const RESOURCES: &[Param] = &[opt("type", Enum(&["vm", "storage", "node", "sdn"]))];
fn next_id(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let Some(wanted) = call.params.text("vmid") else {
        return Ok(json!(world.next_vmid().to_string()));
    };
    let vmid = call.params.vmid("vmid")?;
    if world.vms.contains_key(&vmid) {
        return Err(ApiError::param("vmid", format!("VM {vmid} already exists")));
    }
    Ok(json!(wanted))
}

fn all(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let wanted = |kind: &str| call.params.text("type").is_none_or(|wanted| wanted == kind);
    let may = call.on_guests(&world, "VM.Audit");
    let vms = wanted("vm").then_some(&world.vms).into_iter().flatten();
    let guests = vms.filter(|(vmid, _)| may(**vmid));
    let mut others: Vec<Value> = Vec::new();
    if wanted("storage") {
        for node in &world.nodes {
            for (id, storage) in &world.storages {
                let seen = call.has(&world, &format!("/storage/{id}"), "Datastore.Audit");
                if seen && storage.is_on(&node.name) {
                    others.push(show::storage(&world, &node.name, id, storage));
                }
            }
        }
    }
    if wanted("node") {
        others.extend(world.nodes.iter().map(|node| show::node(&world, node)));
    }
    if wanted("sdn") {
        for node in &world.nodes {
            others.push(json!({
                "id": format!("sdn/{}/localnetwork", node.name),
                "type": "sdn",
                "node": node.name,
                "sdn": "localnetwork",
                "status": "ok",
            }));
        }
    }
    Ok(call.written(resources::list(&world, guests, &others)))
}

fn status(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    call.need(&world, "/", "Sys.Audit")?;
    let nodes = world.nodes.iter().enumerate().map(|(place, node)| {
        json!({
            "type": "node",
            "id": format!("node/{}", node.name),
            "name": node.name,
            "ip": world.address_of(place),
            "online": u8::from(node.online),
            "local": u8::from(place == 0),
            "nodeid": if world.nodes.len() > 1 { place + 1 } else { 0 },
            "level": "",
        })
    });
    // A node that was never joined has no entry of type `cluster`.
    let mut found: Vec<Value> = Vec::new();
    if world.nodes.len() > 1 {
        found.push(json!({
            "type": "cluster", "id": "cluster", "name": "lab", "version": 1,
            "nodes": world.nodes.len(), "quorate": 1,
        }));
    }
    found.extend(nodes);
    Ok(Value::Array(found))
}
