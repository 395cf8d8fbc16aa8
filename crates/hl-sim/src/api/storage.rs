//! `/storage` and `/nodes/N/storage`: where disks and files are.

use serde_json::{Map, Value, json};

use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::kind::Kind::{Bool, Id, Text, Vmid};
use crate::params::opt;
use crate::route::{Route, route};
use crate::volume::{Storage, Volume};
use crate::world::World;

pub(super) const ROUTES: &[Route] = &[
    route("GET", "storage", &[opt("type", Text)], definitions),
    route("GET", "storage/{storage}", &[], definition),
    route(
        "GET",
        "nodes/{node}/storage",
        &[
            opt("content", Text),
            opt("enabled", Bool),
            opt("format", Bool),
            opt("storage", Id),
            opt("target", Id),
        ],
        list,
    ),
    route("GET", "nodes/{node}/storage/{storage}/status", &[], status),
    route(
        "GET",
        "nodes/{node}/storage/{storage}/content",
        &[opt("content", Text), opt("vmid", Vmid)],
        content,
    ),
    route(
        "GET",
        "nodes/{node}/storage/{storage}/content/{volume*}",
        &[],
        volume,
    ),
];

/// Rights of which one is enough to see a storage.
const SEE: &[&str] = &["Datastore.Audit", "Datastore.AllocateSpace"];

fn definitions(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let wanted = call.params.text("type");
    let found = world
        .storages
        .iter()
        .filter(|(_, storage)| wanted.is_none_or(|kind| kind == storage.kind))
        .filter(|(id, _)| sees(call, &world, id))
        .map(|(id, storage)| define(id, storage));
    Ok(Value::Array(found.collect()))
}

fn definition(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let id = call.part("storage");
    call.need(&world, &format!("/storage/{id}"), &["Datastore.Allocate"])?;
    match world.storages.get(id) {
        Some(storage) => Ok(define(id, storage)),
        None => Err(ApiError::die(format!("storage '{id}' does not exist"))),
    }
}

fn define(id: &str, storage: &Storage) -> Value {
    let mut fields = Map::new();
    fields.insert("storage".to_owned(), json!(id));
    fields.insert("type".to_owned(), json!(storage.kind));
    fields.insert("content".to_owned(), json!(storage.content.join(",")));
    fields.insert("digest".to_owned(), json!("0".repeat(40)));
    if let Some(path) = storage.path(id) {
        fields.insert("path".to_owned(), json!(path));
    }
    if storage.shared {
        fields.insert("shared".to_owned(), json!(1));
    }
    if !storage.enabled {
        fields.insert("disable".to_owned(), json!(1));
    }
    match storage.kind.as_str() {
        "lvmthin" => {
            fields.insert("vgname".to_owned(), json!("pve"));
            fields.insert("thinpool".to_owned(), json!("data"));
        }
        "lvm" => {
            fields.insert("vgname".to_owned(), json!("pve"));
        }
        "zfspool" => {
            fields.insert("pool".to_owned(), json!("rpool/data"));
        }
        _ => {}
    }
    Value::Object(fields)
}

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let params = &call.params;
    let enabled = params.flag("enabled").unwrap_or(false);
    let wanted: Option<Vec<&str>> = params.text("content").map(|text| text.split(',').collect());
    let found = world
        .storages
        .iter()
        .filter(|(id, _)| {
            params
                .text("storage")
                .is_none_or(|only| only == id.as_str())
        })
        .filter(|(_, storage)| storage.enabled || !enabled)
        .filter(|(_, storage)| {
            wanted.as_ref().is_none_or(|kinds| {
                kinds
                    .iter()
                    .any(|kind| storage.content.iter().any(|own| own == kind))
            })
        })
        .filter(|(id, _)| sees(call, &world, id))
        .map(|(id, storage)| {
            let mut fields = figures(&world, id, storage);
            fields.insert("storage".to_owned(), json!(id));
            Value::Object(fields)
        });
    Ok(Value::Array(found.collect()))
}

fn status(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let id = call.part("storage");
    call.need_any(&world, &format!("/storage/{id}"), SEE)?;
    let Some(storage) = world.storages.get(id) else {
        return Err(ApiError::die(format!("storage '{id}' does not exist")));
    };
    Ok(Value::Object(figures(&world, id, storage)))
}

fn figures(world: &World, id: &str, storage: &Storage) -> Map<String, Value> {
    let active = storage.active && storage.enabled;
    let (total, used) = if active {
        (storage.total, world.used(id))
    } else {
        (0, 0)
    };
    let mut fields = Map::new();
    fields.insert("type".to_owned(), json!(storage.kind));
    fields.insert("content".to_owned(), json!(storage.content.join(",")));
    fields.insert("active".to_owned(), json!(u8::from(active)));
    fields.insert("enabled".to_owned(), json!(u8::from(storage.enabled)));
    fields.insert("shared".to_owned(), json!(u8::from(storage.shared)));
    fields.insert("total".to_owned(), json!(total));
    fields.insert("used".to_owned(), json!(used));
    fields.insert("avail".to_owned(), json!(total.saturating_sub(used)));
    if total > 0 {
        fields.insert("used_fraction".to_owned(), json!(fraction(used, total)));
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
                call.has(&world, &path, "VM.Audit") || call.has(&world, &path, "VM.Config.Disk")
            })
        })
        .map(show);
    Ok(Value::Array(found.collect()))
}

fn show(volume: &Volume) -> Value {
    let mut fields = Map::new();
    fields.insert("volid".to_owned(), json!(volume.volid));
    fields.insert("content".to_owned(), json!(volume.content));
    fields.insert("format".to_owned(), json!(volume.format));
    fields.insert("size".to_owned(), json!(volume.size));
    fields.insert("ctime".to_owned(), json!(volume.ctime));
    if let Some(vmid) = volume.vmid {
        fields.insert("vmid".to_owned(), json!(vmid));
        fields.insert("used".to_owned(), json!(volume.used));
    }
    if let Some(parent) = &volume.parent {
        fields.insert("parent".to_owned(), json!(parent));
    }
    Value::Object(fields)
}

/// The id of the volume of the path: with its storage before it, or without.
fn volid(call: &Call<'_>) -> Result<String, ApiError> {
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
        return Err(ApiError::die(format!(
            "volume_size_info on '{volid}' failed - no such volume"
        )));
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
        return call.need(world, &format!("/vms/{vmid}"), &["VM.Config.Disk"]);
    }
    call.need_any(world, &path, SEE)
}

fn sees(call: &Call<'_>, world: &World, id: &str) -> bool {
    let path = format!("/storage/{id}");
    SEE.iter().any(|name| call.has(world, &path, name))
}
