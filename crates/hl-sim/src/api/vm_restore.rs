//! A guest out of an archive.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::vm_create::{self, identity, may_create, reserve, taken};
use crate::backup;
use crate::call::{Answer, Call, GuestId};
use crate::disks;
use crate::drive::Drive;
use crate::edit::{self, Edit};
use crate::error::{ApiError, bail};
use crate::machine::Sim;
use crate::power;
use crate::route::Route;
use crate::snapshot;
use crate::storage::{NewDisk, ROOTDIR};
use crate::vm::{self, GuestKind, Vm};
use crate::world::World;

/// What is to be made of an archive.
struct Order {
    guest: GuestId,
    archive: String,
    storage: Option<String>,
    pool: Option<String>,
    unique: bool,
    start: bool,
    /// Keys that replace those of the archive.
    set: BTreeMap<String, String>,
    config: BTreeMap<String, String>,
}

pub(super) const ROUTES: &[Route] = &[vm_create::route(make)];

/// `POST qemu`.
fn make(call: &Call<'_>) -> Answer {
    match call.params.text("archive") {
        Some(archive) => restore(call, archive),
        None => vm_create::create(call),
    }
}

fn restore(call: &Call<'_>, archive: &str) -> Answer {
    let edit = Edit::read(&call.params)?;
    if let Some((key, _)) = edit.drives.first() {
        return Err(ApiError::param(
            key,
            "option conflicts with option 'archive'",
        ));
    }
    let vmid = call.params.vmid("vmid")?;
    {
        let world = call.sim.world();
        may_bring_back(call, &world, vmid)?;
        edit.check_rights(call, &world, vmid, None)?;
    }
    bring(call, archive, edit)
}

/// Whether the caller may make the guest, or its backups and so bring it back.
pub(super) fn may_bring_back(call: &Call<'_>, world: &World, vmid: u32) -> Result<(), ApiError> {
    let replaces = call.params.is_set("force") && world.vms.contains_key(&vmid);
    if replaces && call.has(world, &format!("/vms/{vmid}"), "VM.Backup") {
        return Ok(());
    }
    may_create(call, world, vmid, call.params.text("pool"))
}

/// Makes a guest out of an archive, by one who may change these keys.
pub(super) fn bring(call: &Call<'_>, archive: &str, edit: Edit) -> Answer {
    let params = &call.params;
    let vmid = params.vmid("vmid")?;
    let noun = call.kind.noun();
    let order = {
        let world = call.sim.world();
        let from = archive.split(':').next().unwrap_or_default();
        call.need_storage(&world, from, "Datastore.AllocateSpace")?;
        let volume = world.need_volume(archive)?;
        if volume.content != "backup" || backup::kind_of(volume) != call.kind {
            bail!("unable to restore {noun} {vmid} - '{archive}' is no backup of a {noun}");
        }
        if let Some(owner) = volume.vmid {
            call.need(&world, &format!("/vms/{owner}"), "VM.Backup")?;
        }
        if let Some(other) = world.vms.get(&vmid) {
            may_replace(call, vmid, other)?;
        }
        let config = backup::config_of(volume)?;
        let storage = params.text("storage").map(str::to_owned);
        for (_, volid) in vm::disks(call.kind, &config) {
            let own = volid.split(':').next().unwrap_or_default();
            let goes_to = storage.as_deref().unwrap_or(own);
            call.need_storage(&world, goes_to, "Datastore.AllocateSpace")?;
            let content = call.kind.pick("images", ROOTDIR);
            world.storage_for(goes_to, call.node(), content)?;
        }
        Order {
            guest: call.guest_of(vmid),
            archive: archive.to_owned(),
            storage,
            pool: params.text("pool").map(str::to_owned),
            unique: params.is_set("unique"),
            start: params.is_set("start"),
            set: edit.set,
            config,
        }
    };
    let exists = call.sim.world().vms.contains_key(&vmid);
    if !exists {
        reserve(call.sim, &order.guest, "create")?;
    }
    let kind = call.kind.pick("qmrestore", "vzrestore");
    call.vm_task(kind, vmid, move |sim, log| {
        log.line(format!("restore archive: {}", order.archive));
        if let Err(error) = bring_back(sim, &order) {
            if !exists {
                sim.change(|world| world.vms.remove(&vmid));
            }
            return Err(format!(
                "unable to restore {noun} {vmid} - {}",
                error.message
            ));
        }
        if order.start {
            power::start(sim, vmid, false)?;
        }
        Ok(())
    })
}

/// Whether the guest that has the number may be replaced.
fn may_replace(call: &Call<'_>, vmid: u32, other: &Vm) -> Result<(), ApiError> {
    let replaces = call.params.is_set("force");
    let container = call.kind == GuestKind::Lxc;
    let noun = call.kind.noun();
    let protected = other.config.get("protection");
    let why = if !replaces || other.kind != call.kind || other.node != call.node() {
        let error = taken(vmid, other);
        if container {
            return Err(error);
        }
        error.message
    } else if other.run.is_some() && container {
        bail!("can't overwrite running container");
    } else if other.run.is_some() {
        "vm is running".to_owned()
    } else if protected.is_some_and(|value| value == "1") {
        "protection mode enabled".to_owned()
    } else {
        return Ok(());
    };
    Err(ApiError::die(format!(
        "unable to restore {noun} {vmid} - {why}"
    )))
}

fn bring_back(sim: &Arc<Sim>, order: &Order) -> Result<(), ApiError> {
    let kind = order.guest.kind;
    let vmid = order.guest.vmid;
    let old = sim.world().vms.get(&vmid).cloned();
    if let Some(old) = old {
        snapshot::remove_all(sim, &old).map_err(ApiError::die)?;
        let volids = sim.world().disks_of(vmid, |volid| old.names(volid));
        disks::free(sim, &volids).map_err(ApiError::die)?;
    }
    let mut config = order.config.clone();
    for (key, drive) in vm::drives_of(kind, &order.config) {
        let Some((own, _)) = drive
            .volume()
            .filter(|_| !drive.is_cdrom() || drive.is_cloudinit())
        else {
            continue;
        };
        let made = copy(sim, order, own, &key, &drive)?;
        config.insert(key, made.print());
    }
    sim.change(|world| {
        if order.unique {
            edit::renew_cards(world, kind, &mut config);
        }
        if order.unique && kind == GuestKind::Qemu {
            identity(world, &mut config);
        }
        config.extend(order.set.clone());
        if let Some(vm) = world.vms.get_mut(&vmid) {
            vm.config = config.into();
            vm.pending.clear();
            vm.snapshots.clear();
            vm.lock = None;
        }
        world.join_pool(order.pool.as_deref(), vmid);
    });
    Ok(())
}

fn copy(
    sim: &Arc<Sim>,
    order: &Order,
    own: &str,
    key: &str,
    drive: &Drive,
) -> Result<Drive, ApiError> {
    let storage = order.storage.as_deref().unwrap_or(own);
    let size = drive.size().unwrap_or(0);
    let disk = NewDisk {
        node: &order.guest.node,
        storage,
        vmid: order.guest.vmid,
        size,
        used: size / 2,
        format: None,
        parent: None,
    };
    let from = backup::disk_of(&order.archive, key);
    Ok(Drive {
        file: disks::copy(sim, &from, &disk, drive.is_cloudinit())?,
        ..drive.clone()
    })
}
