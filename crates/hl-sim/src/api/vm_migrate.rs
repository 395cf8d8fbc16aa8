//! A guest goes to another node of its cluster. A running VM goes on running: which node
//! it is on is a word in its config to the program that runs the guests. A running
//! container is stopped, and started there.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, json};

use crate::call::{Answer, Call, GuestId, unlocked};
use crate::disks;
use crate::error::{ApiError, bail};
use crate::feature;
use crate::kind::Kind::{Bool, Enum, Id, Int, Number, Text};
use crate::locks::Hold;
use crate::machine::{Sim, TaskLog};
use crate::mount;
use crate::params::{Param, opt, parts, req};
use crate::power;
use crate::route::{Route, on_ct, on_vm};
use crate::storage::NewDisk;
use crate::vm::{GuestKind, Vm};
use crate::volume::Volume;
use crate::world::World;

const MIGRATE: &[Param] = &[
    req("target", Id),
    opt("bwlimit", Number),
    opt("force", Bool),
    opt("migration_network", Text),
    opt("migration_type", Enum(&["secure", "insecure"])),
    opt("online", Bool),
    opt("targetstorage", Text),
    opt("with-conntrack-state", Bool),
    opt("with-local-disks", Bool),
];

const MIGRATE_CT: &[Param] = &[
    req("target", Id),
    opt("bwlimit", Number),
    opt("online", Bool),
    opt("restart", Bool),
    opt("target-storage", Text),
    opt("timeout", Int(0, i64::MAX)),
];

const VM: &str = "/vms/{vmid}";
const RIGHT: &[&str] = &["VM.Migrate"];

pub(super) const ROUTES: &[Route] = &[
    on_vm("GET", "migrate", &[opt("target", Id)], look).needs(VM, RIGHT),
    on_vm("POST", "migrate", MIGRATE, migrate).needs(VM, RIGHT),
    on_ct("GET", "migrate", &[opt("target", Id)], look).needs(VM, RIGHT),
    on_ct("POST", "migrate", MIGRATE_CT, migrate).needs(VM, RIGHT),
];

/// A volume that is on its node alone.
struct Local {
    /// The key of its drive; none for one that is unused.
    key: Option<String>,
    volid: String,
    size: u64,
    cdrom: bool,
    cloud_init: bool,
}

fn locals(world: &World, vm: &Vm) -> Vec<Local> {
    let used = vm.drives().into_iter();
    let used = used.map(|(key, drive)| {
        let cdrom = drive.is_cdrom() && !drive.is_cloudinit();
        let cloud_init = drive.is_cloudinit();
        (Some(key), drive.file, cdrom, cloud_init)
    });
    let unused = vm
        .config
        .iter()
        .filter(|(key, _)| key.starts_with("unused"));
    let unused = unused.map(|(_, volid)| (None, volid.clone(), false, false));
    let on_node = used
        .chain(unused)
        .filter_map(|(key, volid, cdrom, cloud_init)| {
            let volume = world.volume(&volid)?;
            let shared = world.storages.get(volume.storage())?.shared;
            let size = volume.size;
            (!shared).then_some(Local {
                key,
                volid,
                size,
                cdrom,
                cloud_init,
            })
        });
    on_node.collect()
}

/// Devices of the node that a VM is bound to.
fn devices(vm: &Vm) -> Vec<&str> {
    let bound = vm.config.iter().filter(|(key, value)| {
        let of = |family: &str| key.starts_with(family);
        of("hostpci") || of("usb") || of("parallel") || (of("serial") && value.as_str() != "socket")
    });
    bound.map(|(key, _)| key.as_str()).collect()
}

/// The storages of a VM that a node does not have.
fn lacking(world: &World, vm: &Vm, node: &str) -> Vec<String> {
    let ids = vm.drives().into_iter();
    let ids = ids.filter_map(|(_, drive)| Some(drive.volume()?.0.to_owned()));
    let mut ids: Vec<String> = ids
        .filter(|id| world.storage_on(id, node).is_err())
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

fn look(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let vm = call.vm(&world)?;
    let wanted = call.params.text("target");
    let others = world
        .nodes
        .iter()
        .filter(|node| node.name != call.node() && wanted.is_none_or(|wanted| wanted == node.name));
    let (mut allowed, mut refused) = (Vec::new(), Map::new());
    for node in others {
        let lacking = lacking(&world, vm, &node.name);
        if lacking.is_empty() {
            allowed.push(&node.name);
        } else {
            refused.insert(node.name.clone(), json!({"unavailable_storages": lacking}));
        }
    }
    if call.kind == GuestKind::Lxc {
        return Ok(json!({
            "running": u8::from(vm.run.is_some()), "allowed-nodes": allowed,
            "not-allowed-nodes": refused,
        }));
    }
    let disks = locals(&world, vm).into_iter().map(|local| {
        let mut line = json!({
            "volid": local.volid, "size": local.size, "cdrom": u8::from(local.cdrom),
            "is_unused": u8::from(local.key.is_none()),
        });
        if let Some(key) = local.key {
            line["drivename"] = json!(key);
        }
        line
    });
    let mut found = json!({
        "running": u8::from(vm.run.is_some()), "not_allowed_nodes": refused,
        "local_disks": disks.collect::<Vec<_>>(), "local_resources": devices(vm),
        "mapped-resources": [], "mapped-resource-info": {},
    });
    if world.profile.major >= 9 || vm.run.is_none() {
        found["allowed_nodes"] = json!(allowed);
    }
    Ok(found)
}

/// Where the disks of a storage go: `S`, `a:b,c:d`, or `1` for the same.
fn storage_map(text: &str) -> (BTreeMap<String, String>, Option<String>) {
    let (mut map, mut rest) = (BTreeMap::new(), None);
    for part in parts(text) {
        match part.split_once(':') {
            Some((from, to)) => {
                map.insert(from.to_owned(), to.to_owned());
            }
            None if part != "1" => rest = Some(part.to_owned()),
            None => {}
        }
    }
    (map, rest)
}

fn migrate(call: &Call<'_>) -> Answer {
    let params = &call.params;
    let target = params.must("target")?.to_owned();
    if target == call.node() {
        return Err(ApiError::param("target", "target is local node."));
    }
    for key in ["force", "migration_type", "migration_network"] {
        if params.text(key).is_some() && call.need_root().is_err() {
            return Err(ApiError::param(key, "Only root may use this option."));
        }
    }
    let goes = call.kind.pick("targetstorage", "target-storage");
    let (map, rest) = storage_map(params.text(goes).unwrap_or_default());
    let restart = params.is_set("restart");
    let managed = {
        let world = call.sim.world();
        match world.node(&target) {
            None => bail!("no such cluster node '{target}'"),
            Some(node) if !node.online => return Err(ApiError::new(595, "No route to host")),
            Some(_) => {}
        }
        let vm = call.vm(&world)?;
        unlocked(vm)?;
        let running = vm.run.is_some();
        if running && !params.is_set("online") {
            match call.kind {
                GuestKind::Qemu => bail!("can't migrate running VM without --online"),
                GuestKind::Lxc if !restart => {
                    bail!("can't migrate running container without --online or --restart");
                }
                GuestKind::Lxc => {}
            }
        }
        for storage in map.values().chain(&rest) {
            call.need_vm(&world, "VM.Config.Disk")?;
            call.need_storage(&world, storage, "Datastore.AllocateSpace")?;
        }
        for (_, drive) in vm.drives() {
            if let Some((own, _)) = drive.volume() {
                let goes_to = map.get(own).or(rest.as_ref()).map_or(own, String::as_str);
                world.storage_on(goes_to, &target)?;
            }
        }
        world.managed(call.vmid()?).is_some()
    };
    let guest = call.guest()?;
    let holds = vec![(guest.vmid, Hold::Alone)];
    let own = call.kind.pick("qmigrate", "vzmigrate");
    let kind = if managed { "hamigrate" } else { own };
    let with_disks = params.is_set("with-local-disks");
    call.task(kind, guest.vmid.to_string(), holds, move |sim, log| {
        let restarts = guest.kind == GuestKind::Lxc && guest.find(&sim.world())?.run.is_some();
        if restarts && !restart {
            return Err("lxc live migration is currently not implemented".to_owned());
        }
        if restarts {
            power::stop(sim, guest.vmid, false)?;
        }
        let moved = go(sim, log, &guest, &target, with_disks, &|own: &str| {
            let to = map.get(own).or(rest.as_ref());
            to.map_or(own, String::as_str).to_owned()
        });
        sim.change(|world| {
            if let Some(vm) = world.vms.get_mut(&guest.vmid)
                && vm.lock.as_deref() == Some("migrate")
            {
                vm.lock = None;
            }
        });
        if restarts {
            power::start(sim, guest.vmid, false)?;
        }
        moved
    })
}

fn go(
    sim: &Arc<Sim>,
    log: &TaskLog<'_>,
    guest: &GuestId,
    target: &str,
    with_disks: bool,
    goes_to: &dyn Fn(&str) -> String,
) -> Result<(), String> {
    let (locals, at) = sim.change(|world| -> Result<_, ApiError> {
        let place = world.nodes.iter().position(|node| node.name == target);
        let at = world.address_of(place.unwrap_or(0));
        let vm = guest.find(world)?;
        unlocked(vm)?;
        let found = locals(world, vm);
        guest.find_mut(world)?.lock = Some("migrate".to_owned());
        Ok((found, at))
    })?;
    log.line(format!(
        "starting migration of {} {} to node '{target}' ({at})",
        guest.kind.noun(),
        guest.vmid
    ));
    refuse(sim, log, guest, &locals, with_disks)?;
    for local in locals.iter().filter(|local| !local.cdrom) {
        let own = local.volid.split(':').next().unwrap_or_default();
        log.line(format!("found local disk '{}'", local.volid));
        if goes_to(own) == own {
            sim.change(|world| {
                if let Some(volume) = world.volume_mut(&local.volid) {
                    target.clone_into(&mut volume.node);
                }
            });
        } else {
            copy(sim, guest, target, local, &goes_to(own))?;
        }
    }
    sim.change(|world| {
        if let Some(vm) = world.vms.get_mut(&guest.vmid) {
            target.clone_into(&mut vm.node);
        }
    });
    log.line("migration finished successfully (duration 00:00:01)");
    Ok(())
}

/// What keeps a VM on its node.
fn refuse(
    sim: &Sim,
    log: &TaskLog<'_>,
    guest: &GuestId,
    locals: &[Local],
    with_disks: bool,
) -> Result<(), String> {
    let world = sim.world();
    let vm = guest.find(&world)?;
    for (key, mount) in vm.drives() {
        let bound = guest.kind == GuestKind::Lxc && mount.volume().is_none();
        if bound && !mount.options.contains_key("shared") {
            let what = mount::kind(&mount);
            return Err(format!("cannot migrate local {what} mount point '{key}'"));
        }
    }
    if let Some(device) = devices(vm).first() {
        return Err(format!(
            "can't migrate VM which uses local devices: {device}"
        ));
    }
    let mut wrong = Vec::new();
    for local in locals {
        let volume = world.need_volume(&local.volid)?;
        if local.cdrom {
            wrong.push(format!("can't migrate local cdrom '{}'", local.volid));
        } else if let Some(base) = named_base(&world, volume) {
            wrong.push(format!(
                "can't migrate '{}' as it's a clone of '{base}'",
                local.volid
            ));
        } else if vm.in_snapshot(&local.volid) && vm.run.is_some() {
            wrong.push(format!(
                "online storage migration not possible if snapshot exists '{}'",
                local.volid
            ));
        } else if feature::is_base(volume) && vm.run.is_some() {
            wrong.push(format!("can't migrate base image '{}'", local.volid));
        }
    }
    if vm.run.is_some() && !with_disks && locals.iter().any(|local| !local.cdrom) {
        wrong.push(
            "can't live migrate attached local disks without with-local-disks option".to_owned(),
        );
    }
    drop(world);
    if wrong.is_empty() {
        return Ok(());
    }
    for line in wrong {
        log.line(line);
    }
    log.line("can't migrate VM - check log");
    Err("migration aborted".to_owned())
}

/// The base of a linked clone, where the storage knows it.
fn named_base<'w>(world: &World, volume: &'w Volume) -> Option<&'w str> {
    let storage = world.storages.get(volume.storage())?;
    volume.parent.as_deref().filter(|_| storage.names_parent())
}

/// A disk goes to another storage on its way.
fn copy(
    sim: &Sim,
    guest: &GuestId,
    target: &str,
    local: &Local,
    storage: &str,
) -> Result<(), String> {
    let Some(key) = &local.key else {
        return Err(format!(
            "unused disk '{}' has no storage to go to",
            local.volid
        ));
    };
    let disk = NewDisk {
        node: target,
        storage,
        vmid: guest.vmid,
        size: local.size,
        used: sim.world().need_volume(&local.volid)?.used,
        format: None,
        parent: None,
    };
    let new = disks::relocate(sim, &local.volid, &disk, local.cloud_init, false)?;
    sim.change(|world| {
        world.drop_volume(&local.volid);
        if let Some(text) = world
            .vms
            .get_mut(&guest.vmid)
            .and_then(|vm| vm.config.get_mut(key))
        {
            *text = text.replacen(&local.volid, &new, 1);
        }
    });
    Ok(())
}
