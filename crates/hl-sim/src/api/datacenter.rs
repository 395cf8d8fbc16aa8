//! `/` and `/cluster`: what is set for all nodes, what happened on them, and indexes.

use serde_json::{Map, Value, json};

use super::node_settings::{HISTORY, names, points};
use super::tasks;
use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::fields::{self, Fields};
use crate::kind::Kind::{Enum, Int, Text};
use crate::params::{Param, opt, parts};
use crate::route::{Route, on_ct, on_node, on_storage, on_vm, route};
use crate::show;

const OPTIONS: &[Param] = &[
    opt("bwlimit", Text),
    opt("console", Enum(&["applet", "html5", "vv", "xtermjs"])),
    opt("crs", Text),
    opt("delete", Text),
    opt("description", Text),
    opt("email_from", Text),
    opt("ha", Text),
    opt("http_proxy", Text),
    opt("keyboard", Text),
    opt("language", Text),
    opt("mac_prefix", Text),
    opt("max_workers", Int(1, i64::MAX)),
    opt("migration", Text),
    opt("next-id", Text),
    opt("notify", Text),
    opt("registered-tags", Text),
    opt("replication", Text),
    opt("tag-style", Text),
    opt("u2f", Text),
    opt("user-tag-access", Text),
    opt("webauthn", Text),
];
const LOG: &[Param] = &[opt("max", Int(1, i64::MAX))];
const JOIN: &[Param] = &[opt("node", Text)];

/// Options that are given back taken apart: the key that has no name, and lists.
const OBJECTS: &[(&str, &str)] = &[
    ("crs", "ha"),
    ("ha", "shutdown_policy"),
    ("migration", "type"),
    ("next-id", "lower"),
    ("notify", "package-updates"),
    ("replication", "type"),
    ("tag-style", "shape"),
    ("u2f", "appid"),
    ("user-tag-access", "user-allow"),
    ("webauthn", "rp"),
];
const TABLE: &str = "options";

const AUDIT: &[&str] = &["Sys.Audit"];

pub(super) const ROUTES: &[Route] = &[
    route("GET", "", &[], |_| {
        Ok(names(
            "version cluster nodes storage access pools",
            "subdir",
        ))
    }),
    route("GET", "cluster", &[], |_| Ok(names(CLUSTER, "name"))),
    route("GET", "cluster/options", &[], options),
    route("PUT", "cluster/options", OPTIONS, set_options).needs("/", &["Sys.Modify"]),
    route("GET", "cluster/tasks", &[], tasks::recent),
    route("GET", "cluster/log", LOG, log),
    route("GET", "cluster/config/nodes", &[], members).needs("/", AUDIT),
    route("GET", "cluster/config/join", JOIN, join).needs("/", AUDIT),
    on_node("GET", "", &[], |_| Ok(names(NODE, "name"))),
    on_vm("GET", "", &[], |_| Ok(names(VM, "subdir"))),
    on_vm("GET", "status", &[], |_| Ok(names(POWER, "subdir"))),
    on_vm("GET", "rrddata", HISTORY, history).needs("/vms/{vmid}", &["VM.Audit"]),
    on_ct("GET", "", &[], |_| Ok(names(CT, "subdir"))),
    on_ct("GET", "status", &[], |_| Ok(names(POWER, "subdir"))),
    on_ct("GET", "rrddata", HISTORY, history).needs("/vms/{vmid}", &["VM.Audit"]),
    on_storage("GET", "", &[], |_| Ok(names(STORAGE, "subdir"))),
    on_storage("GET", "rrddata", HISTORY, storage_history).needs(
        "/storage/{storage}",
        &["Datastore.Audit", "Datastore.AllocateSpace"],
    ),
];

const CLUSTER: &str = "
    acme backup backup-info ceph config firewall ha jobs log mapping metrics nextid notifications
    options replication resources sdn status tasks";
const NODE: &str = "
    aplinfo apt capabilities ceph certificates config disks dns firewall hardware hosts journal lxc
    migrateall netstat network qemu query-url-metadata replication report rrd rrddata scan sdn
    services spiceshell startall status stopall storage subscription suspendall syslog tasks
    termproxy time version vncshell vzdump wakeonlan";
const VM: &str = "
    config cloudinit pending status unlink vncproxy termproxy migrate resize move rrd rrddata
    monitor agent snapshot spiceproxy sendkey firewall mtunnel remote_migrate";
const CT: &str = "
    config pending status vncproxy termproxy vncwebsocket spiceproxy migrate clone rrd rrddata
    firewall snapshot resize interfaces";
const POWER: &str = "current start stop reset shutdown suspend reboot";
const STORAGE: &str = "
    content download-url file-restore import-metadata prunebackups rrd rrddata status upload";

fn options(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let none = Fields::new();
    let kept = world.table(TABLE).first().unwrap_or(&none);
    let mut shown: Map<String, Value> = Map::new();
    for (key, value) in fields::shown(kept, OPTIONS) {
        let object = OBJECTS.iter().find(|(own, _)| *own == key);
        let value = match (object, value.as_str()) {
            (Some((_, unnamed)), Some(text)) => taken_apart(text, unnamed),
            (None, Some(text)) if key == "registered-tags" => json!(parts(text)),
            _ => value,
        };
        shown.insert(key, value);
    }
    if call.has(&world, "/", "Sys.Audit") {
        shown.entry("description").or_insert(json!(""));
        shown.entry("mac_prefix").or_insert(json!("BC:24:11"));
    } else {
        shown.retain(|key, _| matches!(key.as_str(), "console" | "tag-style"));
    }
    let tags = world.vms.values().filter_map(|vm| vm.config.get("tags"));
    let mut tags: Vec<&str> = tags.flat_map(|text| parts(text)).collect();
    tags.sort_unstable();
    tags.dedup();
    shown.insert("allowed-tags".to_owned(), json!(tags));
    Ok(Value::Object(shown))
}

/// `type=secure,network=10.0.0.0/24` as an object.
fn taken_apart(text: &str, unnamed: &str) -> Value {
    let pairs = text.split(',').filter(|part| !part.is_empty()).map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((unnamed, part));
        let value = match value.parse::<i64>() {
            Ok(number) => json!(number),
            Err(_) if key == "user-allow-list" => json!(parts(value)),
            Err(_) => json!(value),
        };
        (key.to_owned(), value)
    });
    Value::Object(pairs.collect())
}

fn set_options(call: &Call<'_>) -> Answer {
    call.sim.change(|world| {
        let mut kept = world.table(TABLE).first().cloned().unwrap_or_default();
        fields::change(&mut kept, &call.params, OPTIONS, &[])?;
        *world.table_mut(TABLE) = vec![kept];
        Ok(Value::Null)
    })
}

/// The log of the cluster has a line for the beginning of each task.
fn log(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let all = call.has(&world, "/", "Sys.Syslog");
    let most = call
        .params
        .number("max")
        .and_then(|most| usize::try_from(most).ok());
    let seen = world
        .tasks
        .iter()
        .rev()
        .filter(|task| all || tasks::mine(call, task));
    let lines = seen.take(most.unwrap_or(50)).map(|task| {
        json!({
            "uid": task.pid, "node": task.node, "pid": task.pid, "time": task.starttime, "pri": 6,
            "tag": "pvedaemon", "user": task.user, "id": format!("{}:{}", task.pid, task.node),
            "msg": format!("starting task {}", task.upid),
        })
    });
    Ok(Value::Array(lines.collect()))
}

fn members(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let lines = world.nodes.iter().enumerate().map(|(place, node)| {
        json!({
            "node": node.name, "name": node.name, "nodeid": (place + 1).to_string(),
            "quorum_votes": "1", "ring0_addr": world.address_of(place),
        })
    });
    Ok(Value::Array(lines.collect()))
}

fn join(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    if world.nodes.len() < 2 {
        return Err(ApiError::new(
            424,
            "node is not in a cluster, no join info available!",
        ));
    }
    let nodes = world.nodes.iter().enumerate().map(|(place, node)| {
        json!({
            "name": node.name, "nodeid": (place + 1).to_string(), "quorum_votes": "1",
            "pve_addr": world.address_of(place), "ring0_addr": world.address_of(place),
            "pve_fp": world.fingerprint_of(&node.name),
        })
    });
    let nodes: Vec<Value> = nodes.collect();
    let totem = json!({"cluster_name": "lab", "config_version": "1", "version": "2"});
    Ok(json!({
        "totem": totem, "nodelist": nodes, "preferred_node": nodes[0]["name"],
        "config_digest": fields::digest(&nodes),
    }))
}

fn history(call: &Call<'_>) -> Answer {
    let (since, values) = {
        let world = call.sim.world();
        let vm = call.vm(&world)?;
        let status = show::status(&world, call.vmid()?, vm);
        let keys = "cpu cpus mem maxmem disk maxdisk netin netout diskread diskwrite";
        let values: Map<String, Value> = keys
            .split(' ')
            .map(|key| {
                (
                    if key == "cpus" { "maxcpu" } else { key }.to_owned(),
                    status[key].clone(),
                )
            })
            .collect();
        (vm.run.as_ref().map(|run| run.since), Value::Object(values))
    };
    points(call, since, &values)
}

fn storage_history(call: &Call<'_>) -> Answer {
    let id = call.part("storage");
    let values = {
        let world = call.sim.world();
        let Some(storage) = world.storages.get(id) else {
            bail!("storage '{id}' does not exist");
        };
        json!({"total": storage.total, "used": world.used(id)})
    };
    points(call, Some(0), &values)
}
