//! How VMs and nodes look in lists and in their status.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::size;
use super::vm::{self, Vm};
use super::vmkeys;
use super::world::{Node, World};

/// A node, as `/nodes` and `/cluster/resources` list it.
pub(super) fn node(world: &World, node: &Node) -> Value {
    let (used, cpus) = load(world, node);
    if !node.online {
        return json!({
            "id": format!("node/{}", node.name),
            "type": "node",
            "node": node.name,
            "status": "offline",
        });
    }
    json!({
        "id": format!("node/{}", node.name),
        "type": "node",
        "node": node.name,
        "status": "online",
        "level": "",
        "cpu": 0.01 * f64::from(cpus),
        "maxcpu": node.cpus,
        "mem": used,
        "maxmem": node.memory,
        "disk": 4_u64 << 30,
        "maxdisk": 64_u64 << 30,
        "uptime": uptime(world, node),
        "ssl_fingerprint": world.fingerprint_of(&node.name),
    })
}

/// Memory in use on a node, and how many processors its guests have.
pub(super) fn load(world: &World, node: &Node) -> (u64, u32) {
    let own = 2_u64 << 30;
    let running = world
        .vms
        .values()
        .filter(|vm| vm.node == node.name && vm.run.is_some());
    running.fold((own, 0), |(memory, cpus), vm| {
        (
            memory + max_memory(&vm.config),
            cpus + processors(&vm.config),
        )
    })
}

/// Seconds since the boot of a node.
pub(super) fn uptime(world: &World, node: &Node) -> i64 {
    // A seed boots its node now; no node is that young when it is asked.
    (world.now() - node.booted).max(0) + 3600
}

/// A VM, as `/cluster/resources` lists it.
pub(super) fn resource(world: &World, vmid: u32, vm: &Vm) -> Value {
    let mut fields = figures(world, vm);
    fields.insert("id".to_owned(), json!(format!("qemu/{vmid}")));
    fields.insert("type".to_owned(), json!("qemu"));
    fields.insert("vmid".to_owned(), json!(vmid));
    fields.insert("node".to_owned(), json!(vm.node));
    fields.insert("template".to_owned(), json!(u8::from(vm.is_template())));
    if let Some(pool) = world.pool_of(vmid) {
        fields.insert("pool".to_owned(), json!(pool));
    }
    let cpus = fields.remove("cpus").unwrap_or(Value::Null);
    fields.insert("maxcpu".to_owned(), cpus);
    Value::Object(fields)
}

/// A VM, as `/nodes/N/qemu` lists it and its `status/current` begins.
pub(super) fn status(world: &World, vmid: u32, vm: &Vm) -> Map<String, Value> {
    let mut fields = figures(world, vm);
    fields.insert("vmid".to_owned(), json!(vmid));
    if vm.is_template() {
        fields.insert("template".to_owned(), json!(1));
    }
    if let Some(run) = &vm.run {
        fields.insert("pid".to_owned(), json!(run.pid));
    }
    fields
}

/// A config as the API returns it: what the schema calls integer or boolean is
/// a number, everything else text.
pub(super) fn config(values: &BTreeMap<String, String>) -> Map<String, Value> {
    values
        .iter()
        .map(|(key, value)| (key.clone(), config_value(key, value)))
        .collect()
}

/// One value of a config.
pub(super) fn config_value(key: &str, value: &str) -> Value {
    match value.parse::<i64>() {
        Ok(number) if vmkeys::is_number(key) => json!(number),
        _ => json!(value),
    }
}

fn figures(world: &World, vm: &Vm) -> Map<String, Value> {
    let now = world.now();
    let running = vm.run.as_ref();
    let memory = max_memory(&vm.config);
    let mut fields = Map::new();
    if !vm.name().is_empty() {
        fields.insert("name".to_owned(), json!(vm.name()));
    }
    if let Some(tags) = vm.config.get("tags") {
        fields.insert("tags".to_owned(), json!(tags));
    }
    if let Some(lock) = &vm.lock {
        fields.insert("lock".to_owned(), json!(lock));
    }
    let state = if running.is_some() {
        "running"
    } else {
        "stopped"
    };
    fields.insert("status".to_owned(), json!(state));
    fields.insert("cpus".to_owned(), json!(processors(&vm.config)));
    fields.insert(
        "cpu".to_owned(),
        json!(if running.is_some() { 0.01 } else { 0.0 }),
    );
    fields.insert("maxmem".to_owned(), json!(memory));
    let up = running.map_or(0, |run| (now - run.since).max(1));
    let up = u64::try_from(up).unwrap_or(0);
    // Invented: an idle guest that breathes a little, and counters that grow.
    let mem = match running {
        Some(_) => memory / 4 + (up * 7 % 60) * (memory >> 14),
        None => 0,
    };
    fields.insert("mem".to_owned(), json!(mem));
    fields.insert("maxdisk".to_owned(), json!(boot_size(vm)));
    fields.insert("uptime".to_owned(), json!(up));
    fields.insert("disk".to_owned(), json!(0));
    let boot = if running.is_some() { 200 << 20 } else { 0 };
    for (name, count) in [
        ("netin", up * 1_500),
        ("netout", up * 400),
        ("diskread", boot + up * 1_000),
        ("diskwrite", boot / 10 + up * 4_000),
    ] {
        fields.insert(name.to_owned(), json!(count));
    }
    fields
}

/// The machine that a running VM is: `pc-i440fx-10.1+pve0`.
pub(super) fn machine(world: &World, vm: &Vm) -> String {
    let asked = vm.config.get("machine").map_or("", String::as_str);
    let asked = asked.split(',').next().unwrap_or_default();
    let asked = asked.strip_prefix("type=").unwrap_or(asked);
    if asked.starts_with("pc-") {
        let suffix = if asked.contains("+pve") { "" } else { "+pve0" };
        return format!("{asked}{suffix}");
    }
    let kind = if asked == "q35" { "q35" } else { "i440fx" };
    let qemu = world.profile.qemu();
    let short = qemu.rsplit_once('.').map_or(qemu, |(short, _)| short);
    format!("pc-{kind}-{short}+pve0")
}

fn processors(config: &BTreeMap<String, String>) -> u32 {
    let number = |name: &str| config.get(name).and_then(|text| text.parse::<u32>().ok());
    number("vcpus").unwrap_or_else(|| {
        number("sockets")
            .unwrap_or(1)
            .saturating_mul(number("cores").unwrap_or(1))
    })
}

fn max_memory(config: &BTreeMap<String, String>) -> u64 {
    let text = config.get("memory").map_or("512", String::as_str);
    let text = text.strip_prefix("current=").unwrap_or(text);
    text.split(',')
        .next()
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(512)
        << 20
}

fn boot_size(vm: &Vm) -> u64 {
    vm::drives(&vm.config)
        .into_iter()
        .filter(|(_, drive)| !drive.is_cdrom())
        .find_map(|(_, drive)| size::parse(drive.options.get("size")?))
        .unwrap_or(0)
}
