//! `/access/users`, `/access/groups` and passwords.

use serde_json::{Map, Value, json};

use crate::acl::ROOT;
use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::fields::{self, Fields};
use crate::kind::Kind::{Bool, Int, Like, Short, Text};
use crate::names;
use crate::params::{Param, opt, req};
use crate::route::{Access, Route, route};
use crate::world::{Group, Token, User, World};

const LIST: &[Param] = &[opt("enabled", Bool), opt("full", Bool)];

/// What is said of a user and changes nothing.
const ABOUT: &[Param] = &[
    opt("comment", Short(2048)),
    opt("email", Text),
    opt("firstname", Short(1024)),
    opt("keys", Text),
    opt("lastname", Short(1024)),
];
const CREATE: &[Param] = &[
    req("userid", Like(names::user)),
    opt("password", Like(names::password)),
    opt("groups", Text),
    opt("enable", Bool),
    opt("expire", Int(0, i64::MAX)),
    opt("comment", Short(2048)),
    opt("email", Text),
    opt("firstname", Short(1024)),
    opt("keys", Text),
    opt("lastname", Short(1024)),
];
const UPDATE: &[Param] = &[
    opt("append", Bool),
    opt("groups", Text),
    opt("enable", Bool),
    opt("expire", Int(0, i64::MAX)),
    opt("comment", Short(2048)),
    opt("email", Text),
    opt("firstname", Short(1024)),
    opt("keys", Text),
    opt("lastname", Short(1024)),
];
const PASSWORD: &[Param] = &[
    req("userid", Like(names::user)),
    req("password", Like(names::password)),
    opt("confirmation-password", Text),
];
const GROUP: &[Param] = &[req("groupid", Like(names::group)), opt("comment", Text)];
const COMMENT: &[Param] = &[opt("comment", Text)];

const GROUPS: &str = "/access/groups";
const SEE: &[&str] = &["User.Modify", "Sys.Audit"];
const ALLOCATE: &[&str] = &["Group.Allocate"];

pub(super) const ROUTES: &[Route] = &[
    route("GET", "access/users", LIST, list),
    route("POST", "access/users", CREATE, create).checked(may_create),
    route("GET", "access/users/{userid}", &[], read)
        .checked(|call, world| by_group(call, world, SEE)),
    route("PUT", "access/users/{userid}", UPDATE, update).checked(may_update),
    route("DELETE", "access/users/{userid}", &[], delete).checked(may_delete),
    route("PUT", "access/password", PASSWORD, set_password)
        .for_callers(Access::Ticket)
        .checked(may_set_password),
    route("GET", "access/groups", &[], groups),
    route("POST", "access/groups", GROUP, create_group).needs(GROUPS, ALLOCATE),
    route("GET", "access/groups/{groupid}", &[], read_group)
        .needs(GROUPS, &["Sys.Audit", "Group.Allocate"]),
    route("PUT", "access/groups/{groupid}", COMMENT, update_group).needs(GROUPS, ALLOCATE),
    route("DELETE", "access/groups/{groupid}", &[], delete_group).needs(GROUPS, ALLOCATE),
];

/// Whether the caller may, by one of the groups that a user is in or by all groups.
fn in_group(call: &Call<'_>, world: &World, user: &str, privileges: &[&str]) -> bool {
    let of_user = world
        .groups
        .iter()
        .filter(|(_, group)| group.members.contains(user));
    let mut paths = of_user.map(|(id, _)| format!("{GROUPS}/{id}"));
    call.has_any(world, GROUPS, privileges)
        || paths.any(|path| call.has_any(world, &path, privileges))
}

/// Refuses who may not by the groups of the user that is meant.
pub(super) fn by_group(
    call: &Call<'_>,
    world: &World,
    privileges: &[&str],
) -> Result<(), ApiError> {
    let user = call.filled("{userid}");
    if call.has_any(world, GROUPS, privileges) {
        return Ok(());
    }
    known(world, &user)?;
    if in_group(call, world, &user, privileges) {
        return Ok(());
    }
    Err(ApiError::denied(&format!(
        "{GROUPS}, {}",
        privileges.join("|")
    )))
}

fn in_realm(call: &Call<'_>, world: &World) -> Result<(), ApiError> {
    let user = call.filled("{userid}");
    let realm = user.rsplit_once('@').map_or("", |(_, realm)| realm);
    call.need(
        world,
        &format!("/access/realm/{realm}"),
        "Realm.AllocateUser",
    )
}

fn may_create(call: &Call<'_>, world: &World) -> Result<(), ApiError> {
    in_realm(call, world)?;
    let groups = call.params.parts("groups");
    if groups.is_empty() {
        return call.need(world, GROUPS, "User.Modify");
    }
    may_join(call, world)
}

fn may_join(call: &Call<'_>, world: &World) -> Result<(), ApiError> {
    let mut groups = call.params.parts("groups").into_iter();
    groups.try_for_each(|group| call.need(world, &format!("{GROUPS}/{group}"), "User.Modify"))
}

fn may_update(call: &Call<'_>, world: &World) -> Result<(), ApiError> {
    by_group(call, world, &["User.Modify"])?;
    may_join(call, world)
}

fn may_delete(call: &Call<'_>, world: &World) -> Result<(), ApiError> {
    in_realm(call, world)?;
    by_group(call, world, &["User.Modify"])
}

fn may_set_password(call: &Call<'_>, world: &World) -> Result<(), ApiError> {
    let user = call.filled("{userid}");
    if user == call.who.id {
        return Ok(());
    }
    if user == ROOT || may_delete(call, world).is_err() {
        return Err(ApiError::denied_bare());
    }
    Ok(())
}

/// A user, or the error that calls on a missing one get.
pub(super) fn known<'w>(world: &'w World, id: &str) -> Result<&'w User, ApiError> {
    let user = world.users.get(id);
    user.ok_or_else(|| ApiError::die(format!("no such user ('{id}')")))
}

/// A token, as the API gives it back.
pub(super) fn show_token(token: &Token) -> Value {
    let mut fields = json!({"privsep": u8::from(token.privsep), "expire": token.expire});
    if let Some(comment) = &token.comment {
        fields["comment"] = json!(comment);
    }
    fields
}

fn tokens<'w>(world: &'w World, user: &str) -> impl Iterator<Item = (&'w str, &'w Token)> {
    let tokens = world.tokens.iter();
    tokens.filter_map(move |(id, token)| {
        let (own, name) = id.split_once('!')?;
        (own == user).then_some((name, token))
    })
}

/// The tokens of a user, as lists have them.
pub(super) fn tokens_of(world: &World, user: &str) -> Value {
    let lines = tokens(world, user).map(|(name, token)| {
        let mut fields = show_token(token);
        fields["tokenid"] = json!(name);
        fields
    });
    Value::Array(lines.collect())
}

/// The tokens of a user by name.
fn tokens_by_name(world: &World, user: &str) -> Map<String, Value> {
    tokens(world, user)
        .map(|(name, token)| (name.to_owned(), show_token(token)))
        .collect()
}

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let full = call.params.is_set("full");
    let wanted = call.params.flag("enabled");
    let found = world
        .users
        .iter()
        .filter(|(id, _)| **id == call.who.user() || in_group(call, &world, id, SEE))
        .filter(|(_, user)| wanted.is_none_or(|wanted| wanted == user.enabled))
        .map(|(id, user)| {
            let mut fields = show(user);
            fields.insert("userid".to_owned(), json!(id));
            let realm = id.rsplit_once('@').map_or("", |(_, realm)| realm);
            fields.insert("realm-type".to_owned(), json!(realm_type(&world, realm)));
            if full {
                fields.insert("groups".to_owned(), json!(groups_of(&world, id).join(",")));
                fields.insert("tokens".to_owned(), tokens_of(&world, id));
            }
            Value::Object(fields)
        });
    Ok(Value::Array(found.collect()))
}

fn realm_type(world: &World, realm: &str) -> String {
    let own = world.realms.get(realm).and_then(|realm| realm.get("type"));
    own.map_or(realm, String::as_str).to_owned()
}

fn show(user: &User) -> Map<String, Value> {
    let mut shown = fields::shown(&user.about, ABOUT);
    shown.insert("enable".to_owned(), json!(u8::from(user.enabled)));
    shown.insert("expire".to_owned(), json!(user.expire));
    shown
}

fn groups_of<'w>(world: &'w World, user: &str) -> Vec<&'w str> {
    let groups = world.groups.iter();
    let of_user = groups.filter(|(_, group)| group.members.contains(user));
    of_user.map(|(id, _)| id.as_str()).collect()
}

fn read(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let id = call.part("userid");
    let mut fields = show(known(&world, id)?);
    fields.insert("groups".to_owned(), json!(groups_of(&world, id)));
    let tokens = tokens_by_name(&world, id);
    if !tokens.is_empty() {
        fields.insert("tokens".to_owned(), Value::Object(tokens));
    }
    Ok(Value::Object(fields))
}

fn create(call: &Call<'_>) -> Answer {
    let id = call.params.must("userid")?;
    let params = &call.params;
    call.sim.change(|world| {
        if world.users.contains_key(id) {
            bail!("create user failed: user '{id}' already exists");
        }
        let realm = id.rsplit_once('@').map_or("", |(_, realm)| realm);
        if !matches!(realm, "pam" | "pve") && !world.realms.contains_key(realm) {
            bail!("create user failed: domain '{realm}' does not exist");
        }
        let user = User {
            password: params.text("password").map(str::to_owned),
            enabled: params.flag("enable").unwrap_or(true),
            expire: expire(call).unwrap_or(0),
            about: said(call),
        };
        join(world, id, &params.parts("groups"), "create user failed")?;
        world.users.insert(id.to_owned(), user);
        Ok(Value::Null)
    })
}

fn expire(call: &Call<'_>) -> Option<i64> {
    call.params.text("expire")?.parse().ok()
}

/// What a call says of a user; nothing said is nothing kept.
fn said(call: &Call<'_>) -> Fields {
    let mut about = fields::given(&call.params, ABOUT, &[]);
    about.retain(|_, text| !text.is_empty());
    about
}

fn join(world: &mut World, user: &str, groups: &[&str], prefix: &str) -> Result<(), ApiError> {
    if let Some(missing) = groups.iter().find(|id| !world.groups.contains_key(**id)) {
        bail!("{prefix}: no such group '{missing}'");
    }
    for id in groups {
        if let Some(group) = world.groups.get_mut(*id) {
            group.members.insert(user.to_owned());
        }
    }
    Ok(())
}

fn update(call: &Call<'_>) -> Answer {
    let id = call.part("userid");
    let params = &call.params;
    if params.text("append").is_some() && params.text("groups").is_none() {
        let text = "missing property - 'append' requires this property";
        return Err(ApiError::param("groups", text));
    }
    call.sim.change(|world| {
        if !world.users.contains_key(id) {
            bail!("update user failed: no such user ('{id}')");
        }
        if params.text("groups").is_some() {
            let kept = world.groups.clone();
            if !params.is_set("append") {
                leave_groups(world, id);
            }
            if let Err(error) = join(world, id, &params.parts("groups"), "update user failed") {
                world.groups = kept;
                return Err(error);
            }
        }
        if let Some(user) = world.users.get_mut(id) {
            user.enabled = params.flag("enable").unwrap_or(user.enabled);
            user.expire = expire(call).unwrap_or(user.expire);
            user.about.extend(fields::given(params, ABOUT, &[]));
            user.about.retain(|_, text| !text.is_empty());
        }
        Ok(Value::Null)
    })
}

fn leave_groups(world: &mut World, user: &str) {
    for group in world.groups.values_mut() {
        group.members.remove(user);
    }
}

fn delete(call: &Call<'_>) -> Answer {
    let id = call.part("userid");
    call.sim.change(|world| {
        if world.users.remove(id).is_none() {
            bail!("delete user failed: no such user ('{id}')");
        }
        leave_groups(world, id);
        let tokens = format!("{id}!");
        let own = |who: &str| who == id || who.starts_with(&tokens);
        world.acl.retain(|entry| !own(&entry.who));
        world.tokens.retain(|token, _| !own(token));
        Ok(Value::Null)
    })
}

fn set_password(call: &Call<'_>) -> Answer {
    let user = call.params.must("userid")?;
    let password = call.params.must("password")?.to_owned();
    call.sim.change(|world| {
        if call.who.id != ROOT {
            let own = world
                .users
                .get(&call.who.id)
                .and_then(|user| user.password.as_deref());
            match call.params.text("confirmation-password") {
                None => {
                    let text = "password is required to modify user";
                    return Err(ApiError::param("confirmation-password", text));
                }
                Some(given) if Some(given) != own => {
                    return Err(ApiError::new(401, "authentication failure"));
                }
                Some(_) => {}
            }
        }
        known(world, user)?;
        if let Some(user) = world.users.get_mut(user) {
            user.password = Some(password);
        }
        Ok(Value::Null)
    })
}

fn groups(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let see = ["User.Modify", "Sys.Audit", "Group.Allocate"];
    let seen = world.groups.iter().filter(|(id, _)| {
        call.has_any(&world, GROUPS, &see) || call.has_any(&world, &format!("{GROUPS}/{id}"), &see)
    });
    let lines = seen.map(|(id, group)| {
        let members: Vec<&str> = group.members.iter().map(String::as_str).collect();
        let mut fields = json!({"groupid": id, "users": members.join(",")});
        if let Some(comment) = &group.comment {
            fields["comment"] = json!(comment);
        }
        fields
    });
    Ok(Value::Array(lines.collect()))
}

fn read_group(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let id = call.part("groupid");
    let Some(group) = world.groups.get(id) else {
        bail!("group '{id}' does not exist");
    };
    let mut fields = json!({"members": group.members});
    if let Some(comment) = &group.comment {
        fields["comment"] = json!(comment);
    }
    Ok(fields)
}

fn comment(call: &Call<'_>) -> Option<String> {
    let text = call.params.text("comment").filter(|text| !text.is_empty());
    text.map(str::to_owned)
}

fn create_group(call: &Call<'_>) -> Answer {
    let id = call.params.must("groupid")?;
    call.sim.change(|world| {
        if world.groups.contains_key(id) {
            bail!("create group failed: group '{id}' already exists");
        }
        let group = Group {
            comment: comment(call),
            ..Group::default()
        };
        world.groups.insert(id.to_owned(), group);
        Ok(Value::Null)
    })
}

fn update_group(call: &Call<'_>) -> Answer {
    let id = call.part("groupid");
    call.sim.change(|world| {
        let Some(group) = world.groups.get_mut(id) else {
            bail!("update group failed: group '{id}' does not exist");
        };
        if call.params.text("comment").is_some() {
            group.comment = comment(call);
        }
        Ok(Value::Null)
    })
}

fn delete_group(call: &Call<'_>) -> Answer {
    let id = call.part("groupid");
    call.sim.change(|world| {
        if world.groups.remove(id).is_none() {
            bail!("delete group failed: group '{id}' does not exist");
        }
        let who = format!("@{id}");
        world.acl.retain(|entry| entry.who != who);
        Ok(Value::Null)
    })
}
