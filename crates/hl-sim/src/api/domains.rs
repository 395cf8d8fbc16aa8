//! `/access/domains`: the realms that users are of. Nobody logs in by another
//! server's word here: such realms are kept, and their users have passwords as those
//! of `pve`.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::fields::{self, Fields};
use crate::kind::Kind::{Bool, Enum, Int, Like, Text};
use crate::names;
use crate::params::{Param, opt};
use crate::route::{Access, Route, route};
use crate::world::World;

const PORT: Param = opt("port", Int(1, 65535));

/// What a realm may say besides its id and type.
const KEYS: &[Param] = &[
    opt("acr-values", Text),
    opt("autocreate", Bool),
    opt("base_dn", Text),
    opt("bind_dn", Text),
    opt("capath", Text),
    opt("case-sensitive", Bool),
    opt("cert", Text),
    opt("certkey", Text),
    opt("check-connection", Bool),
    opt("client-id", Text),
    opt("client-key", Text),
    opt("comment", Text),
    opt("default", Bool),
    opt("domain", Text),
    opt("filter", Text),
    opt("group_classes", Text),
    opt("group_dn", Text),
    opt("group_filter", Text),
    opt("group_name_attr", Text),
    opt("groups-autocreate", Bool),
    opt("groups-claim", Text),
    opt("groups-overwrite", Bool),
    opt("issuer-url", Text),
    opt("mode", Enum(&["ldap", "ldaps", "ldap+starttls"])),
    opt("password", Text),
    PORT,
    opt("prompt", Text),
    opt("query-userinfo", Bool),
    opt("scopes", Text),
    opt("secure", Bool),
    opt("server1", Text),
    opt("server2", Text),
    opt("sslversion", Text),
    opt("sync-defaults-options", Text),
    opt("sync_attributes", Text),
    opt("tfa", Text),
    opt("user_attr", Text),
    opt("user_classes", Text),
    opt("username-claim", Text),
    opt("verify", Bool),
    opt("realm", Like(names::realm)),
    opt("type", Enum(&["ad", "ldap", "openid", "pam", "pve"])),
    opt("delete", Text),
    opt("digest", Text),
];

/// Keys that are the realm's for good.
const FIXED: &[&str] = &["realm", "type", "password"];

const REALM: &str = "/access/realm";
const ALLOCATE: &[&str] = &["Realm.Allocate"];

pub(super) const ROUTES: &[Route] = &[
    route("GET", "access/domains", &[], list).for_callers(Access::Open),
    route("POST", "access/domains", KEYS, create).needs(REALM, ALLOCATE),
    route("GET", "access/domains/{realm}", &[], read)
        .needs(REALM, &["Realm.Allocate", "Sys.Audit"]),
    route("PUT", "access/domains/{realm}", KEYS, update).needs(REALM, ALLOCATE),
    route("DELETE", "access/domains/{realm}", &[], delete).needs(REALM, ALLOCATE),
    route("POST", "access/domains/{realm}/sync", SYNC, sync).checked(may_sync),
];

const SYNC: &[Param] = &[
    opt("dry-run", Bool),
    opt("enable-new", Bool),
    opt("remove-vanished", Text),
    opt("scope", Enum(SCOPES)),
];
const SCOPES: &[&str] = &["users", "groups", "both"];

/// A realm that every node has, or one that was made.
fn find(world: &World, id: &str) -> Option<Fields> {
    let built_in = |comment: &str| {
        [("type", id), ("comment", comment)]
            .map(|(key, text)| (key.to_owned(), text.to_owned()))
            .into()
    };
    world.realms.get(id).cloned().or_else(|| match id {
        "pam" => Some(built_in("Linux PAM standard authentication")),
        "pve" => Some(built_in("Proxmox VE authentication server")),
        _ => None,
    })
}

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let made = world.realms.keys().map(String::as_str);
    let ids = ["pam", "pve"]
        .into_iter()
        .chain(made.filter(|id| !matches!(*id, "pam" | "pve")));
    let lines = ids.filter_map(|id| {
        let mut fields = find(&world, id)?;
        fields.retain(|key, _| matches!(key.as_str(), "type" | "comment" | "default" | "tfa"));
        let mut shown = fields::shown(&fields, KEYS);
        shown.insert("realm".to_owned(), json!(id));
        Some(Value::Object(shown))
    });
    Ok(Value::Array(lines.collect()))
}

fn read(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let id = call.part("realm");
    let Some(fields) = find(&world, id) else {
        bail!("domain '{id}' does not exist");
    };
    let mut shown = fields::shown(&fields, KEYS);
    shown.insert("digest".to_owned(), json!(fields::digest(&world.realms)));
    Ok(Value::Object(shown))
}

fn create(call: &Call<'_>) -> Answer {
    let params = &call.params;
    let (id, kind) = (params.must("realm")?, params.must("type")?);
    let needs: &[&str] = match kind {
        "ldap" => &["server1", "base_dn", "user_attr"],
        "ad" => &["server1", "domain"],
        "openid" => &["issuer-url", "client-id"],
        _ => bail!("add auth server failed: unable to create builtin type '{kind}'"),
    };
    call.sim.change(|world| {
        if find(world, id).is_some() {
            bail!("add auth server failed: domain '{id}' already exists");
        }
        if let Some(missing) = needs.iter().find(|key| params.text(key).is_none()) {
            bail!("add auth server failed: missing value for required option '{missing}'");
        }
        let mut fields = fields::given(params, KEYS, FIXED);
        fields.insert("type".to_owned(), kind.to_owned());
        only_default(world, id, &fields);
        world.realms.insert(id.to_owned(), fields);
        Ok(Value::Null)
    })
}

/// One realm at most is the default.
fn only_default(world: &mut World, id: &str, fields: &Fields) {
    if fields.get("default").is_some_and(|value| value == "1") {
        for (other, fields) in &mut world.realms {
            if other != id {
                fields.remove("default");
            }
        }
    }
}

fn update(call: &Call<'_>) -> Answer {
    let id = call.part("realm");
    call.sim.change(|world| {
        fields::same(&call.params, &world.realms)?;
        let Some(mut fields) = find(world, id) else {
            bail!("update auth server failed: domain '{id}' does not exist");
        };
        fields::change(&mut fields, &call.params, KEYS, FIXED)?;
        only_default(world, id, &fields);
        world.realms.insert(id.to_owned(), fields);
        Ok(Value::Null)
    })
}

fn may_sync(call: &Call<'_>, world: &World) -> Result<(), ApiError> {
    let path = format!("/access/realm/{}", call.part("realm"));
    call.need(world, &path, "Realm.AllocateUser")?;
    call.need(world, "/access/groups", "User.Modify")
}

/// Checks what a node checks before its task, which fails here: there is no server to
/// ask.
fn sync(call: &Call<'_>) -> Answer {
    let id = call.part("realm").to_owned();
    let Some(fields) = find(&call.sim.world(), &id) else {
        return Err(ApiError::param("realm", "Realm does not exist."));
    };
    let kind = fields::text(&fields, "type");
    if !matches!(kind, "ldap" | "ad") {
        bail!("Cannot sync realm type '{kind}'! Only LDAP/AD realms can be synced.");
    }
    let defaults = fields::text(&fields, "sync-defaults-options").split(',');
    let mut scopes = defaults.filter_map(|part| part.strip_prefix("scope="));
    if call.params.text("scope").is_none() && !scopes.any(|scope| SCOPES.contains(&scope)) {
        let text = "Not passed as parameter and not defined in realm default sync options.";
        return Err(ApiError::param("scope", text));
    }
    let server = fields::text(&fields, "server1").to_owned();
    let (kind, test) = if call.params.is_set("dry-run") {
        ("auth-realm-sync-test", "(dry test run) ")
    } else {
        ("auth-realm-sync", "")
    };
    call.task(kind, id.clone(), Vec::new(), move |_, log| {
        log.line(format!("{test}starting sync for realm {id}"));
        Err(format!("the simulator asks no LDAP server: '{server}'"))
    })
}

fn delete(call: &Call<'_>) -> Answer {
    let id = call.part("realm");
    call.sim.change(|world| {
        if matches!(id, "pam" | "pve") {
            bail!("delete auth server failed: unable to delete builtin domain '{id}'");
        }
        if world.realms.remove(id).is_none() {
            bail!("delete auth server failed: domain '{id}' does not exist");
        }
        Ok(Value::Null)
    })
}
