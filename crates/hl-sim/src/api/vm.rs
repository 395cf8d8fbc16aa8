//! VMs in lists, their status, their snapshots.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::kind::Kind::Bool;
use crate::params::opt;
use crate::route::{Route, route};
use crate::show;

pub(super) const ROUTES: &[Route] = &[
    route("GET", "nodes/{node}/qemu", &[opt("full", Bool)], list),
    route(
        "GET",
        "nodes/{node}/qemu/{vmid}/status/current",
        &[],
        current,
    ),
    route("GET", "nodes/{node}/qemu/{vmid}/snapshot", &[], snapshots),
];

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let seen = world.vms.iter().filter(|(vmid, vm)| {
        vm.node == call.node() && call.has(&world, &format!("/vms/{vmid}"), "VM.Audit")
    });
    let lines = seen.map(|(vmid, vm)| Value::Object(show::status(&world, *vmid, vm)));
    Ok(Value::Array(lines.collect()))
}

fn current(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    call.need_vm(&world, "VM.Audit")?;
    let vm = call.vm(&world)?;
    let mut fields = show::status(&world, call.vmid()?, vm);
    fields.insert("ha".to_owned(), json!({"managed": 0}));
    let state = if vm.run.is_some() {
        "running"
    } else {
        "stopped"
    };
    fields.insert("qmpstatus".to_owned(), json!(state));
    if vm.run.is_some() {
        fields.insert("running-qemu".to_owned(), json!(world.profile.qemu()));
        fields.insert(
            "running-machine".to_owned(),
            json!(show::machine(&world, vm)),
        );
    }
    if vm.agent() {
        fields.insert("agent".to_owned(), json!(1));
    }
    Ok(Value::Object(fields))
}

/// There are no snapshots; the list has the entry for the present.
fn snapshots(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    call.need_vm(&world, "VM.Audit")?;
    let vm = call.vm(&world)?;
    Ok(json!([{
        "name": "current",
        "description": "You are here!",
        "running": u8::from(vm.run.is_some()),
        "digest": vm.digest(),
    }]))
}
