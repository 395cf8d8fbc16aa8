//! A new container out of a template, or out of an archive.

use std::sync::Arc;

use super::vm_create::{reserve, taken};
use super::vm_restore;
use crate::bus::numbered;
use crate::call::{Answer, Call, GuestId};
use crate::ctkeys::SYSTEMS;
use crate::ctrights::{self, Place};
use crate::disks;
use crate::edit::{self, Edit};
use crate::error::{ApiError, bail};
use crate::guests::ContainerSystem;
use crate::kind::Kind::{Bool, Id, Like, Number, Short, Text, Vmid};
use crate::machine::{Sim, TaskLog};
use crate::mount;
use crate::params::{Param, opt, req};
use crate::power;
use crate::route::{Route, on_node};
use crate::values;
use crate::vm::GuestKind;
use crate::world::World;

const CREATE: &[Param] = &[
    req("vmid", Vmid),
    req("ostemplate", Short(255)),
    opt("bwlimit", Number),
    opt("force", Bool),
    opt("ignore-unpack-errors", Bool),
    opt("password", Like(password)),
    opt("pool", Id),
    opt("restore", Bool),
    opt("ssh-public-keys", Text),
    opt("start", Bool),
    opt("storage", Id),
    opt("unique", Bool),
];

pub(super) const ROUTES: &[Route] = &[on_node("POST", "lxc", CREATE, create).with_ct_keys()];

fn password(text: &str) -> Result<(), String> {
    if text.chars().count() < 5 {
        return Err("value must be at least 5 characters long".to_owned());
    }
    Ok(())
}

/// A container that is to be made.
struct Order {
    guest: GuestId,
    edit: Edit,
    storage: String,
    system: ContainerSystem,
    pool: Option<String>,
    start: bool,
}

fn create(call: &Call<'_>) -> Answer {
    let params = &call.params;
    let vmid = params.vmid("vmid")?;
    let restores = params.is_set("restore");
    if params.text("unique").is_some() && !restores {
        let text = "missing property - 'unique' requires this property";
        return Err(ApiError::param("restore", text));
    }
    let mut edit = Edit::of(GuestKind::Lxc, params)?;
    let storage = params.text("storage").unwrap_or("local").to_owned();
    edit.default_storage = Some(storage.clone());
    let keys = params.text("ssh-public-keys").unwrap_or_default();
    let from = params.must("ostemplate")?.to_owned();
    {
        let world = call.sim.world();
        let asked = edit.set.get("unprivileged").map(String::as_str);
        if asked == Some("0") && world.profile.major >= 9 {
            call.need(&world, "/", "Sys.Modify")?;
        }
        if let Some(other) = world.vms.get(&vmid).filter(|_| !restores) {
            return Err(taken(vmid, other));
        }
        values::ssh_keys(keys).map_err(ApiError::die)?;
        let pool = params.text("pool");
        if let Some(pool) = pool.filter(|pool| !world.pools.contains_key(*pool)) {
            return Err(ApiError::denied(&format!("pool '{pool}' does not exist")));
        }
        let place = Place { vmid, pool };
        if restores {
            vm_restore::may_bring_back(call, &world, vmid)?;
        } else if !place.has(call, &world, "VM.Allocate") {
            return Err(ApiError::denied_bare());
        }
        ctrights::check(&edit, call, &world, &place, None)?;
    }
    if restores {
        if !edit.drives.is_empty() {
            let text =
                "the simulator restores all disks of a container to one storage, or to theirs";
            return Err(ApiError::new(501, text));
        }
        return vm_restore::bring(call, &from, edit);
    }
    may_unpack(call, &call.sim.world(), &from)?;
    plan_root(&mut edit, call, &storage)?;
    let lines = keys.lines().map(str::trim).filter(|line| !line.is_empty());
    let order = Order {
        guest: call.guest_of(vmid),
        storage,
        edit,
        system: ContainerSystem {
            template: from,
            ssh_keys: lines.map(str::to_owned).collect(),
        },
        pool: params.text("pool").map(str::to_owned),
        start: params.is_set("start"),
    };
    reserve(call.sim, &order.guest, "create")?;
    call.vm_task("vzcreate", vmid, move |sim, log| {
        if let Err(error) = make(sim, log, &order) {
            sim.change(|world| world.vms.remove(&vmid));
            return Err(format!("unable to create CT {vmid} - {}", error.message));
        }
        if order.start {
            power::start(sim, vmid, false)?;
        }
        Ok(())
    })
}

/// Whether the caller may use a template. Whether it is there, the task finds out.
fn may_unpack(call: &Call<'_>, world: &World, template: &str) -> Result<(), ApiError> {
    let Some((storage, name)) = template.split_once(':') else {
        bail!("unable to parse volume ID '{template}'");
    };
    let path = format!("/storage/{storage}");
    let see = ["Datastore.AllocateSpace", "Datastore.Audit"];
    call.need_any(world, &path, &see)?;
    world.storage_on(storage, call.node())?;
    if !name.starts_with("vztmpl/") {
        bail!("volume '{template}' does not have content type 'vztmpl'");
    }
    Ok(())
}

/// Where the root comes to lie, and whether all disks may be where they are to be.
fn plan_root(edit: &mut Edit, call: &Call<'_>, storage: &str) -> Result<(), ApiError> {
    let world = call.sim.world();
    if !edit.drives.iter().any(|(key, _)| key == "rootfs") {
        if !edit.drives.is_empty() {
            bail!("mount points configured, but 'rootfs' not set - aborting");
        }
        call.need_storage(&world, storage, "Datastore.AllocateSpace")?;
        let root = mount::parse("rootfs", &format!("{storage}:4")).map_err(ApiError::die)?;
        edit.drives.push(("rootfs".to_owned(), root));
    }
    // Volumes are numbered in this order.
    edit.drives
        .sort_by_key(|(key, _)| numbered(key).map(|(_, number)| number));
    ctrights::storages(edit, call, &world, |id| {
        let text = format!("storage '{id}' does not support container directories");
        ApiError::param("storage", text)
    })
}

fn make(sim: &Arc<Sim>, log: &TaskLog<'_>, order: &Order) -> Result<(), ApiError> {
    let (edit, template) = (&order.edit, &order.system.template);
    let (size, path, system) = {
        let world = sim.world();
        let size = world.need_volume(template)?.size;
        let system = match edit.set.get("ostype") {
            Some(system) => system.clone(),
            None => detect(template)?,
        };
        (size, world.path_of(template), system)
    };
    let GuestId { node, vmid, .. } = &order.guest;
    let made = disks::realize(sim, node, *vmid, &edit.drives, Some(&order.storage))?;
    let root = made
        .get("rootfs")
        .map_or_else(String::new, |root| root.file.clone());
    log.line(format!("extracting archive '{path}'"));
    if let Err(text) = sim.guests.unpack(&root, &order.system) {
        // Not what was there before.
        let asked = |key: &str| edit.drives.iter().find(|(own, _)| own == key);
        let new = made
            .iter()
            .filter(|(key, drive)| asked(key).is_none_or(|(_, asked)| asked.file != drive.file));
        let new: Vec<String> = new.map(|(_, drive)| drive.file.clone()).collect();
        disks::free(sim, &new).map_err(ApiError::die)?;
        return Err(ApiError::die(text));
    }
    log.line(format!("Total bytes read: {size}"));
    log.line("Creating SSH host keys - this may take some time ...");
    sim.change(|world| {
        if let Some(volume) = world.volume_mut(&root) {
            volume.used = volume.used.max(size.min(volume.size));
        }
        let mut config = edit.set.clone();
        let lock = config.remove("lock");
        config.retain(|key, value| !edit::is_nothing(key, value));
        let unprivileged = if world.profile.major >= 9 { "1" } else { "0" };
        let hostname = format!("CT{vmid}");
        for (key, value) in [
            ("arch", "amd64"),
            ("hostname", hostname.as_str()),
            ("memory", "512"),
            ("ostype", system.as_str()),
            ("swap", "512"),
            ("unprivileged", unprivileged),
        ] {
            config
                .entry(key.to_owned())
                .or_insert_with(|| value.to_owned());
        }
        config.retain(|key, value| key != "unprivileged" || value == "1");
        edit::complete_cards(world, edit.kind, &mut config);
        config.extend(made.iter().map(|(key, drive)| (key.clone(), drive.print())));
        if let Some(vm) = world.vms.get_mut(vmid) {
            vm.config = config.into();
            vm.lock = lock;
        }
        world.join_pool(order.pool.as_deref(), *vmid);
    });
    Ok(())
}

/// The system on a template, by its name.
fn detect(template: &str) -> Result<String, ApiError> {
    let file = template.rsplit('/').next().unwrap_or_default();
    let name = file.split(['-', '_']).next().unwrap_or_default();
    let name = match name {
        "almalinux" | "rockylinux" => "centos",
        other => other,
    };
    if SYSTEMS.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(ApiError::die("unable to detect OS distribution"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_told_by_the_name_of_the_template() {
        let of = |name: &str| detect(&format!("local:vztmpl/{name}.tar.zst")).ok();
        assert_eq!(
            of("debian-13-standard_13.1-2_amd64").as_deref(),
            Some("debian")
        );
        assert_eq!(
            of("rockylinux-10-default_1_amd64").as_deref(),
            Some("centos")
        );
        assert_eq!(of("mine"), None);
    }
}
