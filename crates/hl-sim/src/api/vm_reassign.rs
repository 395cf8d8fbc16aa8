//! A disk goes to another guest: the volume gets a new name, and its key leaves one
//! config and comes to the other.

use std::sync::Arc;

use super::disk_keys::{drive_of, same, same_digest};
use crate::call::{Answer, Call, GuestId, guest_on, unlocked};
use crate::disks;
use crate::drive::Drive;
use crate::error::{ApiError, bail};
use crate::locks::Hold;
use crate::machine::Sim;
use crate::mount;
use crate::storage::NewDisk;
use crate::vm::{GuestKind, Vm, is_disk};
use crate::world::World;

/// Where a disk comes from and goes to.
struct Way {
    from: GuestId,
    key: String,
    to: GuestId,
    target: String,
}

/// `move_disk` and `move_volume` with `target-vmid`.
pub(super) fn to_another(call: &Call<'_>, from: &GuestId, key: String) -> Answer {
    let params = &call.params;
    let target = params.text(call.kind.pick("target-disk", "target-volume"));
    let way = Way {
        from: from.clone(),
        to: call.guest_of(params.vmid("target-vmid")?),
        target: target.unwrap_or(&key).to_owned(),
        key,
    };
    check(call, &call.sim.world(), &way)?;
    let holds = [&way.from, &way.to].map(|guest| (guest.vmid, Hold::Alone));
    let id = format!(
        "{}-{}>{}-{}",
        way.from.vmid, way.key, way.to.vmid, way.target
    );
    let kind = call.kind.pick("qmmove", "move_volume");
    call.task(kind, id, holds.into(), move |sim, log| {
        let noun = way.from.kind.noun();
        log.line(format!(
            "moving disk '{}' from {noun} '{}' to '{}'",
            way.key, way.from.vmid, way.to.vmid
        ));
        reassign(sim, &way)
    })
}

fn check(call: &Call<'_>, world: &World, way: &Way) -> Result<(), ApiError> {
    let Way {
        from,
        key,
        to,
        target,
    } = way;
    let (own, other) = (from.vmid, to.vmid);
    let container = call.kind == GuestKind::Lxc;
    let (noun, what, guests) = call
        .kind
        .pick(("VM", "disk", "VMs"), ("container", "volume", "containers"));
    call.need(world, &format!("/vms/{other}"), "VM.Config.Disk")?;
    if own == other {
        let why = call
            .kind
            .pick("reassign disk", "move disk to another container");
        let text = format!("must be different than source VMID to {why}");
        return Err(ApiError::param("target-vmid", text));
    }
    let Some(found) = world.vms.get(&other) else {
        bail!("could not find {} {other}", call.kind.noun());
    };
    if found.node != from.node {
        bail!(
            "Both {guests} need to be on the same node ({} != {})",
            from.node,
            found.node
        );
    }
    let target_vm = guest_on(world, call.kind, &to.node, other)?;
    let source = from.find(world)?;
    if source.is_template() || target_vm.is_template() {
        bail!(
            "Can't move {what}s from or to template {}s",
            call.kind.noun()
        );
    }
    unlocked(source)?;
    unlocked(target_vm)?;
    same_digest(call, source)?;
    same(call.params.text("target-digest"), target_vm)?;
    if !source.config.contains_key(key) {
        bail!("{} '{key}' for {noun} '{own}' does not exist", upper(what));
    }
    if !(is_disk(call.kind, target) || target.starts_with("unused")) {
        let name = call.kind.pick("target-disk", "target-volume");
        let text = format!("value '{target}' does not have a value in the enumeration of disks");
        return Err(ApiError::param(name, text));
    }
    if target_vm.config.contains_key(target) {
        bail!("Target {what} key '{target}' is already in use for {noun} '{other}'");
    }
    let drive = drive_of(source, key)?;
    may_go(source, key, &drive)?;
    if container && target.starts_with("mp") && !drive.options.contains_key("mp") {
        bail!("mp: property is missing and it is not optional");
    }
    world.need_volume(&drive.file)?;
    Ok(())
}

/// Whether a disk may leave its guest.
fn may_go(source: &Vm, key: &str, drive: &Drive) -> Result<(), ApiError> {
    let container = source.kind == GuestKind::Lxc;
    if container && mount::kind(drive) != "volume" {
        bail!("Cannot move a bindmount or device mount to another container");
    }
    if drive.is_cdrom() {
        bail!("CD drive contents can't be moved to another VM");
    }
    if source.in_snapshot(&drive.file) {
        let (what, to) = source.kind.pick(("disk", "VM"), ("volume", "container"));
        let cannot = source.kind.pick("Can't", "Cannot");
        bail!("{cannot} move {what} used by a snapshot to another {to}");
    }
    if source.run.is_some() && !key.starts_with("unused") {
        bail!(
            "{}",
            source.kind.pick(
                "Cannot move disk to another VM while the source VM is running - detach first",
                "Cannot move in-use volume while the source CT is running - detach or shutdown first",
            )
        );
    }
    Ok(())
}

fn upper(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn reassign(sim: &Arc<Sim>, way: &Way) -> Result<(), ApiError> {
    let (mut drive, volume) = {
        let world = sim.world();
        let drive = drive_of(way.from.find(&world)?, &way.key)?;
        let volume = world.need_volume(&drive.file)?.clone();
        (drive, volume)
    };
    let disk = NewDisk {
        node: &way.to.node,
        storage: volume.storage(),
        vmid: way.to.vmid,
        size: volume.size,
        used: 0,
        format: Some(&volume.format),
        parent: volume.parent.as_deref(),
    };
    let new = disks::relocate(sim, &drive.file, &disk, false, false)?;
    sim.change(|world| {
        let old = std::mem::replace(&mut drive.file, new.clone());
        world.drop_volume(&old);
        if let Some(own) = world.volume_mut(&new) {
            own.used = volume.used;
        }
        way.from.find_mut(world)?.config.remove(&way.key);
        let text = if way.target.starts_with("unused") {
            new
        } else {
            drive.print()
        };
        let target = way.to.find_mut(world)?;
        target.config.insert(way.target.clone(), text);
        Ok(())
    })
}
