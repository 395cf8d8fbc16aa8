//! A VM or a container becomes a template, or goes.

use std::sync::Arc;

use crate::call::{Answer, Call, GuestId, unlocked};
use crate::disks;
use crate::drive::Drive;
use crate::error::{ApiError, bail};
use crate::kind::Kind::{Bool, Text};
use crate::machine::{Sim, TaskLog};
use crate::params::{Param, opt};
use crate::power;
use crate::route::{Route, on_ct, on_node, on_vm};
use crate::snapshot;
use crate::vm::{GuestKind, Vm};
use crate::world::World;

pub(super) const ROUTES: &[Route] = &[
    on_vm("POST", "template", &[opt("disk", Text)], template)
        .needs("/vms/{vmid}", &["VM.Allocate"]),
    on_node("DELETE", "qemu/{vmid}", DESTROY, destroy).needs("/vms/{vmid}", &["VM.Allocate"]),
    on_ct("POST", "template", &[], template).needs("/vms/{vmid}", &["VM.Allocate"]),
    on_node("DELETE", "lxc/{vmid}", DESTROY_CT, destroy).needs("/vms/{vmid}", &["VM.Allocate"]),
];

const DESTROY: &[Param] = &[
    opt("destroy-unreferenced-disks", Bool),
    opt("purge", Bool),
    opt("skiplock", Bool),
];

const DESTROY_CT: &[Param] = &[
    opt("destroy-unreferenced-disks", Bool),
    opt("force", Bool),
    opt("purge", Bool),
];

fn template(call: &Call<'_>) -> Answer {
    let only = call.params.text("disk").map(str::to_owned);
    {
        let world = call.sim.world();
        let vm = call.vm(&world)?;
        unlocked(vm)?;
        may_become_template(vm)?;
    }
    let guest = call.guest()?;
    let kind = call.kind.pick("qmtemplate", "vztemplate");
    call.vm_task(kind, guest.vmid, move |sim, _| {
        convert(sim, &guest, only.as_deref())
    })
}

fn may_become_template(vm: &Vm) -> Result<(), ApiError> {
    let noun = vm.kind.noun();
    if !vm.snapshots.is_empty() {
        bail!("unable to create template, because {noun} contains snapshots");
    }
    if vm.is_template() {
        bail!("you can't convert a template to a template");
    }
    if vm.run.is_some() {
        let which = vm.kind.pick("VM", "the CT");
        bail!("you can't convert a {noun} to template if {which} is running");
    }
    Ok(())
}

/// Makes a guest a template.
pub(crate) fn convert(sim: &Arc<Sim>, guest: &GuestId, only: Option<&str>) -> Result<(), ApiError> {
    let drives = {
        let world = sim.world();
        let vm = guest.find(&world)?;
        may_become_template(vm)?;
        vm.drives()
    };
    for (key, mut drive) in drives {
        let chosen = only.is_none_or(|only| only == key);
        if !chosen || drive.is_cdrom() || drive.is_cloudinit() || drive.volume().is_none() {
            continue;
        }
        let base = own_base(&drive, guest.vmid);
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
            let vm = guest.find_mut(world)?;
            vm.config.insert(key, drive.print());
            Ok(())
        })?;
    }
    sim.change(|world| {
        let vm = guest.find_mut(world)?;
        vm.config.insert("template".to_owned(), "1".to_owned());
        Ok(())
    })
}

/// `lvm:vm-100-disk-0` to `lvm:base-100-disk-0`; a linked clone keeps its base.
pub(crate) fn own_base(drive: &Drive, vmid: u32) -> String {
    for (own, base) in [("subvol", "basevol"), ("vm", "base")] {
        if let Some((before, after)) = drive.file.rsplit_once(&format!("{own}-{vmid}-")) {
            return format!("{before}{base}-{vmid}-{after}");
        }
    }
    drive.file.clone()
}

fn destroy(call: &Call<'_>) -> Answer {
    let vmid = call.vmid()?;
    let unreferenced = call
        .params
        .flag("destroy-unreferenced-disks")
        .unwrap_or(false);
    let force = call.params.is_set("force");
    {
        let world = call.sim.world();
        let vm = call.vm(&world)?;
        unlocked(vm)?;
        if world.managed(vmid).is_some() && !call.params.is_set("purge") {
            let noun = vm.kind.noun();
            bail!(
                "unable to remove {noun} {vmid} - used in HA resources and purge parameter not set."
            );
        }
        may_go(&world, vmid, vm, force)?;
    }
    let guest = call.guest()?;
    let kind = call.kind.pick("qmdestroy", "vzdestroy");
    call.vm_task(kind, vmid, move |sim, log| {
        if force {
            power::stop(sim, vmid, false).map_err(ApiError::die)?;
        }
        remove(sim, log, &guest, unreferenced)
    })
}

fn may_go(world: &World, vmid: u32, vm: &Vm, force: bool) -> Result<(), ApiError> {
    if vm
        .config
        .get("protection")
        .is_some_and(|value| value == "1")
    {
        let noun = vm.kind.noun();
        bail!("can't remove {noun} {vmid} - protection mode enabled");
    }
    match (&vm.run, vm.kind) {
        (Some(_), GuestKind::Qemu) => bail!("VM {vmid} is running - destroy failed"),
        (Some(_), GuestKind::Lxc) if !force => {
            bail!("unable to destroy CT {vmid} - container is running");
        }
        _ => {}
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
    guest: &GuestId,
    unreferenced: bool,
) -> Result<(), ApiError> {
    let vmid = guest.vmid;
    let (vm, volids) = {
        let world = sim.world();
        let vm = guest.find(&world)?;
        unlocked(vm)?;
        may_go(&world, vmid, vm, false)?;
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
        assert_eq!(name("tank:subvol-110-disk-0"), "tank:basevol-110-disk-0");
    }
}
