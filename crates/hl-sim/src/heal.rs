//! What a start does about tasks that the last one left unfinished.
//!
//! A world that lost its process in the middle of a task holds half of what the
//! task was to make. Here it is undone, or finished, as the task's own worker
//! would have: nobody can tell a rehearsal's node to do so by hand.

use std::sync::Arc;

use super::api::{convert, forget, own_base};
use super::call::GuestId;
use super::disks;
use super::machine::Sim;
use super::power;
use super::snapshot;
use super::vm;
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
        // `100`, or what goes from where to where: `100-scsi1>200-scsi1`.
        let mut ids = task
            .id
            .split('>')
            .filter_map(|part| part.split('-').next()?.parse().ok());
        let Some(vmid) = ids.next() else { continue };
        let target = ids.next().unwrap_or(vmid);
        let done = match task.kind.as_str() {
            "qmdestroy" | "vzdestroy" => finish_removal(sim, vmid),
            "qmtemplate" | "vztemplate" => finish_template(sim, vmid),
            "qmsuspend" => Ok(sim
                .change(|world| power::wake(world, vmid))
                .then(|| format!("VM {vmid} was falling asleep, and is awake"))),
            "vzclone" => Ok(release(sim, vmid)),
            "qmmove" | "move_volume" | "qmigrate" | "vzmigrate" => {
                give_back(sim, vmid, target);
                sim.change(|world| unlock(world, vmid));
                drop_loose_disks(sim, target)
            }
            "qmconfig" | "resize" => drop_loose_disks(sim, vmid),
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

/// A container that was copied is locked as long as that takes.
fn release(sim: &Arc<Sim>, vmid: u32) -> Option<String> {
    sim.change(|world| {
        let vm = world.vms.get_mut(&vmid)?;
        vm.lock.take_if(|lock| lock == "disk")?;
        Some(format!("CT {vmid} was being copied, and is unlocked"))
    })
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
    let guest = GuestId {
        kind: vm.kind,
        node: vm.node.clone(),
        vmid,
    };
    convert(sim, &guest, None).map_err(|error| error.message)?;
    Ok(Some(format!("VM {vmid} is a template now")))
}

/// A migration locks its guest as long as it takes.
fn unlock(world: &mut World, vmid: u32) {
    if let Some(vm) = world.vms.get_mut(&vmid) {
        vm.lock.take_if(|lock| lock == "migrate");
    }
}

/// A disk that was moved may have its new name already, and no config says so: it gets
/// back the name that a config has.
fn give_back(sim: &Arc<Sim>, vmid: u32, target: u32) {
    let (named, loose) = {
        let world = sim.world();
        let named = world.vms.get(&vmid);
        let named = named.map_or_else(Vec::new, |vm| {
            let unused = vm
                .config
                .iter()
                .filter(|(key, _)| key.starts_with("unused"));
            let unused = unused.map(|(key, volid)| (key.clone(), volid.clone()));
            let disks = vm::disks(vm.kind, &vm.config);
            disks.into_iter().chain(unused).collect()
        });
        (named, loose(&world, target))
    };
    for (_, old) in named {
        for new in &loose {
            // Where the old name is in use, nothing was moved.
            sim.guests.rename_disk(new, &old).ok();
        }
    }
}

/// The volumes of a guest that its config does not name.
fn loose(world: &World, vmid: u32) -> Vec<String> {
    let vm = world.vms.get(&vmid);
    vm.map_or_else(Vec::new, |vm| {
        world.disks_of(vmid, |volid| !vm.names(volid))
    })
}

/// Disks that were made and that no config came to name.
fn drop_loose_disks(sim: &Arc<Sim>, vmid: u32) -> Result<Option<String>, String> {
    let loose = loose(&sim.world(), vmid);
    if loose.is_empty() {
        return Ok(None);
    }
    disks::free(sim, &loose)?;
    Ok(Some(format!(
        "`{}` of VM {vmid} was only half made, and is removed",
        loose.join("`, `")
    )))
}
