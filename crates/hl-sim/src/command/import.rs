//! `qm disk import`: an image of this world becomes a disk.

use serde_json::Value;

use super::exchange::CommandReply;
use super::node::{Node, Said};
use super::verb::Given;
use crate::drive::Drive;
use crate::error::ApiError;
use crate::kind::Kind::{Enum, Text};
use crate::params::{Param, Params, opt};
use crate::size;
use crate::vm;

pub(super) const OPTIONS: &[Param] = &[
    opt("format", Enum(&["raw", "qcow2", "vmdk"])),
    opt("target-disk", Text),
];

pub(super) fn disk(node: &Node<'_>, given: &Given) -> Said {
    let (source, storage) = (given.arg("source"), given.arg("storage"));
    let (volume, key, format) = {
        let world = node.sim.world();
        let volume = node.volume_at(&world, source).ok_or_else(|| {
            CommandReply::failed(format!("{source}: non-existent or non-regular file"))
        })?;
        let target = world.storage(storage)?;
        if !target.content.iter().any(|kind| kind == "images") {
            return Err(CommandReply::failed(format!(
                "storage {storage} does not support vm images"
            )));
        }
        let guest = given.arg("vmid").parse().ok();
        let guest = guest.and_then(|vmid| world.vms.get(&vmid));
        let free = guest.and_then(|guest| vm::free_unused(&guest.config));
        let key = given.option("target-disk").map(str::to_owned).or(free);
        // Where disks are no files, there is but one format.
        let format = given.option("format").filter(|_| target.has_paths());
        let format = format.map_or_else(String::new, |format| format!(",format={format}"));
        // The call refuses a VM that does not exist.
        (volume, key.unwrap_or_else(|| "unused0".to_owned()), format)
    };
    let path = format!("/nodes/{}/qemu/{}/config", node.name, given.arg("vmid"));
    let mut params = Params::default();
    params.set(&key, format!("{storage}:0,import-from={volume}{format}"));
    node.call("PUT", &path, params)?;
    let config = node.call("GET", &path, Params::default())?;
    let made = config.get(&key).and_then(Value::as_str).unwrap_or_default();
    let made = Drive::parse(made).map_err(ApiError::die)?.file;
    let bytes = node.sim.world().volume(&made).map_or(0, |disk| disk.size);
    let all = size::print(bytes);
    Ok(format!(
        "importing disk '{source}' to VM {} ...\ntransferred {all} of {all} (100.00%)\n\
         {key}: successfully imported disk '{made}'\n",
        given.arg("vmid")
    ))
}
