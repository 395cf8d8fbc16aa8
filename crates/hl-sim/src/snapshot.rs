//! Snapshots: the config of a moment, copies of its disks, and the volume of its
//! memory. The keys of a snapshot are those of its section in the config file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::call::{GuestId, unlocked};
use super::error::{ApiError, bail};
use super::feature::{self, Feature};
use super::machine::Sim;
use super::memory;
use super::power;
use super::vm::{GuestKind, Snapshot, Vm, disks, drives_of, free_unused};
use super::world::World;

/// Keys of a snapshot that are no settings of a guest.
const OWN: [&str; 6] = [
    "snaptime",
    "description",
    "vmstate",
    "snapstate",
    "runningmachine",
    "runningcpu",
];

/// What a snapshot is to be.
pub(super) struct Wish {
    pub(super) name: String,
    pub(super) description: Option<String>,
    /// Whether the memory of a running VM is kept, too.
    pub(super) memory: bool,
}

/// The name under which a snapshot has a disk.
pub(super) fn disk_of(volid: &str, snapshot: &str) -> String {
    format!("{volid}@{snapshot}")
}

/// A snapshot, or the error that every call on a missing one gets.
pub(super) fn find<'v>(vm: &'v Vm, name: &str) -> Result<&'v Snapshot, ApiError> {
    let found = vm.snapshots.get(name);
    found.ok_or_else(|| ApiError::die(format!("snapshot '{name}' does not exist")))
}

/// The settings of a snapshot: the config that a guest has after a rollback.
pub(super) fn settings(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let mut config = snapshot.clone();
    config.retain(|key, _| !OWN.contains(&key.as_str()));
    config
}

/// Makes a snapshot. The caller holds the guest's lock.
pub(super) fn create(sim: &Arc<Sim>, guest: &GuestId, wish: &Wish) -> Result<(), ApiError> {
    let volids = sim.change(|world| prepare(world, guest, wish))?;
    for volid in &volids {
        let copied = sim.guests.clone_disk(volid, &disk_of(volid, &wish.name));
        if let Err(text) = copied {
            drop_copies(sim, guest, &wish.name, true)?;
            return Err(ApiError::die(text));
        }
    }
    sim.change(|world| {
        let vm = guest.find_mut(world)?;
        vm.lock = None;
        if let Some(snapshot) = vm.snapshots.get_mut(&wish.name) {
            snapshot.remove("snapstate");
        }
        vm.config.insert("parent".to_owned(), wish.name.clone());
        Ok(())
    })
}

fn prepare(world: &mut World, guest: &GuestId, wish: &Wish) -> Result<Vec<String>, ApiError> {
    let vm = guest.find(world)?;
    if vm.is_template() {
        bail!("you can't take a snapshot if it's a template");
    }
    unlocked(vm)?;
    let name = &wish.name;
    if vm.snapshots.contains_key(name) {
        bail!("snapshot name '{name}' already used");
    }
    let mut volids = volumes(guest.kind, &vm.config);
    if !volids
        .iter()
        .all(|volid| feature::has(world, volid, Feature::Snapshot, false))
    {
        bail!("snapshot feature is not available");
    }
    let mut snapshot = (*vm.config).clone();
    snapshot.retain(|key, _| !key.starts_with("unused") && key != "description");
    snapshot.insert("snaptime".to_owned(), world.now().to_string());
    snapshot.insert("snapstate".to_owned(), "prepare".to_owned());
    if let Some(text) = wish.description.as_ref().filter(|text| !text.is_empty()) {
        snapshot.insert("description".to_owned(), text.clone());
    }
    if wish.memory && vm.run.is_some() && guest.kind == GuestKind::Qemu {
        snapshot.extend(memory::keep(world, guest, name, None)?);
    }
    let vm = guest.find_mut(world)?;
    vm.lock = Some("snapshot".to_owned());
    vm.snapshots.insert(name.clone(), snapshot);
    volids.dedup();
    Ok(volids)
}

/// Goes back to a snapshot. The caller holds the guest's lock.
pub(super) fn rollback(
    sim: &Arc<Sim>,
    guest: &GuestId,
    name: &str,
    start: bool,
) -> Result<(), ApiError> {
    {
        let world = sim.world();
        let vm = guest.find(&world)?;
        if vm.is_template() {
            bail!("you can't rollback if vm is a template");
        }
        let snapshot = find(vm, name)?;
        newest(&world, vm, name)?;
        if let Some(state) = snapshot.get("snapstate") {
            bail!("unable to rollback to incomplete snapshot (snapstate = {state})");
        }
        unlocked(vm)?;
    }
    power::stop(sim, guest.vmid, true).map_err(ApiError::die)?;
    sim.change(|world| {
        let vm = guest.find_mut(world)?;
        vm.lock = Some("rollback".to_owned());
        if let Some(snapshot) = vm.snapshots.get_mut(name) {
            snapshot.insert("snapstate".to_owned(), ROLLBACK.to_owned());
        }
        Ok(())
    })?;
    let memory = restore(sim, guest, name)?;
    if memory || start {
        power::start(sim, guest.vmid, false).map_err(ApiError::die)?;
    }
    Ok(())
}

/// The `snapstate` of a snapshot whose disks are being put back; a node has none.
const ROLLBACK: &str = "rollback";

/// Puts disks and config of a snapshot in place; done twice, it does no harm. The
/// answer is whether the snapshot has a memory.
fn restore(sim: &Arc<Sim>, guest: &GuestId, name: &str) -> Result<bool, ApiError> {
    let volids = {
        let world = sim.world();
        volumes(guest.kind, find(guest.find(&world)?, name)?)
    };
    for volid in volids {
        let fresh = format!("{volid}@@");
        let kept = disk_of(&volid, name);
        let put_back = sim
            .guests
            .remove_disk(&fresh)
            .and_then(|()| sim.guests.clone_disk(&kept, &fresh))
            .and_then(|()| sim.guests.remove_disk(&volid))
            .and_then(|()| sim.guests.rename_disk(&fresh, &volid));
        put_back.map_err(ApiError::die)?;
    }
    sim.change(|world| {
        let vm = guest.find_mut(world)?;
        let Some(snapshot) = vm.snapshots.get_mut(name) else {
            return Ok(false);
        };
        snapshot.remove("snapstate");
        let memory = snapshot.contains_key("vmstate");
        let mut config = settings(snapshot);
        config.insert("parent".to_owned(), name.to_owned());
        let old = std::mem::take(&mut vm.config);
        let named = |config: &BTreeMap<String, String>, volid: &String| {
            volumes(guest.kind, config).contains(volid)
        };
        let lost: Vec<String> = volumes(guest.kind, &old)
            .into_iter()
            .filter(|volid| !named(&config, volid))
            .collect();
        for (key, value) in &*old {
            let unused = key.starts_with("unused") && !named(&config, value);
            if unused || key == "description" {
                config.insert(key.clone(), value.clone());
            }
        }
        for volid in lost {
            if let Some(key) = free_unused(&config) {
                config.insert(key, volid);
            }
        }
        let drives = drives_of(guest.kind, &config);
        vm.config = config.into();
        vm.pending.clear();
        vm.lock = None;
        // A disk that grew since then is as large as it was.
        for (_, drive) in drives {
            if let (Some(volume), Some(size)) = (world.volume_mut(&drive.file), drive.size()) {
                volume.size = size;
            }
        }
        Ok(memory)
    })
}

/// ZFS goes back to the newest snapshot of a disk only.
fn newest(world: &World, vm: &Vm, name: &str) -> Result<(), ApiError> {
    let wanted = find(vm, name)?;
    let time = |snapshot: &Snapshot| -> i64 {
        snapshot
            .get("snaptime")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    };
    for volid in volumes(vm.kind, wanted) {
        let (storage, volume) = volid.split_once(':').unwrap_or(("", &volid));
        let strict = world
            .storages
            .get(storage)
            .is_some_and(|storage| storage.kind == "zfspool");
        let later = vm.snapshots.iter().any(|(other, snapshot)| {
            let later = (time(snapshot), place(vm, other)) > (time(wanted), place(vm, name));
            later && volumes(vm.kind, snapshot).contains(&volid)
        });
        if strict && later {
            bail!("can't rollback, '{name}' is not most recent snapshot on '{volume}'");
        }
    }
    Ok(())
}

/// How many snapshots a snapshot comes after.
fn place(vm: &Vm, name: &str) -> usize {
    let mut count = 0;
    let mut at = vm.snapshots.get(name);
    while let Some(parent) = at.and_then(|snapshot| snapshot.get("parent")) {
        count += 1;
        if count > vm.snapshots.len() {
            break;
        }
        at = vm.snapshots.get(parent);
    }
    count
}

/// Deletes a snapshot; with `force` also when a disk of it cannot be removed. The
/// caller holds the guest's lock.
pub(super) fn delete(
    sim: &Arc<Sim>,
    guest: &GuestId,
    name: &str,
    force: bool,
) -> Result<(), ApiError> {
    sim.change(|world| {
        let vm = guest.find_mut(world)?;
        if vm.is_template() {
            bail!("you can't delete a snapshot if vm is a template");
        }
        find(vm, name)?;
        unlocked(vm)?;
        vm.lock = Some("snapshot-delete".to_owned());
        if let Some(snapshot) = vm.snapshots.get_mut(name) {
            snapshot.insert("snapstate".to_owned(), "delete".to_owned());
        }
        Ok(())
    })?;
    drop_copies(sim, guest, name, force)
}

/// Removes what a snapshot has, and then itself: what came after it comes after its
/// parent from then on.
fn drop_copies(sim: &Arc<Sim>, guest: &GuestId, name: &str, force: bool) -> Result<(), ApiError> {
    let snapshot = {
        let world = sim.world();
        find(guest.find(&world)?, name)?.clone()
    };
    remove_copies(sim, guest.kind, name, &snapshot, force).map_err(ApiError::die)?;
    sim.change(|world| {
        if let Some(volid) = snapshot.get("vmstate") {
            world.drop_volume(volid);
        }
        let vm = guest.find_mut(world)?;
        vm.snapshots.remove(name);
        vm.lock = None;
        let after = std::iter::once(&mut *vm.config).chain(vm.snapshots.values_mut());
        for keys in after.filter(|keys| keys.get("parent").is_some_and(|own| own == name)) {
            match snapshot.get("parent") {
                Some(parent) => keys.insert("parent".to_owned(), parent.clone()),
                None => keys.remove("parent"),
            };
        }
        Ok(())
    })
}

fn remove_copies(
    sim: &Arc<Sim>,
    kind: GuestKind,
    name: &str,
    snapshot: &Snapshot,
    force: bool,
) -> Result<(), String> {
    for volid in volumes(kind, snapshot) {
        let removed = sim.guests.remove_disk(&disk_of(&volid, name));
        if !force {
            removed?;
        }
    }
    Ok(())
}

/// Removes the copies of all snapshots of a guest that goes.
pub(super) fn remove_all(sim: &Arc<Sim>, vm: &Vm) -> Result<(), String> {
    for (name, snapshot) in &vm.snapshots {
        remove_copies(sim, vm.kind, name, snapshot, false)?;
    }
    Ok(())
}

/// Finishes what a lost process left of a snapshot, and says what was done.
pub(super) fn heal(sim: &Arc<Sim>) -> Vec<String> {
    let mut half = Vec::new();
    for (vmid, vm) in &sim.world().vms {
        for (name, snapshot) in &vm.snapshots {
            if let Some(state) = snapshot.get("snapstate") {
                let guest = GuestId {
                    kind: vm.kind,
                    node: vm.node.clone(),
                    vmid: *vmid,
                };
                half.push((guest, name.clone(), state.clone()));
            }
        }
    }
    let mut told = Vec::new();
    for (guest, name, state) in half {
        let what = format!("snapshot `{name}` of {} {}", guest.kind.noun(), guest.vmid);
        let (done, text) = if state == ROLLBACK {
            (
                restore(sim, &guest, &name).map(|_| ()),
                "the rollback is finished",
            )
        } else {
            (
                drop_copies(sim, &guest, &name, false),
                "it was only half there, and is removed",
            )
        };
        told.push(match done {
            Ok(()) => format!("{what}: {text}"),
            Err(error) => format!(
                "{what}: {state} was cut off, and cannot be finished: {}",
                error.message
            ),
        });
    }
    told
}

/// The volumes that a snapshot of a config copies.
fn volumes(kind: GuestKind, config: &BTreeMap<String, String>) -> Vec<String> {
    disks(kind, config)
        .into_iter()
        .map(|(_, volid)| volid)
        .collect()
}
