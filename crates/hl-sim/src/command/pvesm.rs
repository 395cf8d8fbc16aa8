//! `pvesm`

use serde_json::Value;

use super::exchange::CommandReply;
use super::lines;
use super::node::{Node, Said};
use super::print::plain;
use super::verb::Shows::{Deed, Lines};
use super::verb::{Given, Verb, call, own};

pub(super) const VERBS: &[Verb] = &[
    own("path", "volume", &[], path),
    own("apiinfo", "", &[], apiinfo),
    call("status", "", "GET", "nodes/{node}/storage").shows(Lines(lines::storages)),
    call(
        "list",
        "storage",
        "GET",
        "nodes/{node}/storage/{storage}/content",
    )
    .shows(Lines(lines::volumes)),
    call(
        "alloc",
        "storage vmid filename size",
        "POST",
        "nodes/{node}/storage/{storage}/content",
    )
    .shows(Deed(allocated)),
    call(
        "free",
        "volume",
        "DELETE",
        "nodes/{node}/storage/{storage}/content/{volume}",
    ),
    call("add", "type storage", "POST", "storage"),
    call("set", "storage", "PUT", "storage/{storage}"),
    call("remove", "storage", "DELETE", "storage/{storage}"),
    call(
        "prune-backups",
        "storage",
        "DELETE",
        "nodes/{node}/storage/{storage}/prunebackups",
    ),
];

fn allocated(_: &Given, answer: &Value) -> String {
    format!("successfully created '{}'\n", plain(answer))
}

/// Where a volume is, or would be.
fn path(node: &Node<'_>, given: &Given) -> Said {
    let volume = given.arg("volume");
    let Some((storage, name)) = volume.split_once(':') else {
        return Err(CommandReply::failed(format!(
            "unable to parse volume ID '{volume}'"
        )));
    };
    let world = node.sim.world();
    world.storage(storage)?;
    if name.is_empty() {
        return Err(CommandReply::failed(format!(
            "unable to parse volume ID '{volume}'"
        )));
    }
    Ok(world.path_of(volume) + "\n")
}

/// The version of the interface of storage plugins.
#[expect(clippy::unnecessary_wraps, reason = "verbs have one shape")]
fn apiinfo(node: &Node<'_>, _: &Given) -> Said {
    let (version, age) = match node.sim.world().profile.major {
        0..=8 => (11, 2),
        _ => (13, 4),
    };
    Ok(format!("APIVER {version}\nAPIAGE {age}\n"))
}
