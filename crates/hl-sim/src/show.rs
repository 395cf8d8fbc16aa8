//! How VMs and nodes look in lists and in their status.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::ctshow;
use super::keys;
use super::listed::Listed;
use super::vm::{GuestKind, Vm};
use super::volume::Storage;
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
        let listed = vm.config.listed();
        (memory + listed.memory, cpus + listed.processors)
    })
}

/// Seconds since the boot of a node.
pub(super) fn uptime(world: &World, node: &Node) -> i64 {
    // A seed boots its node now; no node is that young when it is asked.
    (world.now() - node.booted).max(0) + 3600
}

/// A storage of a node, as `/cluster/resources` lists it.
pub(super) fn storage(world: &World, node: &str, id: &str, storage: &Storage) -> Value {
    json!({
        "id": format!("storage/{node}/{id}"),
        "type": "storage",
        "node": node,
        "storage": id,
        "status": if storage.active { "available" } else { "unknown" },
        "shared": u8::from(storage.shared),
        "plugintype": storage.kind,
        "content": storage.content.join(","),
        "disk": world.used(id),
        "maxdisk": storage.total,
    })
}

/// A guest, as `/nodes/N/qemu` and `lxc` list it and its `status/current` begins.
pub(super) fn status(world: &World, vmid: u32, vm: &Vm) -> Value {
    let listed = vm.config.listed();
    let mut fields = json!(figures(world, vm, listed));
    fields["vmid"] = json!(vmid);
    fields["cpus"] = maxcpu(world, vm, listed);
    if vm.kind == GuestKind::Lxc {
        ctshow::more(vmid, vm, &mut fields);
    }
    if vm.is_template() {
        fields["template"] = json!(1);
    }
    if let Some(run) = &vm.run {
        fields["pid"] = json!(run.pid);
    }
    fields
}

/// What high availability says of a guest, as `status/current` has it.
pub(super) fn availability(world: &World, vmid: u32) -> Value {
    let Some(fields) = world.managed(vmid) else {
        return json!({"managed": 0});
    };
    let state = fields.get("state").map_or("started", String::as_str);
    json!({"managed": 1, "state": state})
}

/// A config as the API returns it: what the schema calls integer or boolean is
/// a number, everything else text.
pub(super) fn config(kind: GuestKind, values: &BTreeMap<String, String>) -> Map<String, Value> {
    values
        .iter()
        .map(|(key, value)| (key.clone(), config_value(kind, key, value)))
        .collect()
}

/// One value of a config.
pub(super) fn config_value(kind: GuestKind, key: &str, value: &str) -> Value {
    match value.parse::<i64>() {
        Ok(number) if keys::is_number(kind, key) => json!(number),
        _ => json!(value),
    }
}

/// Whether a VM runs, in the words of the API.
pub(super) fn state(vm: &Vm) -> &'static str {
    match vm.run {
        Some(_) => "running",
        None => "stopped",
    }
}

/// What all lists tell of a guest.
#[derive(Serialize)]
pub(super) struct Figures<'w> {
    pub(super) status: &'static str,
    pub(super) cpu: f64,
    pub(super) maxmem: u64,
    pub(super) mem: u64,
    pub(super) maxdisk: u64,
    pub(super) disk: u64,
    pub(super) uptime: u64,
    pub(super) netin: u64,
    pub(super) netout: u64,
    pub(super) diskread: u64,
    pub(super) diskwrite: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) name: &'w str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lock: Option<&'w str>,
}

pub(super) fn figures<'w>(world: &World, vm: &'w Vm, listed: &'w Listed) -> Figures<'w> {
    let memory = listed.memory;
    let up = vm.run.as_ref().map_or(0, |run| world.now() - run.since);
    let (mut up, mut mem, mut cpu, mut boot) = (u64::try_from(up).unwrap_or(0), 0, 0.0, 0);
    if vm.run.is_some() {
        // Invented: an idle guest that breathes a little, and counters that grow.
        up = up.max(1);
        mem = memory / 4 + (up * 7 % 60) * (memory >> 14);
        cpu = 0.01;
        boot = 200_u64 << 20;
    }
    Figures {
        status: state(vm),
        cpu,
        maxmem: memory,
        mem,
        maxdisk: boot_size(vm, listed),
        disk: 0,
        uptime: up,
        netin: up * 1_500,
        netout: up * 400,
        diskread: boot + up * 1_000,
        diskwrite: boot / 10 + up * 4_000,
        name: vm.name(),
        tags: listed.tags.as_deref(),
        lock: vm.lock.as_deref(),
    }
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

pub(super) fn maxcpu(world: &World, vm: &Vm, listed: &Listed) -> Value {
    match vm.kind {
        GuestKind::Qemu => json!(listed.processors),
        GuestKind::Lxc => ctshow::processors(world, vm),
    }
}

fn boot_size(vm: &Vm, listed: &Listed) -> u64 {
    if vm.kind == GuestKind::Lxc {
        return vm
            .boot_drive()
            .and_then(|root| root.size())
            .unwrap_or(4 << 30);
    }
    listed.disk.unwrap_or(0)
}
