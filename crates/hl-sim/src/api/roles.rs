//! `/access/roles` and `/access/acl`: who may do what, and where.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::tokens;
use crate::acl;
use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::kind::Kind::{Bool, Like, Text};
use crate::names;
use crate::params::{Param, opt, req};
use crate::route::{Route, route};
use crate::world::{AclEntry, World};

const ROLE: &[Param] = &[req("roleid", Like(names::role)), opt("privs", Text)];
const CHANGE: &[Param] = &[opt("privs", Text), opt("append", Bool)];
const ACL: &[Param] = &[
    req("path", Text),
    req("roles", Text),
    opt("users", Text),
    opt("groups", Text),
    opt("tokens", Text),
    opt("propagate", Bool),
    opt("delete", Bool),
];

const ACCESS: &str = "/access";
const MODIFY: &[&str] = &["Sys.Modify"];

pub(super) const ROUTES: &[Route] = &[
    route("GET", "access/roles", &[], list),
    route("POST", "access/roles", ROLE, create).needs(ACCESS, MODIFY),
    route("GET", "access/roles/{roleid}", &[], read),
    route("PUT", "access/roles/{roleid}", CHANGE, update).needs(ACCESS, MODIFY),
    route("DELETE", "access/roles/{roleid}", &[], delete).needs(ACCESS, MODIFY),
    route("GET", "access/acl", &[], entries),
    route("PUT", "access/acl", ACL, change).checked(may_change),
];

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let lines = world.roles.iter().map(|(id, rights)| {
        let rights: Vec<&str> = rights.iter().map(String::as_str).collect();
        json!({
            "roleid": id, "privs": rights.join(","), "special": u8::from(acl::is_builtin(id)),
        })
    });
    Ok(Value::Array(lines.collect()))
}

fn read(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let id = call.part("roleid");
    let Some(rights) = world.roles.get(id) else {
        bail!("role '{id}' does not exist");
    };
    let pairs = rights.iter().map(|name| (name.clone(), json!(1)));
    Ok(Value::Object(pairs.collect::<Map<_, _>>()))
}

/// The privileges that a call names, all of which there are.
fn privileges(call: &Call<'_>) -> Result<BTreeSet<String>, ApiError> {
    let known = acl::privileges(call.sim.world().profile.major);
    let given = call.params.parts("privs");
    match given.iter().find(|name| !known.contains(**name)) {
        Some(odd) => {
            let text = format!("invalid format - invalid privilege '{odd}'");
            Err(ApiError::param("privs", text))
        }
        None => Ok(given.into_iter().map(str::to_owned).collect()),
    }
}

fn create(call: &Call<'_>) -> Answer {
    let id = call.params.must("roleid")?;
    let rights = privileges(call)?;
    if id.to_ascii_lowercase().starts_with("pve") {
        let text = "cannot use role ID starting with the (case-insensitive) 'PVE' namespace";
        return Err(ApiError::param("roleid", text));
    }
    call.sim.change(|world| {
        if world.roles.contains_key(id) {
            bail!("create role failed: role '{id}' already exists");
        }
        world.roles.insert(id.to_owned(), rights);
        Ok(Value::Null)
    })
}

fn update(call: &Call<'_>) -> Answer {
    let id = call.part("roleid");
    let rights = privileges(call)?;
    let append = call.params.is_set("append");
    call.sim.change(|world| {
        let Some(own) = world.roles.get_mut(id) else {
            bail!("update role failed: role '{id}' does not exist");
        };
        if acl::is_builtin(id) {
            bail!("auto-generated role '{id}' cannot be modified");
        }
        if !append {
            own.clear();
        }
        own.extend(rights);
        Ok(Value::Null)
    })
}

fn delete(call: &Call<'_>) -> Answer {
    let id = call.part("roleid");
    call.sim.change(|world| {
        if !world.roles.contains_key(id) {
            bail!("delete role failed: role '{id}' does not exist");
        }
        if acl::is_builtin(id) {
            bail!("auto-generated role '{id}' cannot be deleted");
        }
        world.roles.remove(id);
        world.acl.retain(|entry| entry.role != id);
        Ok(Value::Null)
    })
}

fn entries(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let all = call.has(&world, ACCESS, "Sys.Audit");
    let seen = world
        .acl
        .iter()
        .filter(|entry| all || call.need_modify(&world, &entry.path).is_ok());
    let lines = seen.map(|entry| {
        let (kind, id) = match entry.who.strip_prefix('@') {
            Some(group) => ("group", group),
            None if entry.who.contains('!') => ("token", entry.who.as_str()),
            None => ("user", entry.who.as_str()),
        };
        json!({
            "path": entry.path, "type": kind, "ugid": id, "roleid": entry.role,
            "propagate": u8::from(entry.propagate),
        })
    });
    Ok(Value::Array(lines.collect()))
}

/// A path with one slash before each of its parts.
fn normal(path: &str) -> String {
    crate::route::collapse(path)
}

fn may_change(call: &Call<'_>, world: &World) -> Result<(), ApiError> {
    call.need_modify(world, &normal(call.params.text("path").unwrap_or_default()))
}

fn change(call: &Call<'_>) -> Answer {
    let params = &call.params;
    let path = normal(params.must("path")?);
    let deletes = params.is_set("delete");
    if !deletes && !is_acl_path(&path) {
        let text = format!("invalid ACL path '{path}'");
        return Err(ApiError::param("path", text));
    }
    let named = ["users", "groups", "tokens"];
    if named.iter().all(|name| params.text(name).is_none()) {
        let text = "either 'users', 'groups' or 'tokens' is required.";
        let all = named.map(|name| (name.to_owned(), text.to_owned()));
        return Err(ApiError::params(all.into()));
    }
    let propagate = params.flag("propagate").unwrap_or(true);
    call.sim.change(|world| {
        let mut list = world.acl.clone();
        for role in params.parts("roles") {
            let Some(rights) = world.roles.get(role) else {
                bail!("ACL update failed: role '{role}' does not exist");
            };
            if !call.has(world, &path, "Permissions.Modify")
                && !rights.iter().all(|name| call.has(world, &path, name))
            {
                let text = format!(
                    "Cannot add role '{role}' - requires 'Permissions.Modify' or superset of \
                     privileges."
                );
                return Err(ApiError::param("role", text));
            }
            for who in subjects(call, world)? {
                let same =
                    |entry: &AclEntry| entry.path == path && entry.who == who && entry.role == role;
                list.retain(|entry| !same(entry));
                if !deletes {
                    list.push(AclEntry {
                        path: path.clone(),
                        who,
                        role: role.to_owned(),
                        propagate,
                    });
                }
            }
        }
        world.acl = list;
        Ok(Value::Null)
    })
}

/// Whom a call names, as the list has them.
fn subjects(call: &Call<'_>, world: &World) -> Result<Vec<String>, ApiError> {
    let mut found = Vec::new();
    for group in call.params.parts("groups") {
        if !world.groups.contains_key(group) {
            bail!("ACL update failed: group '{group}' does not exist");
        }
        found.push(format!("@{group}"));
    }
    for user in call.params.parts("users") {
        if !world.users.contains_key(user) {
            bail!("ACL update failed: user '{user}' does not exist");
        }
        found.push(user.to_owned());
    }
    for token in call.params.parts("tokens") {
        if !world.tokens.contains_key(token) {
            bail!("ACL update failed: {}", tokens::missing(token).message);
        }
        found.push(token.to_owned());
    }
    Ok(found)
}

/// Whether rights can be given on a path; what it names need not be there.
fn is_acl_path(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [] | ["access" | "nodes" | "pool" | "sdn" | "storage" | "vms" | "mapping"] => true,
        ["vms", id] => id.parse::<u32>().is_ok_and(|id| id >= 100),
        ["nodes" | "storage", rest @ ..]
        | ["access", "groups" | "realm", rest @ ..]
        | [
            "sdn",
            "controllers" | "dns" | "fabrics" | "ipams",
            rest @ ..,
        ] => rest.len() <= 1,
        ["mapping", rest @ ..] => rest.len() <= 2,
        ["pool", rest @ ..] | ["sdn", "zones", rest @ ..] => rest.len() <= 3,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_rights_are_given_on() {
        for path in [
            "/",
            "/vms/100",
            "/pool/a/b/c",
            "/sdn/zones/localnetwork/vmbr0/5",
            "/access/realm/pve",
            "/mapping/pci/gpu",
            "/storage/local",
        ] {
            assert!(is_acl_path(&normal(path)), "{path}");
        }
        for path in [
            "/foo",
            "/vms/x",
            "/vms/100/1",
            "/pool/a/b/c/d",
            "/access/users",
            "/nodes/a/b",
        ] {
            assert!(!is_acl_path(&normal(path)), "{path}");
        }
        assert_eq!(normal("vms//100/"), "/vms/100");
    }
}
