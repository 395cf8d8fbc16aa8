//! `pct push` and `pct pull`: a file of the node is copied into a running container, and
//! one of a container to the node. Both ends are asked as guests are, inside of their
//! walls; a file of the machine under them has no name there.

use std::time::Duration;

use serde_json::json;

use super::exchange::CommandReply;
use super::node::{Node, Said};
use super::verb::Given;
use crate::acl::ROOT;
use crate::guests::run_in;
use crate::kind::Kind::Text;
use crate::machine::{Job, Sim};
use crate::params::{Param, opt};
use crate::snippets;

pub(super) const OPTIONS: &[Param] = &[opt("group", Text), opt("perms", Text), opt("user", Text)];

/// The largest file that is copied, in bytes.
const LARGEST: usize = 1 << 20;
/// How long a lookup of a user, or a change of an owner, may take.
const SOON: Duration = Duration::from_secs(10);

/// A file of a guest, or of a node.
struct End {
    number: u32,
    path: String,
    is_node: bool,
}

/// What the new file is like.
struct Wish {
    perms: Option<u32>,
    user: Option<String>,
    group: Option<String>,
}

/// A file of the node goes into a container.
pub(super) fn push(node: &Node<'_>, given: &Given, vmid: u32) -> Said {
    let (from, to) = (
        of_node(node, given.arg("file")),
        of_guest(vmid, given.arg("destination")),
    );
    transfer(node, given, ("push_file", vmid), from, to)
}

/// A file of a container comes to the node.
pub(super) fn pull(node: &Node<'_>, given: &Given, vmid: u32) -> Said {
    let (from, to) = (
        of_guest(vmid, given.arg("path")),
        of_node(node, given.arg("destination")),
    );
    transfer(node, given, ("pull_file", vmid), from, to)
}

fn of_node(node: &Node<'_>, path: &str) -> End {
    End {
        number: snippets::number(&node.sim.world(), node.name).unwrap_or(0),
        path: node.path(path),
        is_node: true,
    }
}

/// A container has its root for a directory.
fn of_guest(vmid: u32, path: &str) -> End {
    End {
        number: vmid,
        path: format!("/{}", path.trim_start_matches('/')),
        is_node: false,
    }
}

fn transfer(
    node: &Node<'_>,
    given: &Given,
    (kind, vmid): (&'static str, u32),
    from: End,
    to: End,
) -> Said {
    let option = |name: &str| given.option(name).map(str::to_owned);
    let perms = given.option("perms").map(mode).transpose();
    let wish = Wish {
        perms: perms.map_err(CommandReply::failed)?,
        user: option("user"),
        group: option("group"),
    };
    let job = Job {
        kind,
        id: vmid.to_string(),
        user: ROOT.to_owned(),
        node: node.name.to_owned(),
        holds: Vec::new(),
    };
    let upid = node
        .sim
        .run_task(job, move |sim, _| copy(sim, (&from, &to), &wish));
    node.finish(&json!(upid))
}

fn copy(sim: &Sim, (from, to): (&End, &End), wish: &Wish) -> Result<(), String> {
    let read = sim.guests.read_file(from.number, &from.path);
    let (bytes, more) = read.map_err(|error| match error.rsplit_once("'): ") {
        Some(_) if from.is_node => format!("failed to open {} for reading", from.path),
        Some((_, why)) => format!("failed to open {}: {why}", from.path),
        None => error,
    })?;
    if more || bytes.len() > LARGEST {
        return Err(format!(
            "{} is larger than 1M, which is the most that the simulator copies",
            from.path
        ));
    }
    let ids = [
        wish.user
            .as_deref()
            .map(|name| id_of(sim, to, "user", name)),
        wish.group
            .as_deref()
            .map(|name| id_of(sim, to, "group", name)),
    ];
    let [user, group] = ids.map(Option::transpose);
    let (user, group) = (user?, group?);
    let written = sim.guests.write_file(to.number, &to.path, &bytes);
    written.map_err(|error| match error.rsplit_once("'): ") {
        Some(_) => format!("failed to create file: {}", to.path),
        None => error,
    })?;
    if user.is_some() || group.is_some() {
        let [user, group] = [user, group].map(Option::unwrap_or_default);
        let owner = match (user.as_str(), group.as_str()) {
            (user, "") => user.to_owned(),
            (user, group) => format!("{user}:{group}"),
        };
        change(sim, to, &["chown", &owner, "--", &to.path])?;
    }
    match wish.perms {
        Some(perms) => change(sim, to, &["chmod", &format!("{perms:o}"), "--", &to.path]),
        None => Ok(()),
    }
}

/// A user's or a group's number, by the names that are known where the file comes to.
fn id_of(sim: &Sim, to: &End, what: &str, name: &str) -> Result<String, String> {
    if name.chars().all(|c| c.is_ascii_digit()) {
        return Ok(name.to_owned());
    }
    let database = if what == "user" { "passwd" } else { "group" };
    let argv = ["getent", "--", database, name];
    let ended = run_in(sim.guests.as_ref(), to.number, &argv, &[], SOON)?;
    let line = String::from_utf8_lossy(&ended.out);
    let number = line
        .split(':')
        .nth(2)
        .map(|number| number.trim().to_owned());
    number
        .filter(|_| ended.code == Some(0))
        .ok_or_else(|| format!("failed to get {}id for: {name}", what.split_at(1).0))
}

fn change(sim: &Sim, to: &End, argv: &[&str]) -> Result<(), String> {
    let ended = run_in(sim.guests.as_ref(), to.number, argv, &[], SOON)?;
    match ended.code {
        Some(0) => Ok(()),
        _ => Err(String::from_utf8_lossy(&ended.err).trim().to_owned()),
    }
}

/// Permissions: octal, or hexadecimal behind `0x`.
fn mode(text: &str) -> Result<u32, String> {
    let (digits, base) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 8),
    };
    let mode = u32::from_str_radix(digits, base).ok();
    mode.filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| format!("invalid mode: '{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_octal_or_hexadecimal() {
        for (text, expected) in [
            ("600", Some(0o600)),
            ("0644", Some(0o644)),
            ("0x1ff", Some(0o777)),
            ("rw", None),
            ("", None),
            ("99", None),
            ("77777", None),
        ] {
            assert_eq!(mode(text).ok(), expected, "{text}");
        }
    }
}
