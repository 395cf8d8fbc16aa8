//! VMs and containers in lists, and their status.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::kind::Kind::Bool;
use crate::params::opt;
use crate::route::{Route, on_ct, on_node, on_vm};
use crate::show;

pub(super) const ROUTES: &[Route] = &[
    on_node("GET", "qemu", &[opt("full", Bool)], list),
    on_node("GET", "lxc", &[], list),
    on_vm("GET", "status/current", &[], current).needs("/vms/{vmid}", &["VM.Audit"]),
    on_ct("GET", "status/current", &[], current_ct).needs("/vms/{vmid}", &["VM.Audit"]),
];

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let may = call.on_guests(&world, "VM.Audit");
    let seen = world
        .vms
        .iter()
        .filter(|(vmid, vm)| vm.node == call.node() && vm.kind == call.kind && may(**vmid));
    let lines = seen.map(|(vmid, vm)| show::status(&world, *vmid, vm));
    Ok(Value::Array(lines.collect()))
}

fn current_ct(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let mut fields = show::status(&world, call.vmid()?, call.vm(&world)?);
    fields["ha"] = show::availability(&world, call.vmid()?);
    Ok(fields)
}

fn current(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let vm = call.vm(&world)?;
    let mut fields = show::status(&world, call.vmid()?, vm);
    fields["ha"] = show::availability(&world, call.vmid()?);
    fields["qmpstatus"] = json!(match &vm.run {
        Some(run) if run.paused => "paused",
        _ => show::state(vm),
    });
    if vm.run.is_some() {
        fields["running-qemu"] = json!(world.profile.qemu());
        fields["running-machine"] = json!(show::machine(&world, vm));
    }
    if vm.agent() {
        fields["agent"] = json!(1);
    }
    Ok(fields)
}
