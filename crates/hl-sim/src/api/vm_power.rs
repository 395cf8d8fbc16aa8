//! Power: start, stop, shutdown, reboot, reset; and a key press.

use serde_json::Value;

use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::kind::Kind::{Bool, Int, Text};
use crate::params::{Param, opt, req};
use crate::power;
use crate::route::{Route, on_vm};

const TIMEOUT: Param = opt("timeout", Int(0, i64::MAX));
const SKIP: Param = opt("skiplock", Bool);

const START: &[Param] = &[
    TIMEOUT,
    SKIP,
    opt("force-cpu", Text),
    opt("machine", Text),
    opt("migratedfrom", Text),
    opt("stateuri", Text),
    opt("targetstorage", Text),
];
const STOP: &[Param] = &[
    TIMEOUT,
    SKIP,
    opt("keepActive", Bool),
    opt("migratedfrom", Text),
    opt("overrule-shutdown", Bool),
];
const SHUTDOWN: &[Param] = &[
    TIMEOUT,
    SKIP,
    opt("forceStop", Bool),
    opt("keepActive", Bool),
];

pub(super) const ROUTES: &[Route] = &[
    on_vm("POST", "status/start", START, start),
    on_vm("POST", "status/stop", STOP, |call| end(call, "qmstop")),
    on_vm("POST", "status/shutdown", SHUTDOWN, |call| {
        end(call, "qmshutdown")
    }),
    on_vm("POST", "status/reboot", &[TIMEOUT], |call| {
        restart(call, "qmreboot")
    }),
    on_vm("POST", "status/reset", &[SKIP], |call| {
        restart(call, "qmreset")
    }),
    on_vm("PUT", "sendkey", &[req("key", Text), SKIP], send_key),
];

fn start(call: &Call<'_>) -> Answer {
    let (vmid, skip) = check(call)?;
    call.vm_task("qmstart", vmid, move |sim, _| power::start(sim, vmid, skip))
}

fn end(call: &Call<'_>, kind: &'static str) -> Answer {
    let (vmid, skip) = check(call)?;
    call.vm_task(kind, vmid, move |sim, _| power::stop(sim, vmid, skip))
}

fn restart(call: &Call<'_>, kind: &'static str) -> Answer {
    let (vmid, skip) = check(call)?;
    runs(call)?;
    call.vm_task(kind, vmid, move |sim, _| {
        power::stop(sim, vmid, skip)?;
        power::start(sim, vmid, skip)
    })
}

/// Nobody looks at the screen of a simulated VM; the key goes nowhere.
fn send_key(call: &Call<'_>) -> Answer {
    call.need_vm(&call.sim.world(), "VM.Console")?;
    runs(call)?;
    Ok(Value::Null)
}

/// The VM, if the caller may, and whether its lock is to be passed over.
fn check(call: &Call<'_>) -> Result<(u32, bool), ApiError> {
    let skip = call.skips_lock()?;
    let world = call.sim.world();
    call.need_vm(&world, "VM.PowerMgmt")?;
    call.vm(&world)?;
    Ok((call.vmid()?, skip))
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
