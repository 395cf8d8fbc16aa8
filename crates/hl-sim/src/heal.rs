//! What a start does about tasks that the last one left unfinished.
//!
//! A world that lost its process in the middle of a task holds half of what the
//! task was to make. Here it is undone, or finished, as the task's own worker
//! would have: nobody can tell a rehearsal's node to do so by hand.

use std::sync::Arc;

use super::api::{convert, forget, own_base};
use super::disks;
use super::machine::Sim;
use super::power;
use super::snapshot;
use super::world::World;

/// Undoes or finishes what was begun, and says what was done.
pub(super) fn heal(sim: &Arc<Sim>) -> Vec<String> {
    let (begun, half) = {
        let world = sim.world();
        (world.begun.clone(), half_made(&world))
    };
    let mut told = snapshot::heal(sim);
    for vmid in half {
        told.push(match remove(sim, vmid) {
            Ok(()) => format!("VM {vmid} was only half made, and is removed"),
            Err(error) => format!("VM {vmid} is only half made, and cannot be removed: {error}"),
        });
    }
    for task in &begun {
        let Ok(vmid) = task.id.parse() else { continue };
        let done = match task.kind.as_str() {
            "qmdestroy" => finish_removal(sim, vmid),
            "qmtemplate" => finish_template(sim, vmid),
            "qmsuspend" => Ok(sim
                .change(|world| power::wake(world, vmid))
                .then(|| format!("VM {vmid} was falling asleep, and is awake"))),
            "qmconfig" | "qmmove" | "resize" => drop_loose_disks(sim, vmid),
            _ => Ok(None),
        };
        match done {
            Ok(line) => told.extend(line),
            Err(error) => told.push(format!(
                "`{}` of VM {vmid} was cut off, and cannot be finished: {error}",
                task.kind
            )),
        }
    }
    // Not before: this start may be cut off, too.
    sim.change(|world| world.begun.clear());
    told
}

/// VMs whose number was taken and that nobody makes any more.
fn half_made(world: &World) -> Vec<u32> {
    let vms = world.vms.iter();
    vms.filter(|(_, vm)| vm.is_half_made())
        .map(|(vmid, _)| *vmid)
        .collect()
}

/// Removes a VM with all its disks.
fn remove(sim: &Arc<Sim>, vmid: u32) -> Result<(), String> {
    let vm = sim.world().vms.get(&vmid).cloned();
    if let Some(vm) = vm {
        snapshot::remove_all(sim, &vm)?;
    }
    let all = sim.world().disks_of(vmid, |_| true);
    disks::free(sim, &all)?;
    sim.change(|world| forget(world, vmid));
    Ok(())
}

fn finish_removal(sim: &Arc<Sim>, vmid: u32) -> Result<Option<String>, String> {
    if !sim.world().vms.contains_key(&vmid) {
        return Ok(None);
    }
    remove(sim, vmid)?;
    Ok(Some(format!("the removal of VM {vmid} is finished")))
}

/// A disk may have its new name already, and the config not: it gets the old one
/// back, and then all is done again.
fn finish_template(sim: &Arc<Sim>, vmid: u32) -> Result<Option<String>, String> {
    let found = sim.world().vms.get(&vmid).cloned();
    let Some(vm) = found.filter(|vm| !vm.is_template()) else {
        return Ok(None);
    };
    for (_, drive) in vm.drives() {
        let base = own_base(&drive, vmid);
        if drive.volume().is_some() && base != drive.file {
            // Without the new name, there is nothing to give back.
            sim.guests.rename_disk(&base, &drive.file).ok();
        }
    }
    convert(sim, &vm.node, vmid, None).map_err(|error| error.message)?;
    Ok(Some(format!("VM {vmid} is a template now")))
}

/// Disks that were made and that no config came to name.
fn drop_loose_disks(sim: &Arc<Sim>, vmid: u32) -> Result<Option<String>, String> {
    let loose = {
        let world = sim.world();
        let Some(vm) = world.vms.get(&vmid) else {
            return Ok(None);
        };
        world.disks_of(vmid, |volid| !vm.names(volid))
    };
    if loose.is_empty() {
        return Ok(None);
    }
    disks::free(sim, &loose)?;
    Ok(Some(format!(
        "`{}` of VM {vmid} was only half made, and is removed",
        loose.join("`, `")
    )))
}
