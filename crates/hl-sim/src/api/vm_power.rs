//! Power: start, stop, shutdown, reboot, reset; and a key press.

use serde_json::Value;

use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::kind::Kind::{Bool, Id, Int, Text};
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

const SUSPEND: &[Param] = &[SKIP, opt("todisk", Bool), opt("statestorage", Id)];
const RESUME: &[Param] = &[SKIP, opt("nocheck", Bool)];

const VM: &str = "/vms/{vmid}";
const POWER: &[&str] = &["VM.PowerMgmt"];

pub(super) const ROUTES: &[Route] = &[
    on_vm("POST", "status/start", START, start).needs(VM, POWER),
    on_vm("POST", "status/stop", STOP, stop).needs(VM, POWER),
    on_vm("POST", "status/shutdown", SHUTDOWN, |call| {
        end(call, "qmshutdown")
    })
    .needs(VM, POWER),
    on_vm("POST", "status/reboot", &[TIMEOUT], |call| {
        restart(call, "qmreboot")
    })
    .needs(VM, POWER),
    on_vm("POST", "status/reset", &[SKIP], |call| {
        restart(call, "qmreset")
    })
    .needs(VM, POWER),
    on_vm("POST", "status/suspend", SUSPEND, suspend).needs(VM, POWER),
    on_vm("POST", "status/resume", RESUME, resume).needs(VM, POWER),
    on_vm("PUT", "sendkey", &[req("key", Text), SKIP], send_key).needs(VM, &["VM.Console"]),
];

fn start(call: &Call<'_>) -> Answer {
    let (vmid, skip) = check(call)?;
    let managed = request(call, vmid, "started");
    let kind = if managed { "hastart" } else { "qmstart" };
    call.vm_task(kind, vmid, move |sim, _| power::start(sim, vmid, skip))
}

/// Tells high availability what is wanted of a guest; whether it looks after it.
fn request(call: &Call<'_>, vmid: u32, state: &str) -> bool {
    let managed = call.sim.world().managed(vmid).is_some();
    managed && call.sim.change(|world| world.request(vmid, state))
}

fn stop(call: &Call<'_>) -> Answer {
    let (vmid, _) = check(call)?;
    let managed = request(call, vmid, "stopped");
    end(call, if managed { "hastop" } else { "qmstop" })
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

fn suspend(call: &Call<'_>) -> Answer {
    let (vmid, skip) = check(call)?;
    let to_disk = call.params.is_set("todisk");
    let storage = call.params.text("statestorage").map(str::to_owned);
    if storage.is_some() && !to_disk {
        let text = "missing property - 'statestorage' requires this property";
        return Err(ApiError::param("todisk", text));
    }
    if to_disk {
        let world = call.sim.world();
        call.need_vm(&world, "VM.Config.Disk")?;
        if let Some(storage) = &storage {
            call.need_storage(&world, storage, "Datastore.AllocateSpace")?;
        }
    }
    runs(call)?;
    if !to_disk {
        return call.vm_task("qmpause", vmid, move |sim, _| {
            power::pause(sim, vmid, true, skip)
        });
    }
    let guest = call.guest()?;
    call.vm_task("qmsuspend", vmid, move |sim, _| {
        power::suspend(sim, &guest, storage.as_deref(), skip)
    })
}

fn resume(call: &Call<'_>) -> Answer {
    let (vmid, skip) = check(call)?;
    if call.params.is_set("nocheck") && call.need_root().is_err() {
        return Err(ApiError::param("nocheck", "Only root may use this option."));
    }
    let asleep = {
        let world = call.sim.world();
        call.vm(&world)?.lock.as_deref() == Some(power::SUSPENDED)
    };
    if !asleep {
        runs(call)?;
    }
    call.vm_task("qmresume", vmid, move |sim, _| {
        if asleep {
            power::start(sim, vmid, skip)
        } else {
            power::pause(sim, vmid, false, skip)
        }
    })
}

/// Nobody looks at the screen of a simulated VM; the key goes nowhere.
fn send_key(call: &Call<'_>) -> Answer {
    runs(call)?;
    Ok(Value::Null)
}

/// The VM, and whether its lock is to be passed over.
fn check(call: &Call<'_>) -> Result<(u32, bool), ApiError> {
    let skip = call.skips_lock()?;
    let world = call.sim.world();
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
