//! A copy of a VM or a container: full, or linked to the disks of a template.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::vm_create::{identity, may_create, reserve, taken};
use crate::call::{Answer, Call, GuestId, unlocked};
use crate::ctvalues;
use crate::disks;
use crate::drive::Drive;
use crate::edit;
use crate::error::{ApiError, bail};
use crate::feature::{self, Feature};
use crate::kind::Kind::{Bool, DnsName, Enum, Id, Number, Text, Vmid};
use crate::locks::Hold;
use crate::machine::{Sim, TaskLog};
use crate::mount;
use crate::params::{Param, opt, req};
use crate::route::{Route, on_ct, on_vm};
use crate::snapshot;
use crate::storage::{NewDisk, ROOTDIR};
use crate::vm::{GuestKind, Vm, drives_of};
use crate::volume::Storage;
use crate::world::World;

const CLONE: &[Param] = &[
    req("newid", Vmid),
    opt("bwlimit", Number),
    opt("description", Text),
    opt("format", Enum(&["raw", "qcow2", "vmdk"])),
    opt("full", Bool),
    opt("name", DnsName),
    opt("pool", Id),
    opt("snapname", Text),
    opt("storage", Id),
    opt("target", Id),
];

const CLONE_CT: &[Param] = &[
    req("newid", Vmid),
    opt("bwlimit", Number),
    opt("description", Text),
    opt("full", Bool),
    opt("hostname", DnsName),
    opt("pool", Id),
    opt("snapname", Text),
    opt("storage", Id),
    opt("target", Id),
];

pub(super) const ROUTES: &[Route] = &[
    on_vm("POST", "clone", CLONE, clone).needs("/vms/{vmid}", &["VM.Clone"]),
    on_ct("POST", "clone", CLONE_CT, clone).needs("/vms/{vmid}", &["VM.Clone"]),
];

/// A clone that is to be made.
struct Order {
    kind: GuestKind,
    source: u32,
    target: u32,
    node: String,
    /// The snapshot that is copied instead of the present.
    snapshot: Option<String>,
    full: bool,
    storage: Option<String>,
    format: Option<String>,
    /// None: that of the source.
    name: Option<String>,
    description: Option<String>,
    pool: Option<String>,
}

fn clone(call: &Call<'_>) -> Answer {
    let order = read(call)?;
    let target = GuestId {
        kind: order.kind,
        node: order.node.clone(),
        vmid: order.target,
    };
    reserve(call.sim, &target, call.kind.pick("clone", "create"))?;
    // A container is locked as long as it is copied; of a VM many copies are made at once.
    if order.kind == GuestKind::Lxc
        && let Err(error) = lock_source(call, order.source)
    {
        call.sim.change(|world| world.vms.remove(&order.target));
        return Err(error);
    }
    let holds = vec![(order.source, Hold::Shared), (order.target, Hold::Alone)];
    let id = order.source.to_string();
    let kind = call.kind.pick("qmclone", "vzclone");
    call.task(kind, id, holds, move |sim, log| {
        let result = copy(sim, log, &order);
        sim.change(|world| {
            if let Some(source) = world.vms.get_mut(&order.source) {
                source.lock.take_if(|lock| lock == BEING_COPIED);
            }
        });
        if result.is_err() {
            sim.change(|world| world.vms.remove(&order.target));
        }
        result.map_err(|text| format!("clone failed: {text}"))
    })
}

/// The lock of a container that is being copied.
const BEING_COPIED: &str = "disk";

fn lock_source(call: &Call<'_>, vmid: u32) -> Result<(), ApiError> {
    call.sim.change(|world| {
        let source = call.guest_of(vmid);
        unlocked(source.find(world)?)?;
        source.find_mut(world)?.lock = Some(BEING_COPIED.to_owned());
        Ok(())
    })
}

fn read(call: &Call<'_>) -> Result<Order, ApiError> {
    let params = &call.params;
    let (source, target) = (call.vmid()?, params.vmid("newid")?);
    let pool = params.text("pool").map(str::to_owned);
    let world = call.sim.world();
    may_create(call, &world, target, pool.as_deref())?;
    let vm = call.vm(&world)?;
    let node = params.text("target").unwrap_or(call.node()).to_owned();
    if world.node(&node).is_none() {
        bail!("no such cluster node '{node}'");
    }
    unlocked(vm)?;
    let snapshot = params.text("snapname").map(str::to_owned);
    let config = config_of(vm, snapshot.as_deref())?;
    let full = params.flag("full").unwrap_or(!vm.is_template());
    let storage = params.text("storage").map(str::to_owned);
    if storage.is_some() && !full {
        bail!("parameter 'storage' not allowed for linked clones");
    }
    let source_disks = Wanted {
        config: &config,
        snapshot: snapshot.is_some(),
        node: &node,
        full,
        storage: storage.as_deref(),
    };
    if call.kind == GuestKind::Lxc && full && snapshot.is_none() && vm.run.is_some() {
        bail!("Full clone of a running container is only possible from a snapshot");
    }
    check_disks(call, &world, &source_disks)?;
    if let Some(other) = world.vms.get(&target) {
        if call.kind == GuestKind::Lxc {
            return Err(taken(target, other));
        }
        bail!("unable to create VM {target}: config file already exists");
    }
    let copied = match vm.name() {
        "" => format!("Copy-of-VM-{source}"),
        own => format!("Copy-of-VM-{own}"),
    };
    let given = params.text(call.kind.pick("name", "hostname"));
    let name = given.map(str::to_owned);
    Ok(Order {
        kind: call.kind,
        source,
        target,
        node,
        snapshot,
        full,
        storage,
        format: params.text("format").map(str::to_owned),
        name: name.or(call.kind.pick(Some(copied), None)),
        description: params.text("description").map(|text| match call.kind {
            GuestKind::Qemu => edit::description(text).to_owned(),
            GuestKind::Lxc => ctvalues::description(text),
        }),
        pool,
    })
}

/// What a clone has, now or at the time of a snapshot.
fn config_of(vm: &Vm, snapshot: Option<&str>) -> Result<BTreeMap<String, String>, ApiError> {
    let mut config = match snapshot {
        Some(name) => snapshot::settings(snapshot::find(vm, name)?),
        None => (*vm.config).clone(),
    };
    config.retain(|key, _| !key.starts_with("unused") && key != "template" && key != "parent");
    Ok(config)
}

/// The disks that are to be copied, and where to.
struct Wanted<'a> {
    config: &'a BTreeMap<String, String>,
    snapshot: bool,
    node: &'a str,
    full: bool,
    storage: Option<&'a str>,
}

fn check_disks(call: &Call<'_>, world: &World, wanted: &Wanted<'_>) -> Result<(), ApiError> {
    let (node, full) = (wanted.node, wanted.full);
    let noun = call.kind.noun();
    for (key, drive) in drives_of(call.kind, wanted.config) {
        let Some((own, _)) = drive.volume() else {
            if call.kind == GuestKind::Lxc {
                let what = mount::kind(&drive);
                bail!("unable to clone mountpoint '{key}' (type {what})");
            }
            continue;
        };
        let shared = world
            .storages
            .get(own)
            .is_some_and(|storage| storage.shared);
        if node != call.node() && !shared {
            bail!("can't clone {noun} to node '{node}' ({noun} uses local storage)");
        }
        if drive.is_cdrom() && !drive.is_cloudinit() {
            continue;
        }
        world.need_volume(&drive.file)?;
        let can = |feature| feature::has(world, &drive.file, feature, wanted.snapshot);
        if !full && !drive.is_cloudinit() && !can(Feature::Clone) {
            if call.kind == GuestKind::Lxc {
                bail!("Linked clone feature for '{}' is not available", drive.file);
            }
            bail!(
                "Linked clone feature is not available for drive '{key}' ({})",
                drive.file
            );
        }
        if full && !drive.is_cloudinit() && !can(Feature::Copy) {
            bail!("Full clone feature is not supported for drive '{key}'");
        }
        let goes_to = wanted.storage.filter(|_| full).unwrap_or(own);
        call.need_storage(world, goes_to, "Datastore.AllocateSpace")?;
        world.storage_for(goes_to, node, call.kind.pick("images", ROOTDIR))?;
    }
    edit::may_use_bridges(call, world, wanted.config)
}

fn copy(sim: &Arc<Sim>, log: &TaskLog<'_>, order: &Order) -> Result<(), String> {
    let source = {
        let world = sim.world();
        let found = world.vms.get(&order.source).cloned();
        found.ok_or_else(|| format!("no such VM ('{}')", order.source))?
    };
    let mut config = config_of(&source, order.snapshot.as_deref())?;
    let mut made: Vec<String> = Vec::new();
    for (key, drive) in drives_of(order.kind, &config.clone()) {
        match copy_drive(sim, log, order, &key, &drive) {
            Ok(Some(copy)) => {
                made.push(copy.file.clone());
                config.insert(key, copy.print());
            }
            Ok(None) => {}
            Err(text) => {
                for volid in made {
                    sim.guests.remove_disk(&volid).ok();
                    sim.change(|world| world.drop_volume(&volid));
                }
                return Err(text);
            }
        }
    }
    sim.change(|world| {
        edit::renew_cards(world, order.kind, &mut config);
        if order.kind == GuestKind::Qemu {
            identity(world, &mut config);
        }
        if let Some(name) = &order.name {
            let key = order.kind.pick("name", "hostname");
            config.insert(key.to_owned(), name.clone());
        }
        if let Some(text) = &order.description {
            config.insert("description".to_owned(), text.clone());
            config.retain(|key, value| !edit::is_nothing(key, value));
        }
        if let Some(vm) = world.vms.get_mut(&order.target) {
            vm.config = config.into();
            vm.lock = None;
        }
        world.join_pool(order.pool.as_deref(), order.target);
    });
    Ok(())
}

/// Copies one drive; media are shared, and `None` says so.
fn copy_drive(
    sim: &Arc<Sim>,
    log: &TaskLog<'_>,
    order: &Order,
    key: &str,
    drive: &Drive,
) -> Result<Option<Drive>, String> {
    let Some((own, _)) = drive.volume() else {
        return Ok(None);
    };
    if drive.is_cdrom() && !drive.is_cloudinit() {
        return Ok(None);
    }
    let kind = if order.full { "full" } else { "linked" };
    let what = order.kind.pick("drive", "mountpoint");
    log.line(format!(
        "create {kind} clone of {what} {key} ({})",
        drive.file
    ));
    let storage = order.storage.as_deref().unwrap_or(own);
    let (from, paths) = {
        let world = sim.world();
        let found = world.volume(&drive.file).cloned();
        let target = world.storages.get(storage);
        (
            found.ok_or_else(|| format!("volume '{}' does not exist", drive.file))?,
            target.is_some_and(Storage::has_paths),
        )
    };
    // A linked clone holds nothing of its own at first.
    let copied = order.full || drive.is_cloudinit();
    let disk = NewDisk {
        node: &order.node,
        storage,
        vmid: order.target,
        size: from.size,
        used: if copied { from.used } else { 0 },
        // A copy keeps the format of its source where the storage knows it.
        format: order
            .format
            .as_deref()
            .or(paths.then_some(from.format.as_str())),
        parent: (!copied && order.snapshot.is_none()).then_some(drive.file.as_str()),
    };
    let source = match &order.snapshot {
        Some(name) => snapshot::disk_of(&drive.file, name),
        None => drive.file.clone(),
    };
    let mut copy = drive.clone();
    copy.file = disks::copy(sim, &source, &disk, drive.is_cloudinit())?;
    copy.set_size(from.size);
    if order.full && !drive.is_cloudinit() {
        let size = crate::size::print(from.size);
        log.line(format!("transferred {size} of {size} (100.00%)"));
    }
    Ok(Some(copy))
}
