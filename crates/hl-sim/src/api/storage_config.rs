//! `/storage`: definitions of storages, read, made, changed and removed.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::fields::{self, Fields};
use crate::kind::Kind::{Bool, Int, Like, Text};
use crate::names;
use crate::params::{Param, Params, opt, parts};
use crate::route::{Route, route};
use crate::volume::Storage;
use crate::words;

/// A type of storage: what it must say and keeps for good, what else it may say,
/// what it may hold, and what it holds when nobody says.
struct Plugin {
    kind: &'static str,
    fixed: &'static str,
    options: &'static str,
    holds: &'static str,
    default: &'static str,
}

const FILES: &str = "backup images import iso rootdir snippets vztmpl";
const OF_FILES: &str = "
    bwlimit content-dirs create-base-path create-subdirs format is_mountpoint
    max-protected-backups mkdir options preallocation prune-backups snapshot-as-volume-chain";

const PLUGINS: &[Plugin] = &[
    plugin("dir", "path", "", FILES, "images rootdir"),
    plugin("btrfs", "path", "", FILES, "images rootdir"),
    plugin("nfs", "path server export", "", FILES, "images"),
    plugin(
        "cifs",
        "path server share",
        "domain smbversion subdir username",
        FILES,
        "images",
    ),
    plugin(
        "cephfs",
        "path",
        "fs-name fuse monhost subdir username",
        "backup import iso snippets vztmpl",
        "backup iso vztmpl",
    ),
    plugin(
        "lvm",
        "vgname",
        "base saferemove tagged_only",
        DISKS,
        "images",
    ),
    plugin("lvmthin", "vgname thinpool", "", DISKS, "images rootdir"),
    plugin(
        "zfspool",
        "pool",
        "blocksize mountpoint sparse",
        DISKS,
        "images rootdir",
    ),
    plugin(
        "rbd",
        "pool",
        "data-pool krbd monhost namespace username",
        DISKS,
        "images",
    ),
    plugin("iscsi", "portal target", "", "images none", "images"),
    plugin(
        "pbs",
        "server datastore",
        "fingerprint namespace port username",
        "backup",
        "backup",
    ),
];

const DISKS: &str = "images rootdir";

const fn plugin(
    kind: &'static str,
    fixed: &'static str,
    options: &'static str,
    holds: &'static str,
    default: &'static str,
) -> Plugin {
    Plugin {
        kind,
        fixed,
        options,
        holds,
        default,
    }
}

const KEYS: &[Param] = &[
    opt("base", Text),
    opt("blocksize", Text),
    opt("bwlimit", Text),
    opt("content", Text),
    opt("content-dirs", Text),
    opt("create-base-path", Bool),
    opt("create-subdirs", Bool),
    opt("data-pool", Text),
    opt("datastore", Text),
    opt("delete", Text),
    opt("digest", Text),
    opt("disable", Bool),
    opt("domain", Text),
    opt("encryption-key", Text),
    opt("export", Text),
    opt("fingerprint", Text),
    opt("format", Text),
    opt("fs-name", Text),
    opt("fuse", Bool),
    opt("is_mountpoint", Text),
    opt("keyring", Text),
    opt("krbd", Bool),
    opt("max-protected-backups", Int(-1, i64::MAX)),
    opt("mkdir", Bool),
    opt("monhost", Text),
    opt("mountpoint", Text),
    opt("namespace", Text),
    opt("nodes", Text),
    opt("options", Text),
    opt("password", Text),
    opt("path", Text),
    opt("pool", Text),
    opt("port", Int(1, 65535)),
    opt("portal", Text),
    opt("preallocation", Text),
    opt("prune-backups", Text),
    opt("saferemove", Bool),
    opt("server", Text),
    opt("share", Text),
    opt("shared", Bool),
    opt("smbversion", Text),
    opt("snapshot-as-volume-chain", Bool),
    opt("sparse", Bool),
    opt("storage", Like(names::storage)),
    opt("subdir", Text),
    opt("tagged_only", Bool),
    opt("target", Text),
    opt("thinpool", Text),
    opt("type", Text),
    opt("username", Text),
    opt("vgname", Text),
];

/// What is no option: it is kept elsewhere, or not at all.
const APART: &[&str] = &[
    "content",
    "disable",
    "encryption-key",
    "keyring",
    "nodes",
    "password",
    "shared",
    "storage",
    "type",
];

const ALL: &str = "/storage";
const ALLOCATE: &[&str] = &["Datastore.Allocate"];

pub(super) const ROUTES: &[Route] = &[
    route("GET", "storage", &[opt("type", Text)], list),
    route("POST", "storage", KEYS, create).needs(ALL, ALLOCATE),
    route("GET", "storage/{storage}", &[], read).needs("/storage/{storage}", ALLOCATE),
    route("PUT", "storage/{storage}", KEYS, update).needs(ALL, ALLOCATE),
    route("DELETE", "storage/{storage}", &[], delete).needs(ALL, ALLOCATE),
];

fn find(kind: &str) -> Option<&'static Plugin> {
    PLUGINS.iter().find(|plugin| plugin.kind == kind)
}

impl Plugin {
    fn is_of_files(&self) -> bool {
        words::has(self.holds, "vztmpl")
    }

    /// Whether a storage of this type may say it.
    fn takes(&self, key: &str) -> bool {
        words::has(self.fixed, key)
            || words::has(self.options, key)
            || (self.is_of_files() && words::has(OF_FILES, key))
    }

    /// What of this a storage of this type can hold.
    fn held(&self, content: &str) -> Result<Vec<String>, ApiError> {
        let wanted = parts(content);
        let held: Vec<String> = wanted
            .iter()
            .filter(|kind| words::has(self.holds, kind))
            .map(|kind| (*kind).to_owned())
            .collect();
        if held.is_empty() && !wanted.is_empty() {
            bail!("storage does not support content type 'none'");
        }
        Ok(held)
    }
}

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let wanted = call.params.text("type");
    let see = [
        "Datastore.Audit",
        "Datastore.Allocate",
        "Datastore.AllocateSpace",
    ];
    let found = world
        .storages
        .iter()
        .filter(|(_, storage)| wanted.is_none_or(|kind| kind == storage.kind))
        .filter(|(id, _)| call.has_any(&world, &format!("/storage/{id}"), &see))
        .map(|(id, storage)| define(id, storage));
    Ok(Value::Array(found.collect()))
}

fn read(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let id = call.part("storage");
    Ok(define(id, world.storage(id)?))
}

fn define(id: &str, storage: &Storage) -> Value {
    let mut shown = fields::shown(&storage.options, KEYS);
    let mut put = |key: &str, value: Value| {
        shown.entry(key).or_insert(value);
    };
    put("storage", json!(id));
    put("type", json!(storage.kind));
    put("content", json!(storage.content.join(",")));
    put("digest", json!(fields::digest(storage)));
    if let Some(path) = storage.path(id) {
        put("path", json!(path));
    }
    if storage.shared {
        put("shared", json!(1));
    }
    if !storage.enabled {
        put("disable", json!(1));
    }
    if !storage.nodes.is_empty() {
        put("nodes", json!(storage.nodes.join(",")));
    }
    // What a fresh installation has.
    if storage.kind.starts_with("lvm") {
        put("vgname", json!("pve"));
    }
    if storage.kind == "lvmthin" {
        put("thinpool", json!("data"));
    }
    if storage.kind == "zfspool" {
        put("pool", json!("rpool/data"));
    }
    Value::Object(shown)
}

fn create(call: &Call<'_>) -> Answer {
    let params = &call.params;
    let (id, kind) = (params.must("storage")?, params.must("type")?);
    let Some(plugin) = find(kind) else {
        let kinds: Vec<&str> = PLUGINS.iter().map(|plugin| plugin.kind).collect();
        let text = format!(
            "value '{kind}' does not have a value in the enumeration '{}'",
            kinds.join(", ")
        );
        return Err(ApiError::param("type", text));
    };
    let mut options = fields::given(params, KEYS, APART);
    if matches!(kind, "nfs" | "cifs" | "cephfs") && !options.contains_key("path") {
        options.insert("path".to_owned(), format!("/mnt/pve/{id}"));
    }
    fits(plugin, &options)?;
    let missing = plugin
        .fixed
        .split_whitespace()
        .find(|key| !options.contains_key(*key));
    if let Some(key) = missing {
        bail!("missing value for required option '{key}'");
    }
    let networked = matches!(kind, "nfs" | "cifs" | "cephfs" | "rbd" | "iscsi" | "pbs");
    let storage = Storage {
        kind: kind.to_owned(),
        content: plugin.held(params.text("content").unwrap_or(plugin.default))?,
        total: TOTAL,
        base_used: 0,
        shared: networked || params.is_set("shared"),
        active: true,
        enabled: !params.is_set("disable"),
        nodes: nodes(params),
        options,
    };
    call.sim.change(|world| {
        if world.storages.contains_key(id) {
            bail!("create storage failed: storage ID '{id}' already defined");
        }
        world.storages.insert(id.to_owned(), storage);
        Ok(json!({"storage": id, "type": kind}))
    })
}

/// How large a storage is that a client adds.
const TOTAL: u64 = 100 << 30;

fn nodes(params: &Params) -> Vec<String> {
    params
        .parts("nodes")
        .into_iter()
        .map(str::to_owned)
        .collect()
}

fn fits(plugin: &Plugin, options: &Fields) -> Result<(), ApiError> {
    match options.keys().find(|key| !plugin.takes(key)) {
        Some(odd) => Err(ApiError::die(format!("unexpected property '{odd}'"))),
        None => Ok(()),
    }
}

fn update(call: &Call<'_>) -> Answer {
    let id = call.part("storage");
    let params = &call.params;
    call.sim.change(|world| {
        let mut storage = world.storage(id)?.clone();
        fields::same(params, &storage)?;
        let failed = |text: String| ApiError::die(format!("update storage failed: {text}"));
        let Some(plugin) = find(&storage.kind) else {
            return Err(failed(format!("unknown storage type '{}'", storage.kind)));
        };
        let options = fields::given(params, KEYS, APART);
        let fixed = plugin.fixed.split_whitespace();
        for key in fixed.filter(|key| options.contains_key(*key)) {
            if options.get(key) != storage.options.get(key) {
                return Err(failed(format!(
                    "can't change value of fixed parameter '{key}'"
                )));
            }
        }
        fits(plugin, &options)?;
        for key in params.parts("delete") {
            match key {
                "content" => storage.content = plugin.held(plugin.default)?,
                "nodes" => storage.nodes.clear(),
                "disable" => storage.enabled = true,
                "shared" => storage.shared = false,
                _ if words::has(plugin.fixed, key) => {
                    return Err(failed(format!("unable to delete required option '{key}'")));
                }
                _ if plugin.takes(key) => {
                    storage.options.remove(key);
                }
                _ => return Err(failed(format!("no such option '{key}'"))),
            }
        }
        storage.options.extend(options);
        if let Some(content) = params.text("content") {
            storage.content = plugin.held(content)?;
        }
        if params.text("nodes").is_some() {
            storage.nodes = nodes(params);
        }
        storage.enabled = params.flag("disable").map_or(storage.enabled, |off| !off);
        storage.shared = params.flag("shared").unwrap_or(storage.shared);
        let answer = json!({"storage": id, "type": storage.kind});
        world.storages.insert(id.to_owned(), storage);
        Ok(answer)
    })
}

/// The definition goes; what is on the storage stays there.
fn delete(call: &Call<'_>) -> Answer {
    let id = call.part("storage");
    call.sim.change(|world| {
        if !world.storages.contains_key(id) {
            bail!("delete storage failed: storage '{id}' does not exist");
        }
        let prefix = format!("{id}:");
        let bases = world
            .storages
            .values()
            .filter_map(|storage| storage.options.get("base"));
        if bases.into_iter().any(|base| base.starts_with(&prefix)) {
            bail!(
                "delete storage failed: can't remove storage - storage is used as base of another \
                 storage"
            );
        }
        world.storages.remove(id);
        for pool in world.pools.values_mut() {
            pool.storages.remove(id);
        }
        let path = format!("/storage/{id}");
        world.acl.retain(|entry| entry.path != path);
        Ok(Value::Null)
    })
}
