//! `/access/users/U/token`: API tokens, whose secret is told once.

use serde_json::{Value, json};

use super::users;
use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::kind::Kind::{Bool, Int, Text};
use crate::names;
use crate::params::{Param, opt};
use crate::route::{Route, route};
use crate::world::{Token, World};

const CREATE: &[Param] = &[
    opt("comment", Text),
    opt("expire", Int(0, i64::MAX)),
    opt("privsep", Bool),
];
const UPDATE: &[Param] = &[
    opt("comment", Text),
    opt("expire", Int(0, i64::MAX)),
    opt("privsep", Bool),
    opt("delete", Text),
    opt("regenerate", Bool),
];

pub(super) const ROUTES: &[Route] = &[
    route("GET", "access/users/{userid}/token", &[], list).checked(own_or_group),
    route("GET", "access/users/{userid}/token/{tokenid}", &[], read).checked(own_or_group),
    route(
        "POST",
        "access/users/{userid}/token/{tokenid}",
        CREATE,
        create,
    )
    .checked(own_or_group),
    route(
        "PUT",
        "access/users/{userid}/token/{tokenid}",
        UPDATE,
        update,
    )
    .checked(own_or_group),
    route(
        "DELETE",
        "access/users/{userid}/token/{tokenid}",
        &[],
        delete,
    )
    .checked(own_or_group),
];

/// Users manage their own tokens; a token manages none by being theirs.
fn own_or_group(call: &Call<'_>, world: &World) -> Result<(), ApiError> {
    if call.part("userid") == call.who.id || users::by_group(call, world, &["User.Modify"]).is_ok()
    {
        return Ok(());
    }
    Err(ApiError::denied_bare())
}

fn id(call: &Call<'_>) -> String {
    call.filled("{userid}") + "!" + call.part("tokenid")
}

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let user = call.part("userid");
    users::known(&world, user)?;
    Ok(users::tokens_of(&world, user))
}

/// The error that calls on a missing token get.
pub(super) fn missing(id: &str) -> ApiError {
    let (user, name) = id.split_once('!').unwrap_or((id, ""));
    ApiError::die(format!("no such token '{name}' for user '{user}'"))
}

fn read(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let id = id(call);
    let token = world.tokens.get(&id);
    token.map(users::show_token).ok_or_else(|| missing(&id))
}

fn create(call: &Call<'_>) -> Answer {
    let id = id(call);
    let params = &call.params;
    names::token(call.part("tokenid")).map_err(|text| ApiError::param("tokenid", text))?;
    call.sim.change(|world| {
        users::known(world, call.part("userid"))?;
        if world.tokens.contains_key(&id) {
            return Err(ApiError::param("tokenid", "Token already exists."));
        }
        let token = Token {
            secret: world.new_uuid(),
            privsep: params.flag("privsep").unwrap_or(true),
            expire: params
                .text("expire")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            comment: params.text("comment").map(str::to_owned),
        };
        // As it was sent, and a form sends texts.
        let mut info = json!({"privsep": 1});
        for key in ["privsep", "expire", "comment"] {
            if let Some(text) = params.text(key) {
                info[key] = json!(text);
            }
        }
        let answer = json!({"full-tokenid": id, "value": token.secret, "info": info});
        world.tokens.insert(id.clone(), token);
        Ok(answer)
    })
}

fn update(call: &Call<'_>) -> Answer {
    let id = id(call);
    let params = &call.params;
    if let Some(key) = params
        .parts("delete")
        .into_iter()
        .find(|key| *key != "comment")
    {
        return Err(ApiError::param("delete", format!("unknown option '{key}'")));
    }
    call.sim.change(|world| {
        let secret = params.is_set("regenerate").then(|| world.new_uuid());
        let Some(token) = world.tokens.get_mut(&id) else {
            return Err(missing(&id));
        };
        token.privsep = params.flag("privsep").unwrap_or(token.privsep);
        if let Some(expire) = params.text("expire").and_then(|text| text.parse().ok()) {
            token.expire = expire;
        }
        if !params.parts("delete").is_empty() {
            token.comment = None;
        }
        if let Some(comment) = params.text("comment") {
            token.comment = Some(comment.to_owned());
        }
        let mut answer = users::show_token(token);
        if let Some(secret) = secret {
            answer["full-tokenid"] = json!(id);
            answer["value"] = json!(secret);
            token.secret = secret;
        }
        Ok(answer)
    })
}

fn delete(call: &Call<'_>) -> Answer {
    let id = id(call);
    call.sim.change(|world| {
        if world.tokens.remove(&id).is_none() {
            return Err(missing(&id));
        }
        world.acl.retain(|entry| entry.who != id);
        Ok(Value::Null)
    })
}
