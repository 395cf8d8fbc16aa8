//! `/pools`: read in three ways, and written in two.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::kind::Kind::{Bool, Enum, Like, Text};
use crate::kind::VMID;
use crate::names;
use crate::params::{Param, opt, req};
use crate::resources;
use crate::route::{Route, route};
use crate::show;
use crate::world::{Pool, World};

const ID: Param = req("poolid", Like(names::pool));
const TYPE: Param = opt("type", Enum(&["qemu", "lxc", "storage"]));
const LIST: &[Param] = &[opt("poolid", Like(names::pool)), TYPE];
const CREATE: &[Param] = &[ID, opt("comment", Text)];
const UPDATE: &[Param] = &[
    ID,
    opt("comment", Text),
    opt("vms", Text),
    opt("storage", Text),
    opt("delete", Bool),
    opt("allow-move", Bool),
];
const UPDATE_OLD: &[Param] = &[
    opt("comment", Text),
    opt("vms", Text),
    opt("storage", Text),
    opt("delete", Bool),
    opt("allow-move", Bool),
];

const POOL: &str = "/pool/{poolid}";
const WRITE: &[&str] = &["Pool.Allocate"];

pub(super) const ROUTES: &[Route] = &[
    route("GET", "pools", LIST, list),
    route("POST", "pools", CREATE, create).needs(POOL, WRITE),
    route("PUT", "pools", UPDATE, update).needs(POOL, WRITE),
    route("DELETE", "pools", &[ID], delete).needs(POOL, WRITE),
    route("GET", "pools/{poolid*}", &[TYPE], read).needs(POOL, &["Pool.Audit"]),
    route("PUT", "pools/{poolid*}", UPDATE_OLD, update).needs(POOL, WRITE),
    route("DELETE", "pools/{poolid*}", &[], delete).needs(POOL, WRITE),
];

/// The pool that is meant, in the path or beside it.
fn id(call: &Call<'_>) -> String {
    call.filled("{poolid}")
}

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    if let Some(pool) = call.params.text("poolid") {
        // Whom it is not for, a node tells all the same.
        let mut one = full(call, &world, pool)?;
        one["poolid"] = json!(pool);
        return Ok(json!([one]));
    }
    if call.params.text("type").is_some() {
        let text = "missing property - 'type' requires this property";
        return Err(ApiError::param("poolid", text));
    }
    let seen = world.pools.iter().filter(|(id, _)| {
        let path = format!("/pool/{id}");
        call.has_any(&world, &path, &["Pool.Audit", "Pool.Allocate"])
    });
    let lines = seen.map(|(id, pool)| json!({"poolid": id, "comment": pool.comment}));
    Ok(Value::Array(lines.collect()))
}

fn read(call: &Call<'_>) -> Answer {
    full(call, &call.sim.world(), call.part("poolid"))
}

fn full(call: &Call<'_>, world: &World, id: &str) -> Answer {
    let Some(pool) = world.pools.get(id) else {
        bail!("pool '{id}' does not exist");
    };
    let wanted = call.params.text("type");
    let guests = pool.members.iter().filter_map(|vmid| {
        let vm = world.vms.get(vmid)?;
        let listed = wanted.is_none_or(|wanted| wanted == vm.kind.name());
        listed.then(|| resources::of_guest(world, *vmid, vm))
    });
    let mut members: Vec<Value> = guests.collect();
    members.sort_by_cached_key(|member| member["id"].to_string());
    if wanted.is_none_or(|wanted| wanted == "storage") {
        members.extend(pool.storages.iter().filter_map(|id| {
            let storage = world.storages.get(id)?;
            let node = world.nodes.iter().find(|node| storage.is_on(&node.name))?;
            Some(show::storage(world, &node.name, id, storage))
        }));
    }
    Ok(json!({"comment": pool.comment, "members": members}))
}

fn create(call: &Call<'_>) -> Answer {
    let id = call.params.must("poolid")?;
    let pool = Pool {
        comment: call.params.text("comment").unwrap_or_default().to_owned(),
        ..Pool::default()
    };
    call.sim.change(|world| {
        if world.pools.contains_key(id) {
            bail!("create pool failed: pool '{id}' already exists");
        }
        if let Some((parent, _)) = id.rsplit_once('/')
            && !world.pools.contains_key(parent)
        {
            bail!("create pool failed: parent '{parent}' of pool '{id}' does not exist");
        }
        world.pools.insert(id.to_owned(), pool);
        Ok(Value::Null)
    })
}

fn delete(call: &Call<'_>) -> Answer {
    let id = id(call);
    call.sim.change(|world| {
        let Some(pool) = world.pools.get(&id) else {
            bail!("delete pool failed: pool '{id}' does not exist");
        };
        let below = format!("{id}/");
        let what = if let Some(vmid) = pool.members.first() {
            format!("VM {vmid}")
        } else if let Some(storage) = pool.storages.first() {
            format!("storage '{storage}'")
        } else if let Some(child) = world.pools.keys().find(|other| other.starts_with(&below)) {
            format!("pool '{child}'")
        } else {
            world.pools.remove(&id);
            let path = format!("/pool/{id}");
            world.acl.retain(|entry| entry.path != path);
            return Ok(Value::Null);
        };
        Err(ApiError::die(format!(
            "delete pool failed: pool '{id}' is not empty (contains {what})"
        )))
    })
}

fn update(call: &Call<'_>) -> Answer {
    let id = id(call);
    let mut vmids = Vec::new();
    for text in call.params.parts("vms") {
        VMID.check(text)
            .map_err(|text| ApiError::param("vms", text))?;
        let vmid = text.parse::<u32>();
        vmids.push(vmid.map_err(|_| ApiError::param("vms", "type check ('integer') failed"))?);
    }
    call.sim.change(|world| {
        let mut pools = world.pools.clone();
        let Some(pool) = pools.get_mut(&id) else {
            bail!("update pools failed: pool '{id}' does not exist");
        };
        if let Some(text) = call.params.text("comment") {
            text.clone_into(&mut pool.comment);
        }
        let removes = call.params.is_set("delete");
        for vmid in vmids {
            call.need_modify(world, &format!("/vms/{vmid}"))?;
            if !removes {
                leave_other(call, world, &mut pools, &id, vmid)?;
            }
            let Some(pool) = pools.get_mut(&id) else {
                continue;
            };
            if removes && !pool.members.remove(&vmid) {
                bail!("update pools failed: VM {vmid} is not a pool member");
            }
            if !removes && !pool.members.insert(vmid) {
                bail!("update pools failed: VM {vmid} is already a pool member");
            }
        }
        for storage in call.params.parts("storage") {
            call.need_modify(world, &format!("/storage/{storage}"))?;
            let Some(pool) = pools.get_mut(&id) else {
                continue;
            };
            if removes && !pool.storages.remove(storage) {
                bail!("update pools failed: Storage '{storage}' is not a pool member");
            }
            if !removes && !pool.storages.insert(storage.to_owned()) {
                bail!("update pools failed: Storage '{storage}' is already a pool member");
            }
        }
        world.pools = pools;
        Ok(Value::Null)
    })
}

/// Takes a guest out of the pool that it is in, if that is another one and the
/// caller may.
fn leave_other(
    call: &Call<'_>,
    world: &World,
    pools: &mut BTreeMap<String, Pool>,
    id: &str,
    vmid: u32,
) -> Result<(), ApiError> {
    let other = world.pool_of(vmid).filter(|other| *other != id);
    let Some(other) = other else { return Ok(()) };
    if !call.params.is_set("allow-move") {
        bail!(
            "update pools failed: VM {vmid} belongs already to pool '{other}' and 'allow-move' \
             is not set"
        );
    }
    call.need(world, &format!("/pool/{other}"), "Pool.Allocate")?;
    if let Some(pool) = pools.get_mut(other) {
        pool.members.remove(&vmid);
    }
    Ok(())
}
