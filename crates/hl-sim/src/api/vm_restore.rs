//! A VM out of an archive.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::vm_create::{self, identity, may_create, reserve};
use crate::backup;
use crate::call::{Answer, Call};
use crate::disks;
use crate::drive::Drive;
use crate::edit::{self, Edit};
use crate::error::{ApiError, bail};
use crate::machine::Sim;
use crate::power;
use crate::route::Route;
use crate::snapshot;
use crate::storage::NewDisk;
use crate::vm::{self, GuestKind};

/// What is to be made of an archive.
struct Order {
    vmid: u32,
    node: String,
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
    let params = &call.params;
    let vmid = params.vmid("vmid")?;
    let edit = Edit::read(params)?;
    if let Some((key, _)) = edit.drives.first() {
        return Err(ApiError::param(
            key,
            "option conflicts with option 'archive'",
        ));
    }
    let order = {
        let world = call.sim.world();
        let pool = params.text("pool").map(str::to_owned);
        let replaces = params.is_set("force") && world.vms.contains_key(&vmid);
        // Who may make its backups may bring it back.
        let may = replaces && call.has(&world, &format!("/vms/{vmid}"), "VM.Backup");
        if !may {
            may_create(call, &world, vmid, pool.as_deref())?;
        }
        edit.check_rights(call, &world, vmid, None)?;
        let from = archive.split(':').next().unwrap_or_default();
        call.need_storage(&world, from, "Datastore.AllocateSpace")?;
        let volume = world.need_volume(archive)?;
        if volume.content != "backup" || backup::kind_of(volume) != GuestKind::Qemu {
            bail!("unable to restore VM {vmid} - '{archive}' is no backup of a VM");
        }
        if let Some(owner) = volume.vmid {
            call.need(&world, &format!("/vms/{owner}"), "VM.Backup")?;
        }
        if let Some(other) = world.vms.get(&vmid) {
            let why = if !replaces || other.kind != GuestKind::Qemu || other.node != call.node() {
                format!(
                    "{} {vmid} already exists on node '{}'",
                    other.kind.noun(),
                    other.node
                )
            } else if other.run.is_some() {
                "vm is running".to_owned()
            } else if other
                .config
                .get("protection")
                .is_some_and(|value| value == "1")
            {
                "protection mode enabled".to_owned()
            } else {
                String::new()
            };
            if !why.is_empty() {
                bail!("unable to restore VM {vmid} - {why}");
            }
        }
        let config = backup::config_of(volume)?;
        let storage = params.text("storage").map(str::to_owned);
        for (_, volid) in vm::disks(GuestKind::Qemu, &config) {
            let own = volid.split(':').next().unwrap_or_default();
            let goes_to = storage.as_deref().unwrap_or(own);
            call.need_storage(&world, goes_to, "Datastore.AllocateSpace")?;
            world.storage_for(goes_to, call.node(), "images")?;
        }
        Order {
            vmid,
            node: call.node().to_owned(),
            archive: archive.to_owned(),
            storage,
            pool,
            unique: params.is_set("unique"),
            start: params.is_set("start"),
            set: edit.set,
            config,
        }
    };
    let exists = call.sim.world().vms.contains_key(&vmid);
    if !exists {
        reserve(call.sim, &order.node, vmid, "create")?;
    }
    call.vm_task("qmrestore", vmid, move |sim, log| {
        log.line(format!("restore vma archive: {}", order.archive));
        if let Err(error) = bring_back(sim, &order) {
            if !exists {
                sim.change(|world| world.vms.remove(&vmid));
            }
            return Err(format!("unable to restore VM {vmid} - {}", error.message));
        }
        if order.start {
            power::start(sim, vmid, false)?;
        }
        Ok(())
    })
}

fn bring_back(sim: &Arc<Sim>, order: &Order) -> Result<(), ApiError> {
    let old = sim.world().vms.get(&order.vmid).cloned();
    if let Some(old) = old {
        snapshot::remove_all(sim, &old).map_err(ApiError::die)?;
        let volids = sim.world().disks_of(order.vmid, |volid| old.names(volid));
        disks::free(sim, &volids).map_err(ApiError::die)?;
    }
    let mut config = order.config.clone();
    for (key, drive) in vm::drives(&order.config) {
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
            edit::renew_cards(world, &mut config);
            identity(world, &mut config);
        }
        config.extend(order.set.clone());
        if let Some(vm) = world.vms.get_mut(&order.vmid) {
            vm.config = config;
            vm.pending.clear();
            vm.snapshots.clear();
            vm.lock = None;
        }
        world.join_pool(order.pool.as_deref(), order.vmid);
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
        node: &order.node,
        storage,
        vmid: order.vmid,
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
