//! A new VM from nothing, or from an imported image.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::call::{Answer, Call, GuestId};
use crate::disks;
use crate::edit::{self, Edit};
use crate::error::{ApiError, bail};
use crate::kind::Kind::{Bool, Id, Int, Number, Text, Vmid};
use crate::machine::Sim;
use crate::params::{Param, opt, req};
use crate::power;
use crate::route::{Handler, Route, on_node};
use crate::vm::{GuestKind, Vm, drives};
use crate::world::World;

const CREATE: &[Param] = &[
    req("vmid", Vmid),
    opt("archive", Text),
    opt("bwlimit", Number),
    opt("force", Bool),
    opt("import-working-storage", Id),
    opt("live-restore", Bool),
    opt("pool", Id),
    opt("skiplock", Bool),
    opt("start", Bool),
    opt("storage", Id),
    opt("unique", Bool),
    opt("background_delay", Int(1, 30)),
];

/// The route of `POST qemu`, for what makes a VM out of nothing or of an archive.
pub(super) const fn route(handler: Handler) -> Route {
    on_node("POST", "qemu", CREATE, handler).with_vm_keys()
}

/// A VM that is not out of an archive.
pub(super) fn create(call: &Call<'_>) -> Answer {
    let vmid = call.params.vmid("vmid")?;
    for key in ["force", "unique"] {
        if call.params.text(key).is_some() {
            let text = format!("missing property - '{key}' requires this property");
            return Err(ApiError::param("archive", text));
        }
    }
    let edit = Edit::read(&call.params)?;
    let pool = call.params.text("pool").map(str::to_owned);
    let start = call.params.flag("start").unwrap_or(false);
    let node = call.node().to_owned();
    {
        let world = call.sim.world();
        may_create(call, &world, vmid, pool.as_deref())?;
        edit.check_rights(call, &world, vmid, None)?;
        if start {
            call.need(&world, &format!("/vms/{vmid}"), "VM.PowerMgmt")?;
        }
        if let Some(other) = world.vms.get(&vmid) {
            bail!(
                "unable to create VM {vmid} - {}",
                taken(vmid, other).message
            );
        }
    }
    reserve(call.sim, &call.guest_of(vmid), "create")?;
    call.vm_task("qmcreate", vmid, move |sim, log| {
        let made = make(sim, &node, vmid, &edit, pool.as_deref());
        if let Err(error) = made {
            sim.change(|world| world.vms.remove(&vmid));
            return Err(format!("unable to create VM {vmid} - {}", error.message));
        }
        let drives = sim
            .world()
            .vms
            .get(&vmid)
            .map(Vm::drives)
            .unwrap_or_default();
        for (key, drive) in drives {
            if edit.drives.iter().any(|(wanted, _)| *wanted == key) && drive.volume().is_some() {
                log.line(format!(
                    "{key}: successfully created disk '{}'",
                    drive.print()
                ));
            }
        }
        if start {
            power::start(sim, vmid, false)?;
        }
        Ok(())
    })
}

/// Whether the caller may make a VM: by the VM's path, or by its pool.
pub(super) fn may_create(
    call: &Call<'_>,
    world: &World,
    vmid: u32,
    pool: Option<&str>,
) -> Result<(), ApiError> {
    if let Some(pool) = pool {
        if !world.pools.contains_key(pool) {
            return Err(ApiError::denied(&format!("pool '{pool}' does not exist")));
        }
        if call.has(world, &format!("/pool/{pool}"), "VM.Allocate") {
            return Ok(());
        }
    }
    call.need(world, &format!("/vms/{vmid}"), "VM.Allocate")
}

/// Takes a VMID with an empty, locked config.
pub(super) fn reserve(sim: &Arc<Sim>, guest: &GuestId, lock: &str) -> Result<(), ApiError> {
    let vmid = guest.vmid;
    sim.change(|world| {
        if let Some(other) = world.vms.get(&vmid) {
            if guest.kind == GuestKind::Lxc {
                return Err(taken(vmid, other));
            }
            bail!("unable to create VM {vmid}: config file already exists");
        }
        let mut vm = Vm::new(&guest.node, BTreeMap::new());
        vm.kind = guest.kind;
        vm.lock = Some(lock.to_owned());
        world.vms.insert(vmid, vm);
        Ok(())
    })
}

/// A VMID that another guest has.
pub(super) fn taken(vmid: u32, other: &Vm) -> ApiError {
    let noun = other.kind.noun();
    ApiError::die(format!(
        "{noun} {vmid} already exists on node '{}'",
        other.node
    ))
}

fn make(
    sim: &Arc<Sim>,
    node: &str,
    vmid: u32,
    edit: &Edit,
    pool: Option<&str>,
) -> Result<(), ApiError> {
    let default = edit.default_storage.as_deref();
    let made = disks::realize(sim, node, vmid, &edit.drives, default)?;
    sim.change(|world| {
        let mut config = edit.set.clone();
        let lock = config.remove("lock");
        config.retain(|key, value| !edit::is_nothing(key, value));
        edit::complete_cards(world, edit.kind, &mut config);
        for (key, drive) in made {
            config.insert(key, drive.print());
        }
        if !config.contains_key("boot")
            && let Some(boot) = boot_order(&config)
        {
            config.insert("boot".to_owned(), boot);
        }
        identity(world, &mut config);
        let qemu = world.profile.qemu();
        let meta = format!("creation-qemu={qemu},ctime={}", world.now());
        config.insert("meta".to_owned(), meta);
        if let Some(vm) = world.vms.get_mut(&vmid) {
            vm.config = config.into();
            vm.lock = lock;
        }
        world.join_pool(pool, vmid);
    });
    Ok(())
}

/// Gives a config the ids that no two VMs share.
pub(super) fn identity(world: &mut World, config: &mut BTreeMap<String, String>) {
    let old = config.get("smbios1").map_or("", String::as_str);
    let kept = old.split(',');
    let kept = kept.filter(|part| !part.is_empty() && !part.starts_with("uuid="));
    let uuid = format!("uuid={}", world.new_uuid());
    let smbios: Vec<&str> = std::iter::once(uuid.as_str()).chain(kept).collect();
    let smbios = smbios.join(",");
    config.insert("smbios1".to_owned(), smbios);
    config.insert("vmgenid".to_owned(), world.new_uuid());
}

/// First disk, first CD-ROM, first card.
fn boot_order(config: &BTreeMap<String, String>) -> Option<String> {
    let all = drives(config);
    let bootable = |key: &str| !key.starts_with("efidisk") && !key.starts_with("tpmstate");
    let disk = all
        .iter()
        .find(|(key, drive)| bootable(key) && !drive.is_cdrom() && !drive.is_cloudinit());
    let medium = all
        .iter()
        .find(|(_, drive)| drive.is_cdrom() && !drive.is_cloudinit());
    let card = config.keys().find(|key| edit::is_card(key));
    let order: Vec<&str> = disk
        .into_iter()
        .chain(medium)
        .map(|(key, _)| key.as_str())
        .chain(card.map(String::as_str))
        .collect();
    (!order.is_empty()).then(|| format!("order={}", order.join(";")))
}
