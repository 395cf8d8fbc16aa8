//! `vzdump`, and the archives that it makes: notes, protection, pruning, their config.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::storage::volid;
use crate::backup::{self, Keep, Order};
use crate::call::{Answer, Call, GuestId};
use crate::error::{ApiError, bail};
use crate::kind::Kind::{Bool, Enum, Id, Int, Number, Short, Text, Vmid};
use crate::params::{Param, opt, req};
use crate::route::{Route, on_node, on_storage};
use crate::volume::Volume;
use crate::world::World;

const DUMP: &[Param] = &[
    opt("all", Bool),
    opt("bwlimit", Number),
    opt("compress", Enum(&["0", "1", "gzip", "lzo", "zstd"])),
    opt("exclude", Text),
    opt("ionice", Int(0, 8)),
    opt("lockwait", Int(0, i64::MAX)),
    opt("mailnotification", Text),
    opt("mailto", Text),
    opt("mode", Enum(&["snapshot", "suspend", "stop"])),
    opt("notes-template", Short(1024)),
    opt("notification-mode", Text),
    opt("pool", Text),
    opt("protected", Bool),
    opt("prune-backups", Text),
    opt("quiet", Bool),
    opt("remove", Bool),
    opt("stdexcludes", Bool),
    opt("stopwait", Int(0, i64::MAX)),
    opt("storage", Id),
    opt("vmid", Text),
    opt("zstd", Int(0, i64::MAX)),
];
const PRUNE: &[Param] = &[
    opt("prune-backups", Text),
    opt("type", Enum(&["qemu", "lxc"])),
    opt("vmid", Vmid),
];
const NOTES: &[Param] = &[opt("notes", Text), opt("protected", Bool)];

const SEE: &[&str] = &["Datastore.Audit", "Datastore.AllocateSpace"];

pub(super) const ROUTES: &[Route] = &[
    on_node("POST", "vzdump", DUMP, dump),
    on_node(
        "GET",
        "vzdump/extractconfig",
        &[req("volume", Text)],
        config,
    ),
    on_storage("GET", "prunebackups", PRUNE, would_prune).needs("/storage/{storage}", SEE),
    on_storage("DELETE", "prunebackups", PRUNE, prune),
    on_storage("PUT", "content/{volume*}", NOTES, note),
];

fn dump(call: &Call<'_>) -> Answer {
    let params = &call.params;
    let named = params.text("vmid").is_some();
    let many = ["all", "exclude", "pool"]
        .into_iter()
        .filter(|key| params.text(key).is_some());
    let many: Vec<&str> = many.collect();
    if let (true, Some(key)) = (named, many.first()) {
        return Err(ApiError::param(key, "option conflicts with option 'vmid'"));
    }
    if !named && many.is_empty() {
        return Err(ApiError::param("vmid", "property is missing"));
    }
    let storage = params.text("storage").unwrap_or("local").to_owned();
    let template = params.text("notes-template").unwrap_or_default();
    if let Some(odd) = unknown_variable(template) {
        return Err(ApiError::param("notes-template", odd));
    }
    let keep = params
        .text("prune-backups")
        .map(backup::retention)
        .transpose();
    let keep = keep.map_err(|text| ApiError::param("prune-backups", text))?;
    let (vmids, orders, keep) = {
        let world = call.sim.world();
        call.need_storage(&world, &storage, "Datastore.AllocateSpace")?;
        if keep.is_some() {
            call.need_storage(&world, &storage, "Datastore.Allocate")?;
        }
        let vmids = wanted(call, &world)?;
        let order = |vmid: &u32| Order {
            storage: storage.clone(),
            mode: params.text("mode").unwrap_or("snapshot").to_owned(),
            packed: match params.text("compress") {
                Some("zstd") => ".zst",
                Some("gzip") => ".gz",
                Some("1" | "lzo") => ".lzo",
                _ => "",
            },
            notes: (!template.is_empty()).then(|| filled(&world, call.node(), *vmid, template)),
            protected: params.is_set("protected"),
        };
        let orders: Vec<Order> = vmids.iter().map(order).collect();
        let own = world
            .storages
            .get(&storage)
            .and_then(|own| own.options.get("prune-backups"));
        let own = own.and_then(|text| backup::retention(text).ok());
        (
            vmids,
            orders,
            keep.or(own)
                .filter(|_| params.flag("remove").unwrap_or(true)),
        )
    };
    if vmids.is_empty() {
        return Ok(json!("OK"));
    }
    let id = match vmids.as_slice() {
        [only] => only.to_string(),
        _ => String::new(),
    };
    let node = call.node().to_owned();
    let allowed: Vec<bool> = {
        let world = call.sim.world();
        let paths = vmids.iter().map(|vmid| format!("/vms/{vmid}"));
        paths
            .map(|path| call.has(&world, &path, "VM.Backup"))
            .collect()
    };
    call.task(
        "vzdump",
        id,
        Vec::new(),
        move |sim, log| -> Result<(), String> {
            {
                let world = sim.world();
                let known = world.storage_on(&storage, &node)?;
                if !known.content.iter().any(|kind| kind == "backup") {
                    return Err(format!(
                        "can't use storage '{storage}' for backups - wrong content type"
                    ));
                }
            }
            log.line("INFO: starting new backup job");
            let mut failed = false;
            for ((vmid, order), may) in vmids.iter().zip(&orders).zip(allowed) {
                let found = sim
                    .world()
                    .vms
                    .get(vmid)
                    .filter(|vm| vm.node == node)
                    .map(|vm| vm.kind);
                let made = match found {
                    _ if !may => Err(format!("Permission check failed (/vms/{vmid}, VM.Backup)")),
                    None => Err(format!("unable to find VM '{vmid}'")),
                    Some(kind) => {
                        let guest = GuestId {
                            kind,
                            node: node.clone(),
                            vmid: *vmid,
                        };
                        log.line(format!(
                            "INFO: Starting Backup of VM {vmid} ({})",
                            kind.name()
                        ));
                        backup::make(sim, log, &guest, order).map_err(|error| error.message)
                    }
                };
                match made {
                    Ok(_) => log.line(format!("INFO: Finished Backup of VM {vmid} (00:00:01)")),
                    Err(why) => {
                        failed = true;
                        log.line(format!("ERROR: Backup of VM {vmid} failed - {why}"));
                        continue;
                    }
                }
                if let Some(keep) = &keep {
                    let marks = {
                        let world = sim.world();
                        marked(&world, &storage, Some(*vmid), None, keep)
                    };
                    for (volid, mark) in marks {
                        if mark == "remove" {
                            backup::remove(sim, &volid)?;
                        }
                    }
                }
            }
            if failed {
                log.line("INFO: Backup job finished with errors");
                return Err("job errors".to_owned());
            }
            log.line("INFO: Backup job finished successfully");
            Ok(())
        },
    )
}

/// The guests that a call names; of those that it does not name, the ones of the node.
fn wanted(call: &Call<'_>, world: &World) -> Result<Vec<u32>, ApiError> {
    let params = &call.params;
    let number = |text: &str| text.parse::<u32>().ok();
    if params.text("vmid").is_some() {
        let named = params.parts("vmid").into_iter().map(|text| {
            number(text).ok_or_else(|| ApiError::param("vmid", "invalid format - invalid VMID"))
        });
        let named: Vec<u32> = named.collect::<Result<_, _>>()?;
        // Those of another node are for that node.
        let here = |vmid: &u32| world.vms.get(vmid).is_none_or(|vm| vm.node == call.node());
        return Ok(named.into_iter().filter(here).collect());
    }
    let excluded: Vec<u32> = params
        .parts("exclude")
        .into_iter()
        .filter_map(number)
        .collect();
    let pool = params.text("pool");
    let all = world.vms.iter().filter(|(vmid, vm)| {
        let in_pool = pool.is_none_or(|pool| world.pool_of(**vmid) == Some(pool));
        let may = call.has(world, &format!("/vms/{vmid}"), "VM.Backup");
        vm.node == call.node() && in_pool && may && !excluded.contains(vmid)
    });
    Ok(all.map(|(vmid, _)| *vmid).collect())
}

const VARIABLES: [&str; 4] = ["{{cluster}}", "{{guestname}}", "{{node}}", "{{vmid}}"];

/// What is wrong with the template of notes.
fn unknown_variable(template: &str) -> Option<String> {
    let mut rest = template.to_owned();
    for name in VARIABLES {
        rest = rest.replace(name, "");
    }
    let (_, after) = rest.split_once("{{")?;
    let name = after.split("}}").next().unwrap_or_default();
    let at = template.find(&format!("{{{{{name}")).unwrap_or(0);
    Some(format!("found unknown: variable '{name}' at char {at}"))
}

fn filled(world: &World, node: &str, vmid: u32, template: &str) -> String {
    let name = world.vms.get(&vmid).map_or("", |vm| vm.name());
    template
        .replace("{{cluster}}", "lab")
        .replace("{{guestname}}", name)
        .replace("{{node}}", node)
        .replace("{{vmid}}", &vmid.to_string())
        .replace("\\n", "\n")
}

/// The archive that a call names, if the caller may have what is in it.
fn readable<'w>(call: &Call<'_>, world: &'w World, volid: &str) -> Result<&'w Volume, ApiError> {
    let storage = volid.split(':').next().unwrap_or_default();
    call.need_storage(world, storage, "Datastore.AllocateSpace")?;
    let volume = world.need_volume(volid)?;
    if let Some(owner) = volume.vmid {
        call.need(world, &format!("/vms/{owner}"), "VM.Backup")?;
    }
    Ok(volume)
}

fn config(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let volume = readable(call, &world, call.params.must("volume")?)?;
    let config = backup::config_of(volume)?;
    let lines = config
        .iter()
        .map(|(key, value)| format!("{key}: {value}\n"));
    Ok(json!(lines.collect::<String>()))
}

/// The marks of the backups on a storage, guest by guest.
fn marked(
    world: &World,
    storage: &str,
    vmid: Option<u32>,
    kind: Option<&str>,
    keep: &Keep,
) -> BTreeMap<String, &'static str> {
    let mut by_guest: BTreeMap<(&str, Option<u32>), Vec<&Volume>> = BTreeMap::new();
    for volume in world.volumes.iter().filter(|volume| {
        let fits = vmid.is_none_or(|vmid| volume.vmid == Some(vmid));
        let kind = kind.is_none_or(|kind| backup::kind_of(volume).name() == kind);
        volume.content == "backup" && volume.storage() == storage && fits && kind
    }) {
        let guest = (backup::kind_of(volume).name(), volume.vmid);
        by_guest.entry(guest).or_default().push(volume);
    }
    by_guest
        .values()
        .flat_map(|backups| backup::marks(backups, keep))
        .collect()
}

/// The marks that a call asks for.
fn asked(call: &Call<'_>, world: &World) -> Result<BTreeMap<String, &'static str>, ApiError> {
    let id = call.part("storage");
    let storage = world.storage_on(id, call.node())?;
    let own = storage.options.get("prune-backups").map(String::as_str);
    let text = call
        .params
        .text("prune-backups")
        .or(own)
        .unwrap_or_default();
    let keep = backup::retention(text).map_err(|text| ApiError::param("prune-backups", text))?;
    let vmid = call
        .params
        .number("vmid")
        .and_then(|vmid| u32::try_from(vmid).ok());
    Ok(marked(world, id, vmid, call.params.text("type"), &keep))
}

fn would_prune(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let marks = asked(call, &world)?;
    let lines = marks.iter().filter_map(|(volid, mark)| {
        let volume = world.volume(volid)?;
        Some(json!({
            "volid": volid, "ctime": volume.ctime, "type": backup::kind_of(volume).name(),
            "vmid": volume.vmid, "mark": mark,
        }))
    });
    Ok(Value::Array(lines.collect()))
}

fn prune(call: &Call<'_>) -> Answer {
    let id = call.part("storage");
    let vmid = call.params.text("vmid");
    let marks = {
        let world = call.sim.world();
        match vmid {
            Some(vmid) if !call.has(&world, &format!("/storage/{id}"), "Datastore.Allocate") => {
                call.need_storage(&world, id, "Datastore.AllocateSpace")?;
                call.need(&world, &format!("/vms/{vmid}"), "VM.Backup")?;
            }
            _ => call.need_storage(&world, id, "Datastore.Allocate")?,
        }
        asked(call, &world)?
    };
    let name = vmid.map_or_else(|| id.to_owned(), |vmid| format!("{vmid}@{id}"));
    call.task("prunebackups", name, Vec::new(), move |sim, log| {
        for (volid, mark) in marks {
            if mark == "remove" {
                backup::remove(sim, &volid)?;
                log.line(format!("Removed volume '{volid}'"));
            }
        }
        Ok::<_, String>(())
    })
}

fn note(call: &Call<'_>) -> Answer {
    let id = call.part("storage");
    let volid = volid(call)?;
    call.sim.change(|world| {
        readable(call, world, &volid)?;
        let Some(volume) = world
            .volume_mut(&volid)
            .filter(|volume| volume.content == "backup")
        else {
            bail!("storage '{id}' or content does not support notes");
        };
        if let Some(notes) = call.params.text("notes") {
            volume.notes = Some(notes.to_owned()).filter(|notes| !notes.is_empty());
        }
        volume.protected = call.params.flag("protected").unwrap_or(volume.protected);
        Ok(Value::Null)
    })
}
