//! `/version` and `/access`: who one is, and what one may do.

use serde_json::{Map, Value, json};

use crate::acl;
use crate::auth;
use crate::call::{Answer, Call};
use crate::kind::Kind::{Bool, Text};
use crate::params::{Param, opt, req};
use crate::route::{Access, Route, route};

pub(super) const ROUTES: &[Route] = &[
    route("GET", "version", &[], version),
    route("GET", "access", &[], index),
    route("GET", "access/tfa", &[], second_factors),
    route("GET", "access/ticket", &[], no_ticket).for_callers(Access::Open),
    route("POST", "access/ticket", TICKET, ticket).for_callers(Access::Open),
    route("GET", "access/permissions", PERMISSIONS, permissions),
];

const TICKET: &[Param] = &[
    req("username", Text),
    req("password", Text),
    opt("realm", Text),
    opt("otp", Text),
    opt("path", Text),
    opt("privs", Text),
    opt("tfa-challenge", Text),
    opt("new-format", Bool),
];
const PERMISSIONS: &[Param] = &[opt("path", Text), opt("userid", Text)];

fn version(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let profile = &world.profile;
    Ok(json!({
        "version": profile.version,
        "release": profile.release,
        "repoid": profile.repoid,
        "console": "xtermjs",
    }))
}

fn index(_: &Call<'_>) -> Answer {
    let names = "users groups domains roles acl openid tfa ticket password permissions vncticket";
    let lines = names.split_whitespace().map(|name| json!({"subdir": name}));
    Ok(Value::Array(lines.collect()))
}

/// Nobody has a second factor here.
fn second_factors(call: &Call<'_>) -> Answer {
    Ok(json!([{"userid": call.who.user(), "entries": []}]))
}

/// Exists for clients that only look whether somebody is there.
fn no_ticket(_: &Call<'_>) -> Answer {
    Ok(Value::Null)
}

fn ticket(call: &Call<'_>) -> Answer {
    let name = call.params.must("username")?;
    let user = match (name.contains('@'), call.params.text("realm")) {
        (true, _) => name.to_owned(),
        (false, realm) => format!("{name}@{}", realm.unwrap_or("pam")),
    };
    let world = call.sim.world();
    auth::login(&world, &user, call.params.must("password")?)?;
    let can = |path: &str, start: &str| -> Map<String, Value> {
        acl::rights(&world, &user, path)
            .into_iter()
            .filter(|(name, _)| name.starts_with(start))
            .map(|(name, _)| (name, json!(1)))
            .collect()
    };
    Ok(json!({
        "username": user,
        "ticket": auth::ticket(&world, &user),
        "CSRFPreventionToken": auth::csrf(&world, &user),
        "cap": {
            "access": can("/access", ""),
            "dc": can("/", "Sys."),
            "nodes": can("/nodes", "Sys."),
            "storage": can("/storage", "Datastore."),
            "vms": can("/vms", "VM."),
        },
    }))
}

fn permissions(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let who = call.params.text("userid").unwrap_or(&call.who.id);
    if who != call.who.id && who != call.who.user() {
        call.need(&world, "/access", "Sys.Audit")?;
    }
    let paths = match call.params.text("path") {
        Some(path) => vec![path.to_owned()],
        None => acl::known_paths(&world).into_iter().collect(),
    };
    let mut found = Map::new();
    for path in paths {
        let rights: Map<String, Value> = acl::rights(&world, who, &path)
            .into_iter()
            .map(|(name, propagate)| (name, json!(u8::from(propagate))))
            .collect();
        if !rights.is_empty() {
            found.insert(path, Value::Object(rights));
        }
    }
    Ok(Value::Object(found))
}
