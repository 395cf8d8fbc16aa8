//! The config of a container, and where it is reached.

use serde_json::{Value, json};

use super::vm_config;
use crate::call::{Answer, Call};
use crate::card;
use crate::ctrights::{self, Place};
use crate::edit::Edit;
use crate::error::{ApiError, bail};
use crate::kind::Kind::{Short, Text};
use crate::params::{Param, opt};
use crate::route::{Route, on_ct};
use crate::vm::{GuestKind, is_mount};

const CHANGE: &[Param] = &[
    opt("delete", Text),
    opt("digest", Short(40)),
    opt("revert", Text),
];

pub(super) const ROUTES: &[Route] = &[
    on_ct("PUT", "config", CHANGE, put).with_ct_keys(),
    on_ct("GET", "interfaces", &[], interfaces).needs("/vms/{vmid}", &["VM.Audit"]),
];

/// What a container is made with, once for all.
const READ_ONLY: &str = "unprivileged";

fn put(call: &Call<'_>) -> Answer {
    if call.params.iter().next().is_none() {
        bail!("no options specified");
    }
    let vmid = call.vmid()?;
    let edit = Edit::of(GuestKind::Lxc, &call.params)?;
    {
        let world = call.sim.world();
        let vm = call.vm(&world)?;
        let place = Place { vmid, pool: None };
        ctrights::check(&edit, call, &world, &place, Some(vm))?;
        for key in &edit.delete {
            match key.as_str() {
                "memory" | "ostype" | "rootfs" => {
                    bail!("unable to delete required option '{key}'");
                }
                READ_ONLY => bail!("unable to delete read-only option: '{READ_ONLY}'"),
                _ => {}
            }
        }
        if edit.set.contains_key(READ_ONLY) {
            bail!("unable to modify read-only option: '{READ_ONLY}'");
        }
        let protected = vm
            .config
            .get("protection")
            .is_some_and(|value| value == "1");
        let changed = edit.drives.iter().map(|(key, _)| key);
        let mut mounts = changed.chain(&edit.delete).filter(|key| is_mount(key));
        let known = mounts.find(|key| vm.config.contains_key(*key));
        if let (true, Some(key)) = (protected, known) {
            bail!("can't update CT {vmid} drive '{key}' - protection mode enabled");
        }
        ctrights::storages(&edit, call, &world, |id| {
            let text = "does not allow content type 'rootdir' (Container)";
            ApiError::die(format!("storage '{id}' {text}"))
        })?;
    }
    vm_config::change_now(call, vmid, &edit, false)
}

/// Nothing but its first card has an address in the simulator.
fn interfaces(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let vm = call.vm(&world)?;
    let Some(run) = &vm.run else {
        return Ok(Value::Null);
    };
    let line = |name: &str, mac: &str, cidrs: &[(&str, &str)]| {
        let mut line = json!({"name": name, "hwaddr": mac});
        let mut all = Vec::new();
        for (kind, cidr) in cidrs {
            let (address, prefix) = cidr.split_once('/').unwrap_or((cidr, "32"));
            let prefix = prefix.parse::<u8>().unwrap_or(32);
            line[*kind] = json!(cidr);
            all.push(json!({
                "ip-address": address, "ip-address-type": kind, "prefix": prefix,
            }));
        }
        line["hardware-address"] = json!(mac);
        line["ip-addresses"] = json!(all);
        line
    };
    let mut found = vec![line(
        "lo",
        "00:00:00:00:00:00",
        &[("inet", "127.0.0.1/8"), ("inet6", "::1/128")],
    )];
    if let Some(card) = card::first(vm) {
        let name = card.options.get("name").map_or("eth0", String::as_str);
        let mac = run.mac.as_deref().unwrap_or_default().to_lowercase();
        let address = run.address.as_deref().map(|cidr| ("inet", cidr));
        found.push(line(name, &mac, address.as_slice()));
    }
    Ok(Value::Array(found))
}
