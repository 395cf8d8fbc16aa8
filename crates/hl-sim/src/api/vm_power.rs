//! Power: start, stop, shutdown, reboot, reset; and a key press.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::kind::Kind::{Bool, Int, Text};
use crate::params::{Param, opt, req};
use crate::power;
use crate::route::{Route, route};

const TIMEOUT: Param = opt("timeout", Int(0, i64::MAX));
const SKIP: Param = opt("skiplock", Bool);

pub(super) const ROUTES: &[Route] = &[
    route(
        "POST",
        "nodes/{node}/qemu/{vmid}/status/start",
        &[
            TIMEOUT,
            SKIP,
            opt("force-cpu", Text),
            opt("machine", Text),
            opt("migratedfrom", Text),
            opt("stateuri", Text),
            opt("targetstorage", Text),
        ],
        start,
    ),
    route(
        "POST",
        "nodes/{node}/qemu/{vmid}/status/stop",
        &[
            TIMEOUT,
            SKIP,
            opt("keepActive", Bool),
            opt("migratedfrom", Text),
            opt("overrule-shutdown", Bool),
        ],
        stop,
    ),
    route(
        "POST",
        "nodes/{node}/qemu/{vmid}/status/shutdown",
        &[
            TIMEOUT,
            SKIP,
            opt("forceStop", Bool),
            opt("keepActive", Bool),
        ],
        shutdown,
    ),
    route(
        "POST",
        "nodes/{node}/qemu/{vmid}/status/reboot",
        &[TIMEOUT],
        reboot,
    ),
    route(
        "POST",
        "nodes/{node}/qemu/{vmid}/status/reset",
        &[SKIP],
        reset,
    ),
    route(
        "PUT",
        "nodes/{node}/qemu/{vmid}/sendkey",
        &[req("key", Text), SKIP],
        send_key,
    ),
];

fn start(call: &Call<'_>) -> Answer {
    let skip = check(call)?;
    let vmid = call.vmid()?;
    let upid = call.sim.run_task(call.job("qmstart", vmid), move |sim, _| {
        power::start(sim, vmid, skip)
    });
    Ok(json!(upid))
}

fn stop(call: &Call<'_>) -> Answer {
    let skip = check(call)?;
    let vmid = call.vmid()?;
    let upid = call.sim.run_task(call.job("qmstop", vmid), move |sim, _| {
        power::stop(sim, vmid, skip)
    });
    Ok(json!(upid))
}

fn shutdown(call: &Call<'_>) -> Answer {
    let skip = check(call)?;
    let vmid = call.vmid()?;
    let upid = call
        .sim
        .run_task(call.job("qmshutdown", vmid), move |sim, _| {
            power::stop(sim, vmid, skip)
        });
    Ok(json!(upid))
}

fn reboot(call: &Call<'_>) -> Answer {
    restart(call, "qmreboot")
}

fn reset(call: &Call<'_>) -> Answer {
    restart(call, "qmreset")
}

fn restart(call: &Call<'_>, kind: &'static str) -> Answer {
    let skip = check(call)?;
    let vmid = call.vmid()?;
    runs(call)?;
    let upid = call.sim.run_task(call.job(kind, vmid), move |sim, _| {
        power::stop(sim, vmid, skip)?;
        power::start(sim, vmid, skip)
    });
    Ok(json!(upid))
}

/// Nobody looks at the screen of a simulated VM; the key goes nowhere.
fn send_key(call: &Call<'_>) -> Answer {
    {
        let world = call.sim.world();
        call.need_vm(&world, "VM.Console")?;
    }
    runs(call)?;
    Ok(Value::Null)
}

/// Whether the caller may, the VM is there, and its lock is to be skipped.
fn check(call: &Call<'_>) -> Result<bool, ApiError> {
    let skip = call.params.flag("skiplock").unwrap_or(false);
    if skip && call.who.id != crate::acl::ROOT {
        return Err(ApiError::param(
            "skiplock",
            "Only root may use this option.",
        ));
    }
    let world = call.sim.world();
    call.need_vm(&world, "VM.PowerMgmt")?;
    call.vm(&world)?;
    Ok(skip)
}

fn runs(call: &Call<'_>) -> Result<(), ApiError> {
    let world = call.sim.world();
    match call.vm(&world)?.run {
        Some(_) => Ok(()),
        None => Err(ApiError::die(format!(
            "VM {} not running",
            call.part("vmid")
        ))),
    }
}
