//! Disks of a VM or a container that exists: larger, or elsewhere.

use std::sync::Arc;

use super::disk_keys::{disk_key, drive_of, same_digest};
use super::vm_reassign;
use crate::call::{Answer, Call, GuestId, unlocked};
use crate::disks;
use crate::error::{ApiError, bail};
use crate::kind::Kind::{Bool, DiskSize, Enum, Id, Number, Text, Vmid};
use crate::machine::Sim;
use crate::params::{Param, opt, req};
use crate::route::{Route, on_ct, on_vm};
use crate::size;
use crate::storage::{NewDisk, ROOTDIR};
use crate::vm::{GuestKind, free_unused};

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

const RESIZE_CT: &[Param] = &[
    req("disk", Text),
    req("size", DiskSize),
    opt("digest", Text),
];

const MOVE_CT: &[Param] = &[
    req("volume", Text),
    opt("bwlimit", Number),
    opt("delete", Bool),
    opt("digest", Text),
    opt("storage", Id),
    opt("target-digest", Text),
    opt("target-vmid", Vmid),
    opt("target-volume", Text),
];

pub(super) const ROUTES: &[Route] = &[
    on_vm("PUT", "resize", RESIZE, resize).needs("/vms/{vmid}", &["VM.Config.Disk"]),
    on_vm("POST", "move_disk", MOVE, move_disk).needs("/vms/{vmid}", &["VM.Config.Disk"]),
    on_ct("PUT", "resize", RESIZE_CT, resize_ct).needs("/vms/{vmid}", &["VM.Config.Disk"]),
    on_ct("POST", "move_volume", MOVE_CT, move_disk).needs("/vms/{vmid}", &["VM.Config.Disk"]),
];

fn resize(call: &Call<'_>) -> Answer {
    let guest = call.guest()?;
    let key = disk_key(call, "disk")?;
    let wanted = call.params.must("size")?.to_owned();
    {
        let world = call.sim.world();
        let vm = call.vm(&world)?;
        same_digest(call, vm)?;
        unlocked(vm)?;
        drive_of(vm, &key)?;
    }
    call.vm_task("resize", guest.vmid, move |sim, _| {
        grow(sim, &guest, &key, &wanted)
    })
}

/// A container's disk: what is wrong with its new size is told before the task.
fn resize_ct(call: &Call<'_>) -> Answer {
    {
        let world = call.sim.world();
        let vm = call.vm(&world)?;
        let drive = drive_of(vm, &disk_key(call, "disk")?)?;
        same_digest(call, vm)?;
        unlocked(vm)?;
        let volume = world.need_volume(&drive.file)?;
        if let Some(owner) = volume.vmid
            && owner != call.vmid()?
        {
            bail!("can't resize mount point owned by another container ({owner})");
        }
        let new = new_size(volume.size, call.params.must("size")?);
        if new < volume.size {
            bail!("unable to shrink disk size");
        }
        if new == volume.size {
            bail!("disk is already at specified size");
        }
    }
    resize(call)
}

/// What `+1G` or `10G` makes of a size.
fn new_size(old: u64, wanted: &str) -> u64 {
    let plus = wanted.strip_prefix('+');
    let number = size::parse(plus.unwrap_or(wanted)).unwrap_or(0);
    if plus.is_some() {
        old.saturating_add(number)
    } else {
        number
    }
}

fn grow(sim: &Arc<Sim>, guest: &GuestId, key: &str, wanted: &str) -> Result<(), ApiError> {
    sim.change(|world| {
        let vm = guest.find(world)?;
        unlocked(vm)?;
        let mut drive = drive_of(vm, key)?;
        let volume = world.need_volume(&drive.file)?;
        let (old, storage) = (volume.size, volume.storage().to_owned());
        let new = new_size(old, wanted);
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
        let vm = guest.find_mut(world)?;
        vm.config.insert(key.to_owned(), drive.print());
        Ok(())
    })
}

fn move_disk(call: &Call<'_>) -> Answer {
    let guest = call.guest()?;
    let key = disk_key(call, call.kind.pick("disk", "volume"))?;
    let text = match (call.params.text("storage"), call.params.text("target-vmid")) {
        (None, Some(_)) => return vm_reassign::to_another(call, &guest, key),
        (Some(_), None) => "",
        (None, None) => "both 'storage' and 'target-vmid' missing, either needs to be set",
        (Some(_), Some(_)) => "either set 'storage' or 'target-vmid', but not both",
    };
    if !text.is_empty() {
        let both = ["storage", "target-vmid"].map(|name| (name.to_owned(), text.to_owned()));
        return Err(ApiError::params(both.into()));
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
        if drive.is_cdrom() && !drive.is_cloudinit() {
            bail!("you can't move a cdrom");
        }
        if key.starts_with("tpmstate") && vm.run.is_some() {
            bail!("cannot move TPM state while VM is running");
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
        world.storage_for(&storage, call.node(), call.kind.pick("images", ROOTDIR))?;
        if call.kind == GuestKind::Lxc && vm.run.is_some() {
            bail!("cannot move volumes of a running container");
        }
    }
    let to = Target {
        storage,
        format,
        delete,
    };
    let kind = call.kind.pick("qmmove", "move_volume");
    call.vm_task(kind, guest.vmid, move |sim, log| {
        log.line(format!("create full clone of drive {key}"));
        relocate(sim, &guest, &key, &to)
            .map_err(|error| format!("storage migration failed: {}", error.message))
    })
}

struct Target {
    storage: String,
    format: Option<String>,
    delete: bool,
}

fn relocate(sim: &Arc<Sim>, guest: &GuestId, key: &str, to: &Target) -> Result<(), ApiError> {
    let (mut drive, volume) = {
        let world = sim.world();
        let drive = drive_of(guest.find(&world)?, key)?;
        let volume = world.need_volume(&drive.file)?.clone();
        (drive, volume)
    };
    let disk = NewDisk {
        node: &guest.node,
        storage: &to.storage,
        vmid: guest.vmid,
        size: volume.size,
        used: volume.used,
        format: to.format.as_deref(),
        parent: None,
    };
    let cloud_init = drive.is_cloudinit();
    let new = disks::relocate(sim, &drive.file, &disk, cloud_init, !to.delete)?;
    let old = std::mem::replace(&mut drive.file, new);
    sim.change(|world| {
        let vm = guest.find_mut(world)?;
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
