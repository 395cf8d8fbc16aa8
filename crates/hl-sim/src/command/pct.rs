//! `pct`. What the API does not have for containers, it says here too.

use std::time::Duration;

use super::exchange::CommandReply;
use super::lines;
use super::node::{Node, Said};
use super::verb::Shows::{Deed, Lines};
use super::verb::{Given, Verb, call, own};
use crate::guests::run_in;
use crate::kind::Kind::Bool;
use crate::params::{Param, opt};
use crate::vm::GuestKind;

const EXEC: &[Param] = &[opt("keep-env", Bool)];

pub(super) const VERBS: &[Verb] = &[
    call("list", "", "GET", "nodes/{node}/lxc").shows(Lines(lines::guests_of_pct)),
    on("config", "vmid", "GET", "config").shows(Lines(lines::config)),
    on("pending", "vmid", "GET", "pending").shows(Lines(lines::pending)),
    on("status", "vmid", "GET", "status/current").shows(Lines(lines::status)),
    call("create", "vmid ostemplate", "POST", "nodes/{node}/lxc"),
    call("restore", "vmid ostemplate", "POST", "nodes/{node}/lxc").with(&[("restore", "1")]),
    on("set", "vmid", "PUT", "config").shows(Deed(|_, _| String::new())),
    on("start", "vmid", "POST", "status/start"),
    on("stop", "vmid", "POST", "status/stop"),
    on("shutdown", "vmid", "POST", "status/shutdown"),
    on("reboot", "vmid", "POST", "status/reboot"),
    on("suspend", "vmid", "POST", "status/suspend"),
    on("resume", "vmid", "POST", "status/resume"),
    on("clone", "vmid newid", "POST", "clone"),
    on("migrate", "vmid target", "POST", "migrate"),
    on("template", "vmid", "POST", "template"),
    on("destroy", "vmid", "DELETE", ""),
    on("resize", "vmid disk size", "PUT", "resize"),
    on(
        "move-volume|move_volume",
        "vmid volume storage",
        "POST",
        "move_volume",
    ),
    on("snapshot", "vmid snapname", "POST", "snapshot"),
    on(
        "delsnapshot",
        "vmid snapname",
        "DELETE",
        "snapshot/{snapname}",
    ),
    on(
        "rollback",
        "vmid snapname",
        "POST",
        "snapshot/{snapname}/rollback",
    ),
    on("listsnapshot", "vmid", "GET", "snapshot").shows(Lines(lines::snapshots)),
    own("exec", "vmid extra-args...", EXEC, exec),
];

/// One about a guest.
const fn on(words: Text, args: Text, method: Text, path: Text) -> Verb {
    call(words, args, method, path).below("nodes/{node}/lxc/{vmid}/")
}

type Text = &'static str;

/// How long a program in a container may take.
const EXEC_LIMIT: Duration = Duration::from_mins(10);

/// Runs a program in a container; its output and its exit code are the command's.
fn exec(node: &Node<'_>, given: &Given) -> Said {
    let vmid = given.arg("vmid").parse().unwrap_or(0);
    {
        let world = node.sim.world();
        let found = world.vms.get(&vmid);
        let here = found.filter(|vm| vm.node == node.name && vm.kind == GuestKind::Lxc);
        let Some(container) = here else {
            return Err(CommandReply::failed(format!(
                "Configuration file 'nodes/{}/lxc/{vmid}.conf' does not exist",
                node.name
            )));
        };
        if container.run.is_none() {
            return Err(CommandReply::failed(format!(
                "container '{vmid}' not running!"
            )));
        }
    }
    let argv: Vec<&str> = given.all.iter().map(String::as_str).collect();
    let ended = run_in(node.sim.guests.as_ref(), vmid, &argv, &[], EXEC_LIMIT);
    let ended = ended.map_err(CommandReply::failed)?;
    let reply = CommandReply {
        code: match (ended.code, ended.signal) {
            (Some(code), _) => u8::try_from(code).unwrap_or(255),
            (None, Some(signal)) => u8::try_from(128 + signal).unwrap_or(255),
            (None, None) => 255,
        },
        out: String::from_utf8_lossy(&ended.out).into_owned(),
        err: String::from_utf8_lossy(&ended.err).into_owned(),
    };
    Err(reply)
}
