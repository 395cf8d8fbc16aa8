//! Disks of a VM that exists: larger, or elsewhere.

use std::sync::Arc;

use crate::call::{Answer, Call, unlocked, vm_on};
use crate::disks;
use crate::drive::Drive;
use crate::error::{ApiError, bail};
use crate::kind::Kind::{Bool, DiskSize, Enum, Id, Number, Text, Vmid};
use crate::machine::Sim;
use crate::params::{Param, opt, req};
use crate::route::{Route, on_vm};
use crate::size;
use crate::storage::NewDisk;
use crate::vm::{Vm, free_unused, is_drive};

const RESIZE: &[Param] = &[
    req("disk", Text),
    req("size", DiskSize),
    opt("digest", Text),
    opt("skiplock", Bool),
];

const MOVE: &[Param] = &[
    req("disk", Text),
    opt("bwlimit", Number),
    opt("delete", Bool),
    opt("digest", Text),
    opt("format", Enum(&["raw", "qcow2", "vmdk"])),
    opt("storage", Id),
    opt("target-digest", Text),
    opt("target-disk", Text),
    opt("target-vmid", Vmid),
];

pub(super) const ROUTES: &[Route] = &[
    on_vm("PUT", "resize", RESIZE, resize).needs("/vms/{vmid}", &["VM.Config.Disk"]),
    on_vm("POST", "move_disk", MOVE, move_disk).needs("/vms/{vmid}", &["VM.Config.Disk"]),
];

fn resize(call: &Call<'_>) -> Answer {
    let vmid = call.vmid()?;
    let key = disk_key(call)?;
    let wanted = call.params.must("size")?.to_owned();
    {
        let world = call.sim.world();
        let vm = call.vm(&world)?;
        same_digest(call, vm)?;
        unlocked(vm)?;
        drive_of(vm, &key)?;
    }
    let node = call.node().to_owned();
    call.vm_task("resize", vmid, move |sim, _| {
        grow(sim, &node, vmid, &key, &wanted)
    })
}

fn grow(sim: &Arc<Sim>, node: &str, vmid: u32, key: &str, wanted: &str) -> Result<(), ApiError> {
    sim.change(|world| {
        let vm = vm_on(world, node, vmid)?;
        unlocked(vm)?;
        let mut drive = drive_of(vm, key)?;
        let volume = world.need_volume(&drive.file)?;
        let (old, storage) = (volume.size, volume.storage().to_owned());
        let plus = wanted.strip_prefix('+');
        let number = size::parse(plus.unwrap_or(wanted)).unwrap_or(0);
        let new = if plus.is_some() {
            old.saturating_add(number)
        } else {
            number
        };
        if new < old {
            bail!("shrinking disks is not supported");
        }
        let thick = world
            .storages
            .get(&storage)
            .is_some_and(|storage| storage.kind == "lvm");
        if thick {
            world.fits(&storage, new - old)?;
        }
        if let Some(volume) = world.volume_mut(&drive.file) {
            volume.size = new;
            if thick {
                volume.used = new;
            }
        }
        drive.set_size(new);
        if let Some(vm) = world.vms.get_mut(&vmid) {
            vm.config.insert(key.to_owned(), drive.print());
        }
        Ok(())
    })
}

fn move_disk(call: &Call<'_>) -> Answer {
    let vmid = call.vmid()?;
    let key = disk_key(call)?;
    if call.params.text("target-vmid").is_some() {
        return Err(ApiError::new(
            501,
            "the simulator moves no disks to other VMs",
        ));
    }
    let storage = call.params.must("storage")?.to_owned();
    let format = call.params.text("format").map(str::to_owned);
    let delete = call.params.flag("delete").unwrap_or(false);
    {
        let world = call.sim.world();
        call.need_storage(&world, &storage, "Datastore.AllocateSpace")?;
        let vm = call.vm(&world)?;
        same_digest(call, vm)?;
        unlocked(vm)?;
        let drive = drive_of(vm, &key)?;
        if drive.is_cdrom() {
            bail!("you can't move a cdrom");
        }
        let volume = world.volume(&drive.file);
        let same = volume.is_some_and(|volume| {
            volume.storage() == storage
                && format
                    .as_ref()
                    .is_none_or(|format| *format == volume.format)
        });
        if same {
            bail!("you can't move to the same storage with same format");
        }
        if delete && vm.in_snapshot(&drive.file) {
            bail!("you can't move a disk with snapshots and delete the source");
        }
        world.storage_for(&storage, call.node(), "images")?;
    }
    let node = call.node().to_owned();
    let to = Target {
        storage,
        format,
        delete,
    };
    call.vm_task("qmmove", vmid, move |sim, log| {
        log.line(format!("create full clone of drive {key}"));
        relocate(sim, &node, vmid, &key, &to)
            .map_err(|error| format!("storage migration failed: {}", error.message))
    })
}

struct Target {
    storage: String,
    format: Option<String>,
    delete: bool,
}

fn relocate(sim: &Arc<Sim>, node: &str, vmid: u32, key: &str, to: &Target) -> Result<(), ApiError> {
    let (mut drive, volume) = {
        let world = sim.world();
        let drive = drive_of(vm_on(&world, node, vmid)?, key)?;
        let volume = world.need_volume(&drive.file)?.clone();
        (drive, volume)
    };
    let disk = NewDisk {
        node,
        storage: &to.storage,
        vmid,
        size: volume.size,
        used: volume.used,
        format: to.format.as_deref(),
        parent: None,
    };
    let new = disks::copy(sim, &drive.file, &disk, false)?;
    let old = std::mem::replace(&mut drive.file, new);
    sim.change(|world| {
        let vm = crate::call::vm_mut(world, node, vmid)?;
        vm.config.insert(key.to_owned(), drive.print());
        if let (false, Some(unused)) = (to.delete, free_unused(&vm.config)) {
            vm.config.insert(unused, old.clone());
        }
        Ok(())
    })?;
    if to.delete {
        disks::free(sim, &[old]).map_err(ApiError::die)?;
    }
    Ok(())
}

fn disk_key(call: &Call<'_>) -> Result<String, ApiError> {
    let key = call.params.must("disk")?;
    if is_drive(key) || key.starts_with("unused") {
        return Ok(key.to_owned());
    }
    Err(ApiError::param(
        "disk",
        format!("value '{key}' does not have a value in the enumeration of disks"),
    ))
}

fn drive_of(vm: &Vm, key: &str) -> Result<Drive, ApiError> {
    let text = vm
        .config
        .get(key)
        .ok_or_else(|| ApiError::die(format!("disk '{key}' does not exist")))?;
    Drive::parse(text).map_err(ApiError::die)
}

fn same_digest(call: &Call<'_>, vm: &Vm) -> Result<(), ApiError> {
    match call.params.text("digest") {
        Some(seen) if seen != vm.digest() => Err(ApiError::die(
            "detected modified configuration - file changed by other user? Try again.",
        )),
        _ => Ok(()),
    }
}
