//! `/cluster/sdn`: zones, vnets, subnets and their like are planned, and applied as a
//! whole. A vnet that was applied is a bridge that guests can be on; that its traffic
//! is kept apart is not simulated.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::sdn_keys::{CONTROLLER, DNS, IPAM, SUBNET, VNET, ZONE};
use super::sdn_lock::{self, free, let_go};
use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::fields::{self, Fields};
use crate::kind::Kind::{Bool, Text};
use crate::params::{Param, opt, parts};
use crate::route::{Route, on_node, route};
use crate::world::World;

const VIEW: &[Param] = &[
    opt("pending", Bool),
    opt("running", Bool),
    opt("type", Text),
];
const APPLY: &[Param] = &[opt("lock-token", Text), opt("release-lock", Bool)];
const LOCK: &[Param] = &[opt("allow-pending", Bool)];
const DELETE: &[Param] = &[opt("lock-token", Text)];

/// What is never kept.
const APART: &[&str] = &["lock-token"];

/// A kind of object.
struct Object {
    table: &'static str,
    key: &'static str,
    keys: &'static [Param],
    /// What a new one must say.
    needs: &'static [&'static str],
    /// How messages name it where it is missing.
    missing: &'static str,
}

static ZONES: Object = object("sdn/zones", "zone", ZONE, &["zone", "type"], "sdn");
static VNETS: Object = object("sdn/vnets", "vnet", VNET, &["vnet", "zone"], "sdn vnet");
static SUBNETS: Object = object(
    "sdn/subnets",
    "id",
    SUBNET,
    &["subnet", "type"],
    "sdn subnet",
);
static CONTROLLERS: Object = object(
    "sdn/controllers",
    "controller",
    CONTROLLER,
    &["controller", "type"],
    "sdn",
);
static SERVERS: Object = object(
    "sdn/dns",
    "dns",
    DNS,
    &["dns", "type", "url", "key"],
    "sdn dns",
);
static IPAMS: Object = object("sdn/ipams", "ipam", IPAM, &["ipam", "type"], "sdn ipam");

const fn object(
    table: &'static str,
    key: &'static str,
    keys: &'static [Param],
    needs: &'static [&'static str],
    missing: &'static str,
) -> Object {
    Object {
        table,
        key,
        keys,
        needs,
        missing,
    }
}

const ALLOCATE: &[&str] = &["SDN.Allocate"];

impl Object {
    /// What one is called in messages.
    fn noun(&self) -> &'static str {
        match self.key {
            "id" => "subnet",
            key => key,
        }
    }

    /// What messages begin with when it cannot be done.
    fn failed(&self, verb: &str) -> String {
        format!("{verb} sdn {} object failed", self.noun())
    }
}

/// The five calls on objects that stand below a path of their own.
macro_rules! objects {
    ($path:literal, $one:literal, $right:literal, $object:expr, $keys:expr) => {
        &[
            route("GET", $path, VIEW, |call| list(call, $object)),
            route("POST", $path, $keys, |call| create(call, $object)).needs($right, ALLOCATE),
            route("GET", concat!($path, $one), VIEW, |call| {
                read(call, $object)
            }),
            route("PUT", concat!($path, $one), $keys, |call| {
                update(call, $object)
            })
            .needs($right, ALLOCATE),
            route("DELETE", concat!($path, $one), DELETE, |call| {
                delete(call, $object)
            })
            .needs($right, ALLOCATE),
        ]
    };
}

pub(super) const ZONE_ROUTES: &[Route] =
    objects!("cluster/sdn/zones", "/{zone}", "/sdn/zones", &ZONES, ZONE);
pub(super) const VNET_ROUTES: &[Route] =
    objects!("cluster/sdn/vnets", "/{vnet}", "/sdn/zones", &VNETS, VNET);
pub(super) const SUBNET_ROUTES: &[Route] = objects!(
    "cluster/sdn/vnets/{vnet}/subnets",
    "/{id}",
    "/sdn/zones",
    &SUBNETS,
    SUBNET
);
pub(super) const CONTROLLER_ROUTES: &[Route] = objects!(
    "cluster/sdn/controllers",
    "/{controller}",
    "/sdn/controllers",
    &CONTROLLERS,
    CONTROLLER
);
pub(super) const DNS_ROUTES: &[Route] =
    objects!("cluster/sdn/dns", "/{dns}", "/sdn/dns", &SERVERS, DNS);
pub(super) const IPAM_ROUTES: &[Route] =
    objects!("cluster/sdn/ipams", "/{ipam}", "/sdn/ipams", &IPAMS, IPAM);
pub(super) const ROUTES: &[Route] = &[
    route("GET", "cluster/sdn", &[], index),
    route("PUT", "cluster/sdn", APPLY, apply).needs("/sdn", ALLOCATE),
    route("POST", "cluster/sdn/lock", LOCK, lock).needs("/sdn", ALLOCATE),
    route("POST", "cluster/sdn/rollback", APPLY, rollback).needs("/sdn", ALLOCATE),
    on_node("GET", "sdn/zones", &[], node_zones),
    on_node("GET", "sdn/zones/{zone}/content", &[], node_vnets),
];

/// The kinds of objects that are applied.
fn all() -> [&'static Object; 4] {
    [&ZONES, &VNETS, &SUBNETS, &CONTROLLERS]
}

fn index(_: &Call<'_>) -> Answer {
    let names = "vnets zones controllers ipams dns fabrics";
    let lines = names.split_whitespace().map(|id| json!({"id": id}));
    Ok(Value::Array(lines.collect()))
}

/// What was applied of a table.
fn running(object: &Object) -> String {
    object.table.replacen("sdn/", "sdn/running/", 1)
}

/// The zone that an object is in, for rights.
fn sees(call: &Call<'_>, world: &World, object: &Object, fields: &Fields) -> bool {
    let text = |key: &str| fields::text(fields, key);
    let path = match object.key {
        "zone" => format!("/sdn/zones/{}", text("zone")),
        "vnet" | "id" => format!("/sdn/zones/{}/{}", text("zone"), text("vnet")),
        key => format!("/sdn/{key}s/{}", text(key)),
    };
    call.has_any(world, &path, &["SDN.Audit", "SDN.Allocate"])
}

fn shown(object: &Object, fields: &Fields) -> Map<String, Value> {
    let mut shown = fields::shown(fields, object.keys);
    if object.key == "id" {
        let ranges = fields::text(fields, "dhcp-range");
        let ranges = ranges.split('\0').filter(|range| !range.is_empty());
        let ranges = ranges.map(|range| {
            let pairs = range.split(',').filter_map(|pair| pair.split_once('='));
            Value::Object(
                pairs
                    .map(|(key, value)| (key.to_owned(), json!(value)))
                    .collect(),
            )
        });
        shown.insert("dhcp-range".to_owned(), Value::Array(ranges.collect()));
    }
    shown
}

/// An object as a call wants to see it: as it is planned, as it was applied, or both.
fn view(call: &Call<'_>, world: &World, object: &Object, id: &str) -> Option<Value> {
    let planned = world.kept_one(object.table, object.key, id);
    let applied = world.kept_one(&running(object), object.key, id);
    let digest = fields::digest(world.table(object.table));
    let (own, state) = match (planned, applied) {
        _ if call.params.is_set("running") => (applied?, None),
        _ if !call.params.is_set("pending") => (planned?, None),
        (Some(new), None) => (new, Some("new")),
        (Some(new), Some(old)) if new != old => (old, Some("changed")),
        (None, Some(old)) => (old, Some("deleted")),
        (own, _) => (own?, None),
    };
    if !sees(call, world, object, own) {
        return None;
    }
    let mut found = shown(object, own);
    if let Some(state) = state {
        let new = planned
            .map(|fields| shown(object, fields))
            .unwrap_or_default();
        let mut changes = Map::new();
        for (key, value) in &new {
            if (state == "new" && key != "type" && key != object.key)
                || found.get(key) != Some(value)
            {
                changes.insert(key.clone(), value.clone());
            }
        }
        if state == "changed" {
            for key in found.keys().filter(|key| !new.contains_key(*key)) {
                changes.insert(key.clone(), json!("deleted"));
            }
        }
        if state == "new" {
            found.retain(|key, _| key == "type" || key == object.key);
        }
        found.insert("state".to_owned(), json!(state));
        found.insert("pending".to_owned(), Value::Object(changes));
    }
    found.insert("digest".to_owned(), json!(digest));
    Some(Value::Object(found))
}

fn list(call: &Call<'_>, object: &'static Object) -> Answer {
    let world = call.sim.world();
    let tables = [object.table.to_owned(), running(object)];
    let everything = tables.iter().flat_map(|table| world.table(table));
    let below = call.part("vnet");
    let ids: BTreeSet<&str> = everything
        .filter(|fields| below.is_empty() || fields.get("vnet").is_some_and(|vnet| vnet == below))
        .filter_map(|fields| fields.get(object.key).map(String::as_str))
        .collect();
    let mut found: Vec<Value> = ids
        .into_iter()
        .filter_map(|id| view(call, &world, object, id))
        .collect();
    if object.key == "ipam" {
        found.insert(0, json!({"ipam": "pve", "type": "pve"}));
    }
    if let Some(kind) = call.params.text("type") {
        found.retain(|line| line["type"] == kind);
    }
    Ok(Value::Array(found))
}

fn missing(object: &Object, id: &str) -> ApiError {
    ApiError::die(format!("{} '{id}' does not exist", object.missing))
}

fn read(call: &Call<'_>, object: &'static Object) -> Answer {
    let world = call.sim.world();
    let id = call.part(object.key);
    view(call, &world, object, id).ok_or_else(|| missing(object, id))
}

fn create(call: &Call<'_>, object: &'static Object) -> Answer {
    for key in object.needs {
        call.params.must(key)?;
    }
    call.sim.change(|world| {
        free(call, world, &object.failed("create"))?;
        let mut fields = fields::given(&call.params, object.keys, APART);
        if object.key == "id" {
            place_subnet(call, world, &mut fields)?;
        }
        if object.key == "vnet" {
            fields.insert("type".to_owned(), "vnet".to_owned());
        }
        let id = fields.get(object.key).cloned().unwrap_or_default();
        let what = object.noun();
        if world.kept_one(object.table, object.key, &id).is_some() {
            bail!("create sdn {what} object failed: sdn {what} object ID '{id}' already defined");
        }
        check(world, object, &fields)?;
        world.table_mut(object.table).push(fields);
        Ok(Value::Null)
    })
}

/// Gives a subnet the keys that follow from its network and its vnet.
fn place_subnet(call: &Call<'_>, world: &World, fields: &mut Fields) -> Result<(), ApiError> {
    let vnet = call.part("vnet");
    let Some(own) = world.kept_one("sdn/vnets", "vnet", vnet) else {
        return Err(ApiError::param("vnet", format!("{vnet} don't exist")));
    };
    if own.get("vlanaware").is_some_and(|value| value == "1") {
        let text = "you can't add a subnet on a vlanaware vnet";
        return Err(ApiError::param("vnet", text));
    }
    let cidr = fields.get("subnet").cloned().unwrap_or_default();
    let Some((network, mask)) = cidr.split_once('/') else {
        let text = "invalid format - value does not look like a valid network configuration";
        return Err(ApiError::param("subnet", text));
    };
    let zone = own.get("zone").cloned().unwrap_or_default();
    let id = format!("{zone}-{network}-{mask}");
    for (key, value) in [
        ("subnet", id.as_str()),
        ("id", &id),
        ("vnet", vnet),
        ("zone", &zone),
        ("cidr", &cidr),
        ("network", network),
        ("mask", mask),
    ] {
        fields.insert(key.to_owned(), value.to_owned());
    }
    Ok(())
}

/// Refuses what cannot be beside the rest.
fn check(world: &World, object: &Object, fields: &Fields) -> Result<(), ApiError> {
    let text = |key: &str| fields::text(fields, key);
    let wrong = |key: &str, text: String| Err(ApiError::param(key, text));
    match object.key {
        "zone" => {
            let needed: &[&str] = match text("type") {
                "vlan" => &["bridge"],
                "qinq" => &["bridge", "tag"],
                "vxlan" if text("fabric").is_empty() => &["peers"],
                "evpn" => &["controller", "vrf-vxlan"],
                _ => &[],
            };
            if let Some(key) = needed.iter().find(|key| text(key).is_empty()) {
                return wrong(key, "property is missing and it is not optional".to_owned());
            }
            for (key, table) in [("ipam", "sdn/ipams"), ("dns", "sdn/dns")] {
                let own = text(key);
                let known =
                    own.is_empty() || own == "pve" || world.kept_one(table, key, own).is_some();
                if !known {
                    let verb = if key == "dns" {
                        "don't exist"
                    } else {
                        "not existing"
                    };
                    return wrong(key, format!("{own} {verb}"));
                }
            }
        }
        "vnet" => {
            let Some(zone) = world.kept_one("sdn/zones", "zone", text("zone")) else {
                return Err(missing(&ZONES, text("zone")));
            };
            let tag = text("tag");
            match fields::text(zone, "type") {
                "vlan" | "qinq" if tag.is_empty() => {
                    return wrong("tag", "missing vlan tag".to_owned());
                }
                "vxlan" | "evpn" if tag.is_empty() => {
                    return wrong("tag", "missing vxlan tag".to_owned());
                }
                "simple" if !tag.is_empty() => {
                    return wrong("tag", "vlan tag is not allowed on simple zone".to_owned());
                }
                _ => {}
            }
            let other = world.table("sdn/vnets").iter().find(|other| {
                let same = |key: &str| other.get(key) == fields.get(key);
                !tag.is_empty() && same("tag") && same("zone") && !same("vnet")
            });
            if let Some(other) = other {
                let name = fields::text(other, "vnet");
                return wrong("tag", format!("tag {tag} already exist in vnet {name}"));
            }
        }
        "id" => {
            let gateway = text("gateway");
            if !gateway.is_empty() && !contains(text("cidr"), gateway) {
                return wrong(
                    "gateway",
                    format!("{gateway} is not in subnet {}", text("cidr")),
                );
            }
        }
        _ => {}
    }
    Ok(())
}

/// Whether a network of IPv4 has an address; others are not looked into.
fn contains(cidr: &str, address: &str) -> bool {
    let bits = |text: &str| text.parse::<std::net::Ipv4Addr>().map(u32::from);
    let Some((network, prefix)) = cidr.split_once('/') else {
        return true;
    };
    match (bits(network), bits(address), prefix.parse::<u32>()) {
        (Ok(network), Ok(address), Ok(prefix)) if prefix <= 32 => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            network & mask == address & mask
        }
        _ => true,
    }
}

fn update(call: &Call<'_>, object: &'static Object) -> Answer {
    let id = call.part(object.key);
    call.sim.change(|world| {
        free(call, world, &object.failed("update"))?;
        fields::same(&call.params, world.table(object.table))?;
        let Some(mut fields) = world.kept_one(object.table, object.key, id).cloned() else {
            return Err(missing(object, id));
        };
        let zone = fields.get("zone").cloned();
        fields::change(
            &mut fields,
            &call.params,
            object.keys,
            &["lock-token", "type", "subnet"],
        )?;
        let has_subnets = world
            .table("sdn/subnets")
            .iter()
            .any(|subnet| subnet.get("vnet").is_some_and(|vnet| vnet == id));
        if object.key == "vnet" && has_subnets {
            if fields.get("zone") != zone.as_ref() {
                return Err(ApiError::param(
                    "zone",
                    "can't change zone if subnets exist",
                ));
            }
            if fields.get("vlanaware").is_some_and(|value| value == "1") {
                let text = "vlanaware vnet is not compatible with subnets";
                return Err(ApiError::param("vlanaware", text));
            }
        }
        check(world, object, &fields)?;
        if let Some(own) = world.kept_one_mut(object.table, object.key, id) {
            *own = fields;
        }
        Ok(Value::Null)
    })
}

fn delete(call: &Call<'_>, object: &'static Object) -> Answer {
    let id = call.part(object.key);
    call.sim.change(|world| {
        free(call, world, &object.failed("delete"))?;
        let user = |table: &str, key: &str| {
            let mut all = world.table(table).iter();
            all.find(|fields| fields.get(key).is_some_and(|own| own == id))
                .cloned()
        };
        if object.key == "zone"
            && let Some(vnet) = user("sdn/vnets", "zone")
        {
            let name = fields::text(&vnet, "vnet");
            bail!("delete sdn zone object failed: zone {id} is used by vnet {name}");
        }
        if object.key == "vnet" && user("sdn/subnets", "vnet").is_some() {
            return Err(ApiError::param(
                "vnet",
                "Can't delete vnet if subnets exists",
            ));
        }
        if !world.drop_kept(object.table, object.key, id) {
            return Err(missing(object, id));
        }
        Ok(Value::Null)
    })
}

fn lock(call: &Call<'_>) -> Answer {
    sdn_lock::since_9(call)?;
    call.sim.change(|world| {
        let pending = |object: &Object| world.table(object.table) != world.table(&running(object));
        let pending = all().into_iter().any(pending);
        sdn_lock::take(call, world, pending)
    })
}

fn apply(call: &Call<'_>) -> Answer {
    call.sim.change(|world| {
        free(call, world, "could not commit SDN config")?;
        let_go(call, world);
        Ok::<_, ApiError>(())
    })?;
    call.task(
        "reloadnetworkall",
        String::new(),
        Vec::new(),
        move |sim, log| {
            let nodes = sim.change(|world| {
                for object in all() {
                    let planned = world.table(object.table).to_vec();
                    *world.table_mut(&running(object)) = planned;
                }
                world
                    .nodes
                    .iter()
                    .map(|node| node.name.clone())
                    .collect::<Vec<_>>()
            });
            for node in nodes {
                log.line(format!("{node}: reloading network config"));
            }
            Ok::<_, String>(())
        },
    )
}

fn rollback(call: &Call<'_>) -> Answer {
    sdn_lock::since_9(call)?;
    call.sim.change(|world| {
        free(call, world, "could not rollback SDN configuration")?;
        for object in all() {
            let applied = world.table(&running(object)).to_vec();
            *world.table_mut(object.table) = applied;
        }
        let_go(call, world);
        Ok(Value::Null)
    })
}

/// The zones that were applied, on a node that they are for.
fn zones_on<'w>(world: &'w World, node: &str) -> impl Iterator<Item = &'w Fields> {
    world.table("sdn/running/zones").iter().filter(move |zone| {
        let nodes = fields::text(zone, "nodes");
        nodes.is_empty() || parts(nodes).contains(&node)
    })
}

fn node_zones(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let seen = zones_on(&world, call.node()).filter(|zone| sees(call, &world, &ZONES, zone));
    let lines = seen.map(|zone| json!({"zone": zone.get("zone"), "status": "available"}));
    Ok(Value::Array(lines.collect()))
}

fn node_vnets(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let wanted = call.part("zone");
    let own = world.table("sdn/running/vnets").iter();
    let own = own.filter(|vnet| vnet.get("zone").is_some_and(|zone| zone == wanted));
    let lines = own
        .filter(|vnet| sees(call, &world, &VNETS, vnet))
        .map(|vnet| json!({"vnet": vnet.get("vnet"), "status": "available"}));
    Ok(Value::Array(lines.collect()))
}

/// The vnets that were applied, as `network` lists them among the bridges.
pub(super) fn bridges(call: &Call<'_>, world: &World) -> Vec<Value> {
    let all = world.table("sdn/running/vnets").iter();
    let seen = all.filter(|vnet| {
        let text = |key: &str| fields::text(vnet, key);
        let path = format!("/sdn/zones/{}/{}", text("zone"), text("vnet"));
        sees(call, world, &VNETS, vnet) || call.has(world, &path, "SDN.Use")
    });
    let lines = seen.map(|vnet| json!({"iface": vnet.get("vnet"), "type": "vnet", "active": 1}));
    lines.collect()
}
