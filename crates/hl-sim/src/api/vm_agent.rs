//! The guest agent: whether it answers, and what it knows.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::route::{Route, on_vm};
use crate::vm::{Run, Vm};

pub(super) const ROUTES: &[Route] = &[
    on_vm("POST", "agent/ping", &[], ping),
    on_vm("GET", "agent/network-get-interfaces", &[], interfaces),
    on_vm("GET", "agent/get-host-name", &[], host_name),
];

fn ping(call: &Call<'_>) -> Answer {
    {
        let world = call.sim.world();
        let rights = world.profile.agent_ping();
        call.need_any(&world, &format!("/vms/{}", call.part("vmid")), rights)?;
    }
    answers(call)?;
    Ok(json!({"result": {}}))
}

fn interfaces(call: &Call<'_>) -> Answer {
    audit(call)?;
    let (_, run) = answers(call)?;
    let inner = call.sim.guests.inner_interfaces(call.vmid()?);
    let mut found = vec![json!({
        "name": "lo",
        "hardware-address": "00:00:00:00:00:00",
        "ip-addresses": [
            {"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8},
            {"ip-address": "::1", "ip-address-type": "ipv6", "prefix": 128},
        ],
        "statistics": statistics(),
    })];
    for (name, cidr) in inner {
        found.push(json!({
            "name": name,
            "hardware-address": "02:42:00:00:00:01",
            "ip-addresses": address(&cidr),
            "statistics": statistics(),
        }));
    }
    if let Some(mac) = &run.mac {
        let addresses = run.address.as_deref().map(address).unwrap_or_default();
        found.push(json!({
            "name": "eth0",
            "hardware-address": mac.to_lowercase(),
            "ip-addresses": addresses,
            "statistics": statistics(),
        }));
    }
    Ok(json!({"result": found}))
}

/// `10.0.0.5/24` as the agent tells it.
fn address(cidr: &str) -> Vec<Value> {
    let parts = cidr.split_once('/');
    let told = parts.map(|(address, prefix)| {
        json!({
            "ip-address": address,
            "ip-address-type": if address.contains(':') { "ipv6" } else { "ipv4" },
            "prefix": prefix.parse::<u8>().unwrap_or(32),
        })
    });
    told.into_iter().collect()
}

fn host_name(call: &Call<'_>) -> Answer {
    audit(call)?;
    let (vm, _) = answers(call)?;
    Ok(json!({"result": {"host-name": vm.name()}}))
}

fn audit(call: &Call<'_>) -> Result<(), ApiError> {
    let world = call.sim.world();
    let rights = world.profile.agent_audit();
    call.need_any(&world, &format!("/vms/{}", call.part("vmid")), rights)
}

/// The VM and how it runs, when its agent would answer.
fn answers(call: &Call<'_>) -> Result<(Vm, Run), ApiError> {
    let vmid = call.vmid()?;
    let vm = {
        let world = call.sim.world();
        call.vm(&world)?.clone()
    };
    if !vm.agent() {
        bail!("No QEMU guest agent configured");
    }
    let Some(run) = vm.run.clone() else {
        bail!("VM {vmid} is not running");
    };
    // The channel exists only when the agent was enabled at the start.
    if !run.agent || run.paused || !call.sim.guests.agent_ready(vmid) {
        bail!("QEMU guest agent is not running");
    }
    Ok((vm, run))
}

fn statistics() -> Value {
    json!({
        "rx-bytes": 0, "rx-dropped": 0, "rx-errs": 0, "rx-packets": 0,
        "tx-bytes": 0, "tx-dropped": 0, "tx-errs": 0, "tx-packets": 0,
    })
}
