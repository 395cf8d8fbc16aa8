//! `qm`

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::guest::on;
use super::import;
use super::lines;
use super::node::{Node, Said};
use super::print::pretty;
use super::verb::Shows::{All, Deed, Lines};
use super::verb::{Given, Verb, call, own};
use crate::kind::Kind;
use crate::params::{Param, Params, opt};
use crate::route;

const EXEC: &[Param] = &[
    opt("timeout", Kind::Int(0, i64::MAX)),
    opt("synchronous", Kind::Bool),
    opt("pass-stdin", Kind::Bool),
];

pub(super) const VERBS: &[Verb] = &[
    call("list", "", "GET", "nodes/{node}/qemu").shows(Lines(lines::guests_of_qm)),
    call("create", "vmid", "POST", "nodes/{node}/qemu"),
    on("set", "vmid", "PUT", "config").shows(Deed(updated)),
    on("reset", "vmid", "POST", "status/reset"),
    on("sendkey", "vmid key", "PUT", "sendkey"),
    on("unlock", "vmid", "PUT", "config").with(&[("delete", "lock"), ("skiplock", "1")]),
    own(
        "disk import|importdisk",
        "vmid source storage",
        import::OPTIONS,
        import::disk,
    ),
    on("disk resize|resize", "vmid disk size", "PUT", "resize"),
    on(
        "disk move|move-disk|move_disk",
        "vmid disk [storage]",
        "POST",
        "move_disk",
    ),
    on("disk unlink|unlink", "vmid", "PUT", "unlink"),
    on("cloudinit dump", "vmid type", "GET", "cloudinit/dump").shows(All),
    on("cloudinit update", "vmid", "PUT", "cloudinit"),
    own("guest cmd|agent", "vmid command", &[], agent),
    own("guest exec", "vmid extra-args...", EXEC, exec),
    on("guest exec-status", "vmid pid", "GET", "agent/exec-status")
        .shows(Lines(|data| pretty(data) + "\n")),
    on(
        "guest passwd",
        "vmid username",
        "POST",
        "agent/set-user-password",
    ),
];

/// `update VM 100: -scsi0 local-lvm:vm-100-disk-0`
pub(super) fn updated(given: &Given, _: &Value) -> String {
    let mut options: Vec<&(String, String)> = given.options.iter().collect();
    options.sort();
    let said = options.iter().map(|(name, value)| match name.as_str() {
        "cipassword" => format!(" -{name} <hidden>"),
        _ => format!(" -{name} {value}"),
    });
    let said: String = said.collect();
    if said.is_empty() {
        return String::new();
    }
    format!("update VM {}:{said}\n", given.arg("vmid"))
}

fn agent(node: &Node<'_>, given: &Given) -> Said {
    let path = format!(
        "/nodes/{}/qemu/{}/agent/{}",
        node.name,
        given.arg("vmid"),
        given.arg("command")
    );
    let method = match route::find("GET", &path) {
        Ok(_) => "GET",
        Err(_) => "POST",
    };
    let answer = node.call(method, &path, Params::default())?;
    Ok(match answer.get("result") {
        None | Some(Value::Null) => String::new(),
        Some(result) => pretty(result) + "\n",
    })
}

/// Runs a program in a guest, and waits for it.
fn exec(node: &Node<'_>, given: &Given) -> Said {
    let base = format!("/nodes/{}/qemu/{}/agent", node.name, given.arg("vmid"));
    let mut params = Params::default();
    for word in &given.all {
        params.push("command", word);
    }
    let begun = node.call("POST", &format!("{base}/exec"), params)?;
    let pid = begun.get("pid").map(Value::to_string).unwrap_or_default();
    let seconds = given.option("timeout").and_then(|text| text.parse().ok());
    let wait = given.option("synchronous") != Some("0");
    let limit = Duration::from_secs(seconds.unwrap_or(30)).min(super::node::LIMIT);
    let until = Instant::now() + limit;
    while wait && Instant::now() < until {
        let mut params = Params::default();
        params.set("pid", pid.clone());
        let ended = node.call("GET", &format!("{base}/exec-status"), params)?;
        if ended
            .get("exited")
            .is_some_and(|exited| *exited == 1 || *exited == true)
        {
            return Ok(pretty(&ended) + "\n");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(pretty(&json!({"pid": pid.parse::<u64>().unwrap_or(0)})) + "\n")
}
