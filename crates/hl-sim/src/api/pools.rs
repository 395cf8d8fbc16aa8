//! `/pools`: the three ways to read them.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::kind::Kind::{Id, Text};
use crate::params::{Param, opt};
use crate::route::{Route, route};
use crate::show;
use crate::world::World;

pub(super) const ROUTES: &[Route] = &[
    route("GET", "pools", LIST, list),
    route("GET", "pools/{poolid*}", &[opt("type", Text)], read),
];

const LIST: &[Param] = &[opt("poolid", Id), opt("type", Text)];

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    if let Some(pool) = call.params.text("poolid") {
        call.need(&world, &format!("/pool/{pool}"), "Pool.Audit")?;
        let mut one = full(&world, pool)?;
        one["poolid"] = json!(pool);
        return Ok(json!([one]));
    }
    let seen = world.pools.iter().filter(|(id, _)| {
        let path = format!("/pool/{id}");
        call.has(&world, &path, "Pool.Audit") || call.has(&world, &path, "Pool.Allocate")
    });
    let lines = seen.map(|(id, pool)| json!({"poolid": id, "comment": pool.comment}));
    Ok(Value::Array(lines.collect()))
}

fn read(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let pool = call.part("poolid");
    call.need(&world, &format!("/pool/{pool}"), "Pool.Audit")?;
    full(&world, pool)
}

fn full(world: &World, id: &str) -> Answer {
    let Some(pool) = world.pools.get(id) else {
        bail!("pool '{id}' does not exist");
    };
    let members: Vec<Value> = pool
        .members
        .iter()
        .filter_map(|vmid| Some(show::resource(world, *vmid, world.vms.get(vmid)?)))
        .collect();
    Ok(json!({"comment": pool.comment, "members": members}))
}
