//! `/nodes/N/storage`: where disks and files are.

use serde_json::{Value, json};

use crate::backup;
use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::kind::Kind::{Bool, Id, Text, Vmid};
use crate::params::{Param, opt};
use crate::route::{Route, on_node, on_storage};
use crate::volume::{Storage, Volume};
use crate::world::World;

pub(super) const ROUTES: &[Route] = &[
    on_node("GET", "storage", LIST, list),
    on_storage("GET", "status", &[], status),
    on_storage("GET", "content", CONTENT, content),
    on_storage("GET", "content/{volume*}", &[], volume),
];

const LIST: &[Param] = &[
    opt("content", Text),
    opt("enabled", Bool),
    opt("format", Bool),
    opt("storage", Id),
    opt("target", Id),
];
const CONTENT: &[Param] = &[opt("content", Text), opt("vmid", Vmid)];

/// Rights of which one is enough to see a storage.
const SEE: &[&str] = &["Datastore.Audit", "Datastore.AllocateSpace"];

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let params = &call.params;
    let enabled = params.flag("enabled").unwrap_or(false);
    let (only, wanted) = (params.text("storage"), params.text("content"));
    let holds = |storage: &Storage, kind: &str| storage.content.iter().any(|own| own == kind);
    let found = world
        .storages
        .iter()
        .filter(|(id, _)| only.is_none_or(|only| only == id.as_str()))
        .filter(|(_, storage)| storage.is_on(call.node()))
        .filter(|(_, storage)| storage.enabled || !enabled)
        .filter(|(_, storage)| {
            wanted.is_none_or(|kinds| kinds.split(',').any(|kind| holds(storage, kind)))
        })
        .filter(|(id, _)| sees(call, &world, id))
        .map(|(id, storage)| {
            let mut fields = figures(&world, id, storage);
            fields["storage"] = json!(id);
            fields
        });
    Ok(Value::Array(found.collect()))
}

fn status(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let id = call.part("storage");
    call.need_any(&world, &format!("/storage/{id}"), SEE)?;
    Ok(figures(&world, id, world.storage(id)?))
}

fn figures(world: &World, id: &str, storage: &Storage) -> Value {
    let active = storage.active && storage.enabled;
    let (total, used) = if active {
        (storage.total, world.used(id))
    } else {
        (0, 0)
    };
    let mut fields = json!({
        "type": storage.kind, "content": storage.content.join(","),
        "active": u8::from(active), "enabled": u8::from(storage.enabled),
        "shared": u8::from(storage.shared),
        "total": total, "used": used, "avail": total.saturating_sub(used),
    });
    if total > 0 {
        fields["used_fraction"] = json!(fraction(used, total));
    }
    fields
}

#[expect(clippy::cast_precision_loss, reason = "a share of a disk, for display")]
fn fraction(used: u64, total: u64) -> f64 {
    used as f64 / total as f64
}

fn content(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let id = call.part("storage");
    call.need_any(&world, &format!("/storage/{id}"), SEE)?;
    world.storage_on(id, call.node())?;
    let wanted = call.params.text("content");
    let vmid = call.params.number("vmid");
    let all = call.has(&world, &format!("/storage/{id}"), "Datastore.Allocate");
    let found = world
        .volumes
        .iter()
        .filter(|volume| volume.storage() == id)
        .filter(|volume| wanted.is_none_or(|kind| kind == volume.content))
        .filter(|volume| vmid.is_none_or(|vmid| volume.vmid.map(u64::from) == Some(vmid)))
        .filter(|volume| {
            // Disks of a VM are shown to users who may see the VM.
            all || volume.vmid.is_none_or(|vmid| {
                let path = format!("/vms/{vmid}");
                call.has_any(&world, &path, &["VM.Audit", "VM.Config.Disk"])
            })
        })
        .map(show);
    Ok(Value::Array(found.collect()))
}

fn show(volume: &Volume) -> Value {
    let mut fields = json!({
        "volid": volume.volid, "content": volume.content, "format": volume.format,
        "size": volume.size, "ctime": volume.ctime,
    });
    if let Some(vmid) = volume.vmid {
        fields["vmid"] = json!(vmid);
        fields["used"] = json!(volume.used);
    }
    if let Some(parent) = &volume.parent {
        fields["parent"] = json!(parent);
    }
    if volume.content == "backup" {
        fields["subtype"] = json!(backup::kind_of(volume).name());
        if let Some(notes) = volume.notes.as_ref().and_then(|notes| notes.lines().next()) {
            fields["notes"] = json!(notes);
        }
        if volume.protected {
            fields["protected"] = json!(1);
        }
    }
    fields
}

/// The id of the volume of the path: with its storage before it, or without.
pub(super) fn volid(call: &Call<'_>) -> Result<String, ApiError> {
    let (storage, name) = (call.part("storage"), call.part("volume"));
    match name.split_once(':') {
        None => Ok(format!("{storage}:{name}")),
        Some((own, _)) if own == storage => Ok(name.to_owned()),
        Some(_) => Err(ApiError::param("volume", "storage ID missmatch")),
    }
}

fn volume(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let volid = volid(call)?;
    let id = call.part("storage");
    let found = world.volume(&volid);
    may_read(call, &world, id, found)?;
    world.storage_on(id, call.node())?;
    let Some(volume) = found else {
        bail!("volume_size_info on '{volid}' failed - no such volume");
    };
    Ok(json!({
        "path": world.path_of(&volume.volid),
        "format": volume.format,
        "size": volume.size,
        "used": volume.used,
    }))
}

/// Whether a caller may look at a volume: by the storage, or by the VM it is of.
fn may_read(
    call: &Call<'_>,
    world: &World,
    storage: &str,
    volume: Option<&Volume>,
) -> Result<(), ApiError> {
    let path = format!("/storage/{storage}");
    if let Some(vmid) = volume.and_then(|volume| volume.vmid)
        && !call.has(world, &path, "Datastore.Allocate")
        && !call.has(world, &format!("/vms/{vmid}"), "VM.Config.Disk")
    {
        return call.need(world, &format!("/vms/{vmid}"), "VM.Config.Disk");
    }
    call.need_any(world, &path, SEE)
}

fn sees(call: &Call<'_>, world: &World, id: &str) -> bool {
    call.has_any(world, &format!("/storage/{id}"), SEE)
}
