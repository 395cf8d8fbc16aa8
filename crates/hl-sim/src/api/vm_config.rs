//! The config of a guest: reading it; of a VM: changing it at once or by a task.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::card;
use crate::edit::{self, Edit};
use crate::error::ApiError;
use crate::kind::Kind::{Bool, Enum, Int, Text};
use crate::locks::{Hold, PATIENCE};
use crate::params::{Param, opt, req};
use crate::power;
use crate::route::{Route, on_ct, on_vm};
use crate::show;
use crate::snapshot;
use crate::snippets;
use crate::vm::{Vm, drives};
use crate::words;

const CHANGE: &[Param] = &[
    opt("delete", Text),
    opt("digest", Text),
    opt("revert", Text),
    opt("force", Bool),
    opt("skiplock", Bool),
    opt("background_delay", Int(1, 30)),
    opt("import-working-storage", Text),
];

const READ: &[Param] = &[opt("current", Bool), opt("snapshot", Text)];
const UNLINK: &[Param] = &[req("idlist", Text), opt("force", Bool)];
const DUMP: &[Param] = &[req("type", Enum(&["user", "network", "meta"]))];

pub(super) const ROUTES: &[Route] = &[
    on_vm("GET", "config", READ, read).needs("/vms/{vmid}", &["VM.Audit"]),
    on_vm("PUT", "config", CHANGE, put).with_vm_keys(),
    on_vm("POST", "config", CHANGE, post).with_vm_keys(),
    on_vm("GET", "pending", &[], pending).needs("/vms/{vmid}", &["VM.Audit"]),
    on_ct("GET", "config", READ, read).needs("/vms/{vmid}", &["VM.Audit"]),
    on_ct("GET", "pending", &[], pending).needs("/vms/{vmid}", &["VM.Audit"]),
    on_vm("PUT", "unlink", UNLINK, unlink).needs("/vms/{vmid}", &["VM.Config.Disk"]),
    on_vm("GET", "cloudinit", &[], cloudinit).needs("/vms/{vmid}", &["VM.Audit"]),
    on_vm("PUT", "cloudinit", &[], regenerate).needs("/vms/{vmid}", &["VM.Config.Cloudinit"]),
    on_vm("GET", "cloudinit/dump", DUMP, dump).needs("/vms/{vmid}", &["VM.Audit"]),
];

fn read(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let vm = call.vm(&world)?;
    let current = call.params.is_set("current");
    let mut fields = match call.params.text("snapshot") {
        Some(_) if current => {
            let text = "cannot use 'snapshot' parameter with 'current'";
            let both = ["snapshot", "current"].map(|name| (name.to_owned(), text.to_owned()));
            return Err(ApiError::params(both.into()));
        }
        Some(name) => {
            let mut fields = show::config(vm.kind, snapshot::find(vm, name)?);
            fields.insert("digest".to_owned(), json!(vm.digest()));
            return Ok(Value::Object(fields));
        }
        None if current => show::config(vm.kind, &vm.config),
        None => show::config(vm.kind, &vm.effective()),
    };
    if fields.contains_key("cipassword") {
        fields.insert("cipassword".to_owned(), json!("**********"));
    }
    fields.insert("digest".to_owned(), json!(vm.digest()));
    if let Some(lock) = &vm.lock {
        fields.insert("lock".to_owned(), json!(lock));
    }
    Ok(Value::Object(fields))
}

fn put(call: &Call<'_>) -> Answer {
    let (vmid, edit, skip) = wanted(call)?;
    change_now(call, vmid, &edit, skip)
}

fn post(call: &Call<'_>) -> Answer {
    let (vmid, edit, skip) = wanted(call)?;
    let node = call.node().to_owned();
    call.vm_task("qmconfig", vmid, move |sim, log| {
        log.line(format!("update VM {vmid}: {}", edit.describe()));
        edit::apply(sim, &node, vmid, &edit, skip)
    })
}

fn unlink(call: &Call<'_>) -> Answer {
    let vmid = call.vmid()?;
    let mut params = crate::params::Params::default();
    params.set("delete", call.params.must("idlist")?);
    if call.params.flag("force").unwrap_or(false) {
        params.set("force", "1");
    }
    let edit = Edit::read(&params)?;
    {
        let world = call.sim.world();
        call.vm(&world)?;
    }
    change_now(call, vmid, &edit, false)
}

/// Applies an edit to the guest of the path.
pub(super) fn change_now(call: &Call<'_>, vmid: u32, edit: &Edit, skip: bool) -> Answer {
    let held = call.sim.locks.take(vmid, Hold::Alone, PATIENCE);
    let _held = held.map_err(ApiError::die)?;
    edit::apply(call.sim, call.node(), vmid, edit, skip)?;
    Ok(Value::Null)
}

/// The edit that is asked for, by someone who may.
fn wanted(call: &Call<'_>) -> Result<(u32, Edit, bool), ApiError> {
    let vmid = call.vmid()?;
    let edit = Edit::read(&call.params)?;
    let skip = call.skips_lock()?;
    let world = call.sim.world();
    let vm = call.vm(&world)?;
    edit.check_rights(call, &world, vmid, Some(vm))?;
    Ok((vmid, edit, skip))
}

fn pending(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let vm = call.vm(&world)?;
    let mut lines: Vec<Value> = Vec::new();
    for (key, value) in &*vm.config {
        let mut line = json!({"key": key, "value": show::config_value(vm.kind, key, value)});
        match vm.pending.get(key) {
            Some(Some(next)) => line["pending"] = show::config_value(vm.kind, key, next),
            Some(None) => line["delete"] = json!(1),
            None => {}
        }
        lines.push(line);
    }
    for (key, value) in &vm.pending {
        if let (false, Some(value)) = (vm.config.contains_key(key), value) {
            lines.push(json!({"key": key, "pending": show::config_value(vm.kind, key, value)}));
        }
    }
    lines.push(json!({"key": "digest", "value": vm.digest()}));
    Ok(Value::Array(lines))
}

const CLOUDINIT_KEYS: &str = "
    cicustom cipassword citype ciupgrade ciuser name nameserver searchdomain sshkeys";

fn cloudinit(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let vm = call.vm(&world)?;
    let lines = vm
        .config
        .iter()
        .filter(|(key, _)| words::has(CLOUDINIT_KEYS, key) || key.starts_with("ipconfig"))
        .map(|(key, value)| json!({"key": key, "value": value}));
    Ok(Value::Array(lines.collect()))
}

/// The settings are read when a VM starts; there is no drive to write.
fn regenerate(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let vm = call.vm(&world)?;
    if drives(&vm.config)
        .iter()
        .any(|(_, drive)| drive.is_cloudinit())
    {
        return Ok(Value::Null);
    }
    Err(ApiError::die("No cloudinit drive found"))
}

fn dump(call: &Call<'_>) -> Answer {
    let kind = call.params.must("type")?;
    let given = {
        let world = call.sim.world();
        call.vm(&world)?.config.get("cicustom").cloned()
    };
    let custom = snippets::named(call.sim, call.node(), given.as_deref());
    if let Some(text) = custom.map_err(ApiError::die)?.get(kind) {
        return Ok(json!(text));
    }
    let world = call.sim.world();
    let vm = call.vm(&world)?;
    Ok(json!(match kind {
        "user" => user_data(vm),
        "meta" => format!("instance-id: {}\n", vm.digest()),
        _ => network_data(vm),
    }))
}

fn user_data(vm: &Vm) -> String {
    let mut lines = vec![
        "#cloud-config".to_owned(),
        format!("hostname: {}", vm.name()),
        "manage_etc_hosts: true".to_owned(),
    ];
    if let Some(user) = vm.config.get("ciuser") {
        lines.push(format!("user: {user}"));
    }
    let keys = power::ssh_keys(vm);
    if !keys.is_empty() {
        lines.push("ssh_authorized_keys:".to_owned());
        lines.extend(keys.iter().map(|key| format!("  - {key}")));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn network_data(vm: &Vm) -> String {
    let mac = card::first(vm)
        .and_then(|card| card.mac)
        .unwrap_or_default();
    let mut lines = vec![
        "version: 1".to_owned(),
        "config:".to_owned(),
        "  - type: physical".to_owned(),
        "    name: eth0".to_owned(),
        format!("    mac_address: '{}'", mac.to_lowercase()),
        "    subnets:".to_owned(),
    ];
    match power::ip_settings(vm) {
        (Some(ip), gateway) if ip != "dhcp" => {
            lines.push("    - type: static".to_owned());
            lines.push(format!("      address: '{ip}'"));
            lines.extend(gateway.map(|gateway| format!("      gateway: '{gateway}'")));
        }
        _ => lines.push("    - type: dhcp4".to_owned()),
    }
    lines.push(String::new());
    lines.join("\n")
}
