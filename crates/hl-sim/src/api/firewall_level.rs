//! At which level a firewall is meant, who may see and change it, and how what it
//! names is kept.

use serde_json::Value;

use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::fields;
use crate::params::Param;
use crate::world::World;

/// What the tables of the datacenter's firewall begin with.
pub(super) const DATACENTER: &str = "firewall/cluster";

/// What the tables of a call begin with.
pub(super) fn scope(call: &Call<'_>) -> String {
    for (part, level) in [("vmid", "guest"), ("vnet", "vnet"), ("node", "node")] {
        if !call.part(part).is_empty() {
            return format!("firewall/{level}/{}", call.part(part));
        }
    }
    DATACENTER.to_owned()
}

/// A table of the level of a call.
pub(super) fn table(call: &Call<'_>, what: &str) -> String {
    format!("{}/{what}", scope(call))
}

fn may(call: &Call<'_>, world: &World, all: [&str; 3]) -> Result<(), ApiError> {
    let [system, guest, vnet] = all;
    if !call.part("vmid").is_empty() {
        return call.need(world, &call.filled("/vms/{vmid}"), guest);
    }
    if !call.part("vnet").is_empty() {
        let own = world.kept_one("sdn/vnets", "vnet", call.part("vnet"));
        let zone = own.map_or("", |own| fields::text(own, "zone"));
        return call.need(
            world,
            &format!("/sdn/zones/{zone}/{}", call.part("vnet")),
            vnet,
        );
    }
    let path = if call.part("node").is_empty() {
        "/"
    } else {
        "/nodes/{node}"
    };
    call.need(world, &call.filled(path), system)
}

/// Refuses who may not look at the firewall of a call.
pub(super) fn see(call: &Call<'_>, world: &World) -> Result<(), ApiError> {
    may(call, world, ["Sys.Audit", "VM.Audit", "SDN.Audit"])
}

/// Refuses who may not change it.
pub(super) fn write(call: &Call<'_>, world: &World) -> Result<(), ApiError> {
    may(
        call,
        world,
        ["Sys.Modify", "VM.Config.Network", "SDN.Allocate"],
    )
}

/// Makes one that is named, or gives it another name.
pub(super) fn add_named(
    call: &Call<'_>,
    table: &str,
    key: &str,
    keys: &[Param],
    what: &str,
    below: &dyn Fn(&str) -> String,
) -> Answer {
    let id = call.params.must(key)?;
    call.sim.change(|world| {
        fields::same(&call.params, world.table(table))?;
        let mut fields = fields::given(&call.params, keys, &["rename"]);
        if let Some(old) = call.params.text("rename") {
            if world.kept_one(table, key, old).is_none() {
                return Err(ApiError::param(
                    key,
                    format!("{what} '{old}' does not exist"),
                ));
            }
            if old != id && world.kept_one(table, key, id).is_some() {
                return Err(ApiError::param(
                    key,
                    format!("{what} '{id}' already exists"),
                ));
            }
            if let Some(own) = world.kept_one_mut(table, key, old) {
                own.append(&mut fields);
            }
            if let Some(held) = world.kept.remove(&below(old)) {
                world.kept.insert(below(id), held);
            }
            return Ok(Value::Null);
        }
        if world.kept_one(table, key, id).is_some() {
            return Err(ApiError::param(
                key,
                format!("{what} '{id}' already exists"),
            ));
        }
        world.table_mut(table).push(fields);
        world
            .table_mut(table)
            .sort_by(|one, two| one.get(key).cmp(&two.get(key)));
        Ok(Value::Null)
    })
}
