//! `/cluster/ha`: which guests are to run, kept as it is said. No node is watched:
//! what is asked of a guest that is looked after is done at once.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::fields::{self, Fields};
use crate::kept::RESOURCES;
use crate::kind::Kind::{Bool, Enum, Int, Like, Text};
use crate::names;
use crate::params::{Param, opt, parts, req};
use crate::route::{Route, route};
use crate::world::World;

const STATE: Param = opt(
    "state",
    Enum(&["started", "stopped", "enabled", "disabled", "ignored"]),
);
const TYPE: Param = opt("type", Enum(&["ct", "vm"]));

const KEYS: &[Param] = &[
    opt("comment", Text),
    opt("delete", Text),
    opt("digest", Text),
    opt("failback", Bool),
    opt("group", Text),
    opt("max_relocate", Int(0, i64::MAX)),
    opt("max_restart", Int(0, i64::MAX)),
    opt("sid", Text),
    STATE,
    TYPE,
];
const RULE: &[Param] = &[
    opt("affinity", Enum(&["positive", "negative"])),
    opt("comment", Text),
    opt("delete", Text),
    opt("digest", Text),
    opt("disable", Bool),
    opt("nodes", Text),
    opt("resources", Text),
    opt("rule", Like(names::config_id)),
    opt("strict", Bool),
    req("type", Enum(&["node-affinity", "resource-affinity"])),
];
const RULES: &[Param] = &[
    opt("type", Enum(&["node-affinity", "resource-affinity"])),
    opt("resource", Text),
];
const GROUP: &[Param] = &[
    opt("comment", Text),
    opt("delete", Text),
    opt("digest", Text),
    opt("group", Like(names::config_id)),
    opt("nodes", Text),
    opt("nofailback", Bool),
    opt("restricted", Bool),
    opt("type", Text),
];

const SEE: &[&str] = &["Sys.Audit"];
const WRITE: &[&str] = &["Sys.Console"];
const RULE_TABLE: &str = "ha/rules";
const GROUP_TABLE: &str = "ha/groups";

pub(super) const ROUTES: &[Route] = &[
    route("GET", "cluster/ha", &[], index).needs("/", SEE),
    route("GET", "cluster/ha/resources", &[TYPE], list).needs("/", SEE),
    route("POST", "cluster/ha/resources", KEYS, create).needs("/", WRITE),
    route("GET", "cluster/ha/resources/{sid}", &[], read).needs("/", SEE),
    route("PUT", "cluster/ha/resources/{sid}", KEYS, update).needs("/", WRITE),
    route(
        "DELETE",
        "cluster/ha/resources/{sid}",
        &[opt("purge", Bool)],
        delete,
    )
    .needs("/", WRITE),
    route("GET", "cluster/ha/rules", RULES, rules).needs("/", SEE),
    route("POST", "cluster/ha/rules", RULE, create_rule).needs("/", WRITE),
    route("GET", "cluster/ha/rules/{rule}", &[], read_rule).needs("/", SEE),
    route("PUT", "cluster/ha/rules/{rule}", RULE, update_rule).needs("/", WRITE),
    route("DELETE", "cluster/ha/rules/{rule}", &[], delete_rule).needs("/", WRITE),
    route("GET", "cluster/ha/groups", &[], groups).needs("/", SEE),
    route("POST", "cluster/ha/groups", GROUP, create_group).needs("/", WRITE),
    route("GET", "cluster/ha/groups/{group}", &[], read_group).needs("/", SEE),
    route("PUT", "cluster/ha/groups/{group}", GROUP, update_group).needs("/", WRITE),
    route("DELETE", "cluster/ha/groups/{group}", &[], delete_group).needs("/", WRITE),
    route("GET", "cluster/ha/status/current", &[], status).needs("/", SEE),
];

fn index(_: &Call<'_>) -> Answer {
    let lines = ["status", "resources", "groups", "rules"].map(|id| json!({"id": id}));
    Ok(json!(lines))
}

/// `vm:100` of what a client gives: a number alone is a guest, whose kind is looked up.
fn sid(world: &World, given: &str) -> Result<(String, u32), ApiError> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| !text.starts_with('+'));
    if let Some(vmid) = number(given) {
        let Some(vm) = world.vms.get(&vmid) else {
            bail!("unable to detect SID from VMID - VM/CT {given} does not exist");
        };
        return Ok((format!("{}:{vmid}", vm.kind.pick("vm", "ct")), vmid));
    }
    match given.split_once(':') {
        Some(("vm" | "ct", id)) if number(id).is_some() => {
            Ok((given.to_owned(), number(id).unwrap_or_default()))
        }
        _ => Err(ApiError::die(format!(
            "unable to parse service id '{given}'"
        ))),
    }
}

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let wanted = call.params.text("type");
    Ok(world.all_shown(RESOURCES, KEYS, |fields| {
        wanted.is_none_or(|wanted| fields::text(fields, "type") == wanted)
    }))
}

/// One of a table, by the key that names it.
fn one(world: &World, of: (&str, &str, &[Param]), id: &str, what: &str) -> Answer {
    let (table, key, keys) = of;
    let Some(fields) = world.kept_one(table, key, id) else {
        bail!("no such {what} '{id}'");
    };
    Ok(Value::Object(world.shown(table, fields, keys)))
}

fn read(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let (sid, _) = sid(&world, call.part("sid"))?;
    one(&world, (RESOURCES, "sid", KEYS), &sid, "resource")
}

fn no_group(call: &Call<'_>, world: &World) -> Result<(), ApiError> {
    match call.params.text("group") {
        Some(_) if world.profile.major >= 9 => Err(ApiError::die(
            "invalid parameter 'group': ha groups have been migrated to rules",
        )),
        Some(group) if world.kept_one(GROUP_TABLE, "group", group).is_none() => {
            Err(ApiError::die(format!("no such ha group '{group}'")))
        }
        _ => Ok(()),
    }
}

fn create(call: &Call<'_>) -> Answer {
    let given = call.params.must("sid")?;
    call.sim.change(|world| {
        let (sid, vmid) = sid(world, given)?;
        let kind = sid.split(':').next().unwrap_or_default().to_owned();
        if call.params.text("type").is_some_and(|own| own != kind) {
            bail!("types does not match");
        }
        let Some(vm) = world.vms.get(&vmid) else {
            bail!("resource '{sid}' does not exist in cluster");
        };
        if vm.kind.pick("vm", "ct") != kind {
            let what = if kind == "vm" { "a VM" } else { "a CT" };
            bail!("resource '{sid}' - guest with ID {vmid} is not {what}");
        }
        no_group(call, world)?;
        let mut fields = fields::given(&call.params, KEYS, &[]);
        fields.insert("sid".to_owned(), sid.clone());
        fields.insert("type".to_owned(), kind);
        let taken = format!("create resource failed: resource ID '{sid}' already defined");
        world.add_kept(RESOURCES, "sid", fields, &taken)?;
        Ok(Value::Null)
    })
}

fn update(call: &Call<'_>) -> Answer {
    call.sim.change(|world| {
        let (sid, _) = sid(world, call.part("sid"))?;
        fields::same(&call.params, world.table(RESOURCES))?;
        no_group(call, world)?;
        let Some(fields) = world.kept_one_mut(RESOURCES, "sid", &sid) else {
            bail!("no such resource '{sid}'");
        };
        fields::change(fields, &call.params, KEYS, &["sid", "type"])?;
        Ok(Value::Null)
    })
}

fn delete(call: &Call<'_>) -> Answer {
    call.sim.change(|world| {
        let (sid, _) = sid(world, call.part("sid"))?;
        if !world.drop_kept(RESOURCES, "sid", &sid) {
            bail!("cannot delete service '{sid}', not HA managed!");
        }
        if call.params.flag("purge").unwrap_or(true) {
            for rule in world.table_mut(RULE_TABLE) {
                if let Some(resources) = rule.get_mut("resources") {
                    let kept: Vec<&str> = parts(resources)
                        .into_iter()
                        .filter(|own| *own != sid)
                        .collect();
                    *resources = kept.join(",");
                }
            }
            let empty = |rule: &Fields| rule.get("resources").is_some_and(String::is_empty);
            world.table_mut(RULE_TABLE).retain(|rule| !empty(rule));
        }
        Ok(Value::Null)
    })
}

fn rules(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let params = &call.params;
    let mut found = Vec::new();
    for (order, fields) in world.table(RULE_TABLE).iter().enumerate() {
        let text = |key: &str| fields::text(fields, key);
        let kind = params
            .text("type")
            .is_none_or(|wanted| wanted == text("type"));
        let resource = params.text("resource");
        if kind && resource.is_none_or(|wanted| parts(text("resources")).contains(&wanted)) {
            let mut shown = world.shown(RULE_TABLE, fields, RULE);
            shown.insert("order".to_owned(), json!(order + 1));
            found.push(Value::Object(shown));
        }
    }
    Ok(Value::Array(found))
}

/// Refuses a rule about what is not there.
fn possible(world: &World, fields: &Fields) -> Result<(), ApiError> {
    let list = |key: &str| parts(fields::text(fields, key));
    let unmanaged: Vec<&str> = list("resources")
        .into_iter()
        .filter(|sid| world.kept_one(RESOURCES, "sid", sid).is_none())
        .collect();
    if !unmanaged.is_empty() {
        bail!("cannot use unmanaged resource(s) {}.", unmanaged.join(", "));
    }
    let nodes = list("nodes")
        .into_iter()
        .map(|node| node.split(':').next().unwrap_or_default());
    let missing: Vec<&str> = nodes.filter(|node| world.node(node).is_none()).collect();
    if !missing.is_empty() {
        bail!("cannot use non-existent node(s) {}.", missing.join(", "));
    }
    Ok(())
}

fn create_rule(call: &Call<'_>) -> Answer {
    let id = call.params.must("rule")?;
    call.params.must("resources")?;
    call.sim.change(|world| {
        let fields = fields::given(&call.params, RULE, &[]);
        if world.kept_one(RULE_TABLE, "rule", id).is_none() {
            possible(world, &fields)?;
        }
        let taken = format!("create ha rule failed: HA rule '{id}' already defined");
        world.add_kept(RULE_TABLE, "rule", fields, &taken)?;
        Ok(Value::Null)
    })
}

fn read_rule(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    one(
        &world,
        (RULE_TABLE, "rule", RULE),
        call.part("rule"),
        "ha rule",
    )
}

fn update_rule(call: &Call<'_>) -> Answer {
    let id = call.part("rule");
    call.sim.change(|world| {
        fields::same(&call.params, world.table(RULE_TABLE))?;
        let Some(mut fields) = world.kept_one(RULE_TABLE, "rule", id).cloned() else {
            bail!("no such ha rule '{id}'");
        };
        fields::change(&mut fields, &call.params, RULE, &["rule"])?;
        possible(world, &fields)?;
        if let Some(own) = world.kept_one_mut(RULE_TABLE, "rule", id) {
            *own = fields;
        }
        Ok(Value::Null)
    })
}

fn delete_rule(call: &Call<'_>) -> Answer {
    let id = call.part("rule");
    call.sim.change(|world| {
        if !world.drop_kept(RULE_TABLE, "rule", id) {
            bail!("no such ha rule '{id}'");
        }
        Ok(Value::Null)
    })
}

/// Since 9.0 there are rules in place of groups.
fn before_9(world: &World, doing: &str) -> Result<(), ApiError> {
    if world.profile.major >= 9 {
        bail!("cannot {doing}: ha groups have been migrated to rules");
    }
    Ok(())
}

fn groups(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    before_9(&world, "index groups")?;
    Ok(world.all_shown(GROUP_TABLE, GROUP, |_| true))
}

fn create_group(call: &Call<'_>) -> Answer {
    call.sim.change(|world| {
        before_9(world, "create group")?;
        let id = call.params.must("group")?;
        call.params.must("nodes")?;
        let mut fields = fields::given(&call.params, GROUP, &[]);
        fields.insert("type".to_owned(), "group".to_owned());
        world.add_kept(
            GROUP_TABLE,
            "group",
            fields,
            &format!("ha group ID '{id}' already defined"),
        )?;
        Ok(Value::Null)
    })
}

fn read_group(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    before_9(&world, "read group")?;
    let of = (GROUP_TABLE, "group", GROUP);
    one(&world, of, call.part("group"), "ha group")
}

fn update_group(call: &Call<'_>) -> Answer {
    let id = call.part("group");
    call.sim.change(|world| {
        before_9(world, "update group")?;
        let Some(fields) = world.kept_one_mut(GROUP_TABLE, "group", id) else {
            bail!("no such ha group '{id}'");
        };
        fields::change(fields, &call.params, GROUP, &["group", "type"])?;
        Ok(Value::Null)
    })
}

fn delete_group(call: &Call<'_>) -> Answer {
    let id = call.part("group");
    call.sim.change(|world| {
        before_9(world, "delete group")?;
        let mut users = world.table(RESOURCES).iter();
        if let Some(user) = users.find(|fields| fields::text(fields, "group") == id) {
            bail!(
                "ha group is used by service '{}'",
                fields::text(user, "sid")
            );
        }
        if !world.drop_kept(GROUP_TABLE, "group", id) {
            bail!("no such ha group '{id}'");
        }
        Ok(Value::Null)
    })
}

fn status(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let now = world.now();
    let first = world.nodes.first().map_or("", |node| node.name.as_str());
    let mut found = vec![json!({
        "id": "quorum", "type": "quorum", "node": first, "status": "OK", "quorate": 1,
    })];
    if !world.table(RESOURCES).is_empty() {
        found.push(json!({
            "id": "master", "type": "master", "node": first, "timestamp": now,
            "status": format!("{first} (active)"),
        }));
    }
    for node in &world.nodes {
        found.push(json!({
            "id": format!("lrm:{}", node.name), "type": "lrm", "node": node.name,
            "timestamp": now, "status": format!("{} (active)", node.name),
        }));
    }
    for fields in world.table(RESOURCES) {
        let sid = fields::text(fields, "sid");
        let vmid = sid.split(':').nth(1).and_then(|id| id.parse::<u32>().ok());
        let Some(vm) = vmid.and_then(|vmid| world.vms.get(&vmid)) else {
            continue;
        };
        let state = if vm.run.is_some() {
            "started"
        } else {
            "stopped"
        };
        let wanted = fields.get("state").map_or("started", String::as_str);
        let mut line = fields::shown(fields, KEYS);
        let more = json!({
            "id": format!("service:{sid}"), "type": "service", "node": vm.node, "state": state,
            "crm_state": state, "request_state": wanted,
            "status": format!("{sid} ({}, {state})", vm.node),
        });
        line.extend(more.as_object().cloned().unwrap_or_default());
        found.push(Value::Object(line));
    }
    Ok(Value::Array(found))
}
