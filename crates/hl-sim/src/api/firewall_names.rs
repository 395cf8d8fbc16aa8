//! Names for addresses in firewalls: aliases and sets of IP addresses.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::firewall_level::{DATACENTER, add_named, scope, see, table, write};
use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::fields;
use crate::kind::Kind::{Bool, Enum, Like, Text};
use crate::names;
use crate::params::{Param, Params, opt, req};
use crate::route::{Route, on_ct, on_vm, route};
use crate::world::World;

const ALIAS: &[Param] = &[
    opt("name", Like(names::config_id)),
    req("cidr", Text),
    opt("comment", Text),
    opt("rename", Text),
    opt("digest", Text),
];
const SET: &[Param] = &[
    req("name", Like(names::config_id)),
    opt("comment", Text),
    opt("rename", Text),
    opt("digest", Text),
];
const ENTRY: &[Param] = &[
    opt("cidr", Text),
    opt("comment", Text),
    opt("nomatch", Bool),
    opt("digest", Text),
];
const REFS: &[Param] = &[opt("type", Enum(&["alias", "ipset"]))];
const FORCE: &[Param] = &[opt("force", Bool)];
const DIGEST: &[Param] = &[opt("digest", Text)];

/// Names for addresses, which cluster and guests have.
macro_rules! named {
    ($make:ident, $base:literal) => {
        &[
            $make("GET", concat!($base, "/aliases"), &[], aliases).checked(see),
            $make("POST", concat!($base, "/aliases"), ALIAS, add_alias).checked(write),
            $make("GET", concat!($base, "/aliases/{name}"), &[], alias).checked(see),
            $make(
                "PUT",
                concat!($base, "/aliases/{name}"),
                ALIAS,
                change_alias,
            )
            .checked(write),
            $make(
                "DELETE",
                concat!($base, "/aliases/{name}"),
                DIGEST,
                drop_alias,
            )
            .checked(write),
            $make("GET", concat!($base, "/ipset"), &[], sets).checked(see),
            $make("POST", concat!($base, "/ipset"), SET, add_set).checked(write),
            $make("GET", concat!($base, "/ipset/{name}"), &[], entries).checked(see),
            $make("POST", concat!($base, "/ipset/{name}"), ENTRY, add_entry).checked(write),
            $make("DELETE", concat!($base, "/ipset/{name}"), FORCE, drop_set).checked(write),
            $make("GET", concat!($base, "/ipset/{name}/{cidr*}"), &[], entry).checked(see),
            $make(
                "PUT",
                concat!($base, "/ipset/{name}/{cidr*}"),
                ENTRY,
                change_entry,
            )
            .checked(write),
            $make(
                "DELETE",
                concat!($base, "/ipset/{name}/{cidr*}"),
                DIGEST,
                drop_entry,
            )
            .checked(write),
            $make("GET", concat!($base, "/refs"), REFS, refs).checked(see),
        ]
    };
}

pub(super) const CLUSTER: &[Route] = named!(route, "cluster/firewall");
pub(super) const VM: &[Route] = named!(on_vm, "firewall");
pub(super) const CT: &[Route] = named!(on_ct, "firewall");

fn aliases(call: &Call<'_>) -> Answer {
    let table = table(call, "aliases");
    let mut found = call.sim.world().all_shown(&table, ALIAS, |_| true);
    for line in found.as_array_mut().into_iter().flatten() {
        line["ipversion"] = version(line["cidr"].as_str().unwrap_or_default());
    }
    Ok(found)
}

fn version(cidr: &str) -> Value {
    json!(if cidr.contains(':') { 6 } else { 4 })
}

fn cidr(params: &Params) -> Result<(), ApiError> {
    let text = params.must("cidr")?;
    let (address, prefix) = text.split_once('/').unwrap_or((text, "0"));
    let range = address
        .split('-')
        .all(|part| part.parse::<IpAddr>().is_ok());
    if range && prefix.parse::<u8>().is_ok_and(|bits| bits <= 128) {
        return Ok(());
    }
    let text = "invalid format - value does not look like a valid network configuration";
    Err(ApiError::param("cidr", text))
}

fn add_alias(call: &Call<'_>) -> Answer {
    call.params.must("name")?;
    cidr(&call.params)?;
    add_named(
        call,
        &table(call, "aliases"),
        "name",
        ALIAS,
        "alias",
        &|_| String::new(),
    )
}

fn missing_alias() -> ApiError {
    ApiError::param("name", "no such alias")
}

fn alias(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let table = table(call, "aliases");
    let own = world
        .kept_one(&table, "name", call.part("name"))
        .ok_or_else(missing_alias)?;
    let mut shown = world.shown(&table, own, ALIAS);
    let ip = version(fields::text(own, "cidr"));
    shown.insert("ipversion".to_owned(), ip);
    Ok(Value::Object(shown))
}

fn change_alias(call: &Call<'_>) -> Answer {
    cidr(&call.params)?;
    let table = table(call, "aliases");
    call.sim.change(|world| {
        fields::same(&call.params, world.table(&table))?;
        let own = world.kept_one_mut(&table, "name", call.part("name"));
        let own = own.ok_or_else(missing_alias)?;
        own.extend(fields::given(&call.params, ALIAS, &["name", "rename"]));
        if let Some(name) = call.params.text("rename") {
            own.insert("name".to_owned(), name.to_owned());
        }
        Ok(Value::Null)
    })
}

fn drop_alias(call: &Call<'_>) -> Answer {
    call.sim.change(|world| {
        if !world.drop_kept(&table(call, "aliases"), "name", call.part("name")) {
            return Err(missing_alias());
        }
        Ok(Value::Null)
    })
}

fn sets(call: &Call<'_>) -> Answer {
    let table = table(call, "ipset");
    Ok(call.sim.world().all_shown(&table, SET, |_| true))
}

fn add_set(call: &Call<'_>) -> Answer {
    let sets = table(call, "ipset");
    let below = |id: &str| format!("{sets}/{id}");
    add_named(call, &sets, "name", SET, "IPSet", &below)
}

/// The table of the entries of a set that is there.
fn entry_table(call: &Call<'_>, world: &World) -> Result<String, ApiError> {
    let (sets, name) = (table(call, "ipset"), call.part("name"));
    if world.kept_one(&sets, "name", name).is_none() {
        bail!("no such IPSet '{name}'");
    }
    Ok(format!("{sets}/{name}"))
}

fn drop_set(call: &Call<'_>) -> Answer {
    call.sim.change(|world| {
        let entries = entry_table(call, world)?;
        if !world.table(&entries).is_empty() && !call.params.is_set("force") {
            bail!("IPSet '{}' is not empty", call.part("name"));
        }
        world.kept.remove(&entries);
        world.drop_kept(&table(call, "ipset"), "name", call.part("name"));
        Ok(Value::Null)
    })
}

fn entries(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let table = entry_table(call, &world)?;
    Ok(world.all_shown(&table, ENTRY, |_| true))
}

fn add_entry(call: &Call<'_>) -> Answer {
    let text = call.params.must("cidr")?;
    if text.starts_with(|c: char| c.is_ascii_digit()) || text.contains(':') {
        cidr(&call.params)?;
    }
    if text.ends_with("/0") {
        return Err(ApiError::param(
            "cidr",
            "a zero prefix is not allowed in ipset entries",
        ));
    }
    call.sim.change(|world| {
        let table = entry_table(call, world)?;
        if world.kept_one(&table, "cidr", text).is_some() {
            return Err(ApiError::param(
                "cidr",
                format!("address '{text}' already exists"),
            ));
        }
        let fields = fields::given(&call.params, ENTRY, &[]);
        world.table_mut(&table).push(fields);
        Ok(Value::Null)
    })
}

fn missing_entry() -> ApiError {
    ApiError::param("cidr", "no such IP/Network")
}

fn entry(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let table = entry_table(call, &world)?;
    let own = world
        .kept_one(&table, "cidr", call.part("cidr"))
        .ok_or_else(missing_entry)?;
    Ok(Value::Object(world.shown(&table, own, ENTRY)))
}

fn change_entry(call: &Call<'_>) -> Answer {
    call.sim.change(|world| {
        let table = entry_table(call, world)?;
        let own = world.kept_one_mut(&table, "cidr", call.part("cidr"));
        let given = fields::given(&call.params, ENTRY, &["cidr"]);
        own.ok_or_else(missing_entry)?.extend(given);
        Ok(Value::Null)
    })
}

fn drop_entry(call: &Call<'_>) -> Answer {
    call.sim.change(|world| {
        let table = entry_table(call, world)?;
        if !world.drop_kept(&table, "cidr", call.part("cidr")) {
            return Err(missing_entry());
        }
        Ok(Value::Null)
    })
}

/// What rules may name: aliases and sets of the level, and of the datacenter.
fn refs(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let wanted = call.params.text("type");
    let own = scope(call);
    let levels = [(own.as_str(), "guest"), (DATACENTER, "dc")];
    let levels = levels.into_iter().skip(usize::from(own == DATACENTER));
    let mut found = Vec::new();
    for (scope, level) in levels {
        for (kind, table, mark) in [("alias", "aliases", ""), ("ipset", "ipset", "+")] {
            if wanted.is_some_and(|wanted| wanted != kind) {
                continue;
            }
            for fields in world.table(&format!("{scope}/{table}")) {
                let name = fields::text(fields, "name");
                let mut line = json!({
                    "type": kind, "name": name, "ref": format!("{mark}{name}"), "scope": level,
                });
                if let Some(comment) = fields.get("comment") {
                    line["comment"] = json!(comment);
                }
                found.push(line);
            }
        }
    }
    Ok(Value::Array(found))
}
