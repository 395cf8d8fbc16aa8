//! `pct`, besides what VMs have too.

use std::time::Duration;

use super::exchange::CommandReply;
use super::guest::on;
use super::lines;
use super::node::{Node, Said};
use super::transfer;
use super::verb::Shows::Lines;
use super::verb::{Given, Verb, call, own};
use crate::call::guest_on;
use crate::guests::run_in;
use crate::kind::Kind::Bool;
use crate::params::{Param, opt};
use crate::vm::GuestKind;

const EXEC: &[Param] = &[opt("keep-env", Bool)];

pub(super) const VERBS: &[Verb] = &[
    call("list", "", "GET", "nodes/{node}/lxc").shows(Lines(lines::guests_of_pct)),
    call("create", "vmid ostemplate", "POST", "nodes/{node}/lxc"),
    call("restore", "vmid ostemplate", "POST", "nodes/{node}/lxc").with(&[("restore", "1")]),
    on("set", "vmid", "PUT", "config"),
    on("resize", "vmid disk size", "PUT", "resize"),
    on(
        "move-volume|move_volume",
        "vmid volume [storage]",
        "POST",
        "move_volume",
    ),
    own("exec", "vmid extra-args...", EXEC, exec),
    own("push", "vmid file destination", transfer::OPTIONS, push),
    own("pull", "vmid path destination", transfer::OPTIONS, pull),
];

/// How long a program in a container may take.
const EXEC_LIMIT: Duration = Duration::from_mins(10);

/// The running container that is meant; `stopped` is said of one that does not run.
fn running(node: &Node<'_>, given: &Given, stopped: &str) -> Result<u32, CommandReply> {
    let vmid = given.arg("vmid").parse().unwrap_or(0);
    let world = node.sim.world();
    match guest_on(&world, GuestKind::Lxc, node.name, vmid)?.run {
        Some(_) => Ok(vmid),
        None => Err(CommandReply::failed(stopped)),
    }
}

fn push(node: &Node<'_>, given: &Given) -> Said {
    let vmid = running(node, given, "can only push files to a running CT")?;
    transfer::push(node, given, vmid)
}

fn pull(node: &Node<'_>, given: &Given) -> Said {
    let vmid = running(node, given, "can only pull files from a running VM")?;
    transfer::pull(node, given, vmid)
}

/// Runs a program in a container; its output and its exit code are the command's.
fn exec(node: &Node<'_>, given: &Given) -> Said {
    let stopped = format!("container '{}' not running!", given.arg("vmid"));
    let vmid = running(node, given, &stopped)?;
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
