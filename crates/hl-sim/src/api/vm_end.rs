//! A VM becomes a template, or goes.

use std::sync::Arc;

use crate::call::{Answer, Call, unlocked, vm_mut, vm_on};
use crate::disks;
use crate::drive::Drive;
use crate::error::{ApiError, bail};
use crate::kind::Kind::{Bool, Text};
use crate::machine::{Sim, TaskLog};
use crate::params::{Param, opt};
use crate::route::{Route, on_node, on_vm};
use crate::snapshot;
use crate::vm::Vm;
use crate::world::World;

pub(super) const ROUTES: &[Route] = &[
    on_vm("POST", "template", &[opt("disk", Text)], template)
        .needs("/vms/{vmid}", &["VM.Allocate"]),
    on_node("DELETE", "qemu/{vmid}", DESTROY, destroy).needs("/vms/{vmid}", &["VM.Allocate"]),
];

const DESTROY: &[Param] = &[
    opt("destroy-unreferenced-disks", Bool),
    opt("purge", Bool),
    opt("skiplock", Bool),
];

fn template(call: &Call<'_>) -> Answer {
    let vmid = call.vmid()?;
    let only = call.params.text("disk").map(str::to_owned);
    {
        let world = call.sim.world();
        let vm = call.vm(&world)?;
        unlocked(vm)?;
        may_become_template(vm)?;
    }
    let node = call.node().to_owned();
    call.vm_task("qmtemplate", vmid, move |sim, _| {
        convert(sim, &node, vmid, only.as_deref())
    })
}

fn may_become_template(vm: &Vm) -> Result<(), ApiError> {
    if !vm.snapshots.is_empty() {
        bail!("unable to create template, because VM contains snapshots");
    }
    if vm.is_template() {
        bail!("you can't convert a template to a template");
    }
    if vm.run.is_some() {
        bail!("you can't convert a VM to template if VM is running");
    }
    Ok(())
}

/// Makes a VM a template.
pub(crate) fn convert(
    sim: &Arc<Sim>,
    node: &str,
    vmid: u32,
    only: Option<&str>,
) -> Result<(), ApiError> {
    let drives = {
        let world = sim.world();
        let vm = vm_on(&world, node, vmid)?;
        may_become_template(vm)?;
        vm.drives()
    };
    for (key, mut drive) in drives {
        let chosen = only.is_none_or(|only| only == key);
        if !chosen || drive.is_cdrom() || drive.is_cloudinit() || drive.volume().is_none() {
            continue;
        }
        let base = own_base(&drive, vmid);
        if base == drive.file {
            continue;
        }
        sim.guests
            .rename_disk(&drive.file, &base)
            .map_err(ApiError::die)?;
        sim.change(|world| {
            if let Some(volume) = world.volume_mut(&drive.file) {
                volume.volid.clone_from(&base);
            }
            drive.file = base;
            let vm = vm_mut(world, node, vmid)?;
            vm.config.insert(key, drive.print());
            Ok(())
        })?;
    }
    sim.change(|world| {
        let vm = vm_mut(world, node, vmid)?;
        vm.config.insert("template".to_owned(), "1".to_owned());
        Ok(())
    })
}

/// `lvm:vm-100-disk-0` to `lvm:base-100-disk-0`; a linked clone keeps its base.
pub(crate) fn own_base(drive: &Drive, vmid: u32) -> String {
    let (own, base) = (format!("vm-{vmid}-"), format!("base-{vmid}-"));
    match drive.file.rsplit_once(&own) {
        Some((before, after)) => format!("{before}{base}{after}"),
        None => drive.file.clone(),
    }
}

fn destroy(call: &Call<'_>) -> Answer {
    let vmid = call.vmid()?;
    let unreferenced = call
        .params
        .flag("destroy-unreferenced-disks")
        .unwrap_or(false);
    {
        let world = call.sim.world();
        let vm = call.vm(&world)?;
        unlocked(vm)?;
        if world.managed(vmid).is_some() && !call.params.is_set("purge") {
            bail!("unable to remove VM {vmid} - used in HA resources and purge parameter not set.");
        }
        may_go(&world, vmid, vm)?;
    }
    let node = call.node().to_owned();
    call.vm_task("qmdestroy", vmid, move |sim, log| {
        remove(sim, log, &node, vmid, unreferenced)
    })
}

fn may_go(world: &World, vmid: u32, vm: &Vm) -> Result<(), ApiError> {
    if vm
        .config
        .get("protection")
        .is_some_and(|value| value == "1")
    {
        bail!("can't remove VM {vmid} - protection mode enabled");
    }
    if vm.run.is_some() {
        bail!("VM {vmid} is running - destroy failed");
    }
    for (_, drive) in vm.drives() {
        if let Some(child) = disks::child_of(world, &drive.file) {
            bail!(
                "base volume '{}' is still in use by linked cloned '{child}'",
                drive.file
            );
        }
    }
    Ok(())
}

fn remove(
    sim: &Arc<Sim>,
    log: &TaskLog<'_>,
    node: &str,
    vmid: u32,
    unreferenced: bool,
) -> Result<(), ApiError> {
    let (vm, volids) = {
        let world = sim.world();
        let vm = vm_on(&world, node, vmid)?;
        unlocked(vm)?;
        may_go(&world, vmid, vm)?;
        let volids = world.disks_of(vmid, |volid| unreferenced || vm.names(volid));
        (vm.clone(), volids)
    };
    snapshot::remove_all(sim, &vm).map_err(ApiError::die)?;
    for volid in &volids {
        disks::free(sim, std::slice::from_ref(volid)).map_err(ApiError::die)?;
        log.line(format!(
            "  Logical volume \"{volid}\" successfully removed."
        ));
    }
    sim.change(|world| forget(world, vmid));
    Ok(())
}

/// Takes a VM out of the world, whose disks are gone.
pub(crate) fn forget(world: &mut World, vmid: u32) {
    world.vms.remove(&vmid);
    for pool in world.pools.values_mut() {
        pool.members.remove(&vmid);
    }
    world.forget_kept(vmid);
    let path = format!("/vms/{vmid}");
    world.acl.retain(|entry| entry.path != path);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_keep_their_own_base() {
        let name = |text: &str| own_base(&Drive::parse(text).unwrap(), 110);
        assert_eq!(name("lvm:vm-110-disk-0"), "lvm:base-110-disk-0");
        assert_eq!(
            name("local:9000/base-9000-disk-0.qcow2/110/vm-110-disk-0.qcow2"),
            "local:9000/base-9000-disk-0.qcow2/110/base-110-disk-0.qcow2"
        );
    }
}
