//! `/nodes/N/aplinfo`: the templates of containers that a node can download.

use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use super::files::{self, Wanted};
use crate::call::{Answer, Call};
use crate::error::{ApiError, bail};
use crate::hex;
use crate::kind::Kind::{Id, Text};
use crate::params::{Param, req};
use crate::route::{Route, on_node};

const DOWNLOAD: &[Param] = &[req("storage", Id), req("template", Text)];

pub(super) const ROUTES: &[Route] = &[
    on_node("GET", "aplinfo", &[], list),
    on_node("POST", "aplinfo", DOWNLOAD, download)
        .needs("/storage/{storage}", &["Datastore.AllocateTemplate"]),
];

/// Where the templates of Proxmox come from.
const SOURCE: &str = "http://download.proxmox.com/images";

/// Package, version, system, file, and what it is.
const TEMPLATES: &[[&str; 5]] = &[
    [
        "alpine-3.22-default",
        "20250617",
        "alpine",
        "alpine-3.22-default_20250617_amd64.tar.xz",
        "LXC default image for alpine 3.22 (20250617)",
    ],
    [
        "archlinux-base",
        "20240911-1",
        "archlinux",
        "archlinux-base_20240911-1_amd64.tar.zst",
        "ArchLinux base image.",
    ],
    [
        "debian-12-standard",
        "12.12-1",
        "debian-12",
        "debian-12-standard_12.12-1_amd64.tar.zst",
        "Debian 12 Bookworm (standard)",
    ],
    [
        "debian-13-standard",
        "13.1-2",
        "debian-13",
        "debian-13-standard_13.1-2_amd64.tar.zst",
        "Debian 13 Trixie (standard)",
    ],
    [
        "ubuntu-24.04-standard",
        "24.04-2",
        "ubuntu-24.04",
        "ubuntu-24.04-standard_24.04-2_amd64.tar.zst",
        "Ubuntu 24.04 Noble (standard)",
    ],
];

/// Sums are made up of the names: no file is behind them.
fn list(_: &Call<'_>) -> Answer {
    let lines = TEMPLATES
        .iter()
        .map(|[package, version, os, file, headline]| {
            json!({
                "package": package, "version": version, "os": os, "template": file,
                "headline": headline, "description": headline, "type": "lxc",
                "section": "system", "architecture": "amd64", "source": SOURCE,
                "location": location(file), "infopage": "https://pve.proxmox.com/wiki/",
                "maintainer": "Proxmox Support Team <support@proxmox.com>",
                "sha512sum": made_up_sum(file),
            })
        });
    Ok(Value::Array(lines.collect()))
}

fn made_up_sum(file: &str) -> String {
    hex::lower(&Sha512::digest(file))
}

fn location(file: &str) -> String {
    format!("{SOURCE}/system/{file}")
}

fn download(call: &Call<'_>) -> Answer {
    let wanted = call.params.must("template")?;
    let id = call.params.must("storage")?;
    let known = TEMPLATES.iter().any(|[_, _, _, file, _]| *file == wanted);
    if !known {
        return Err(ApiError::param("template", "no such template"));
    }
    {
        let world = call.sim.world();
        let storage = world.storage_on(id, call.node())?;
        if !storage.content.iter().any(|kind| kind == "vztmpl") {
            bail!("storage '{id}' does not support templates");
        }
    }
    let url = location(wanted);
    // A file that stands for it has its own sum.
    let is_given = call.sim.world().downloads.files.contains_key(&url);
    let sum = ("sha512".to_owned(), made_up_sum(wanted));
    let name = wanted.to_owned();
    let wanted = Wanted {
        volid: format!("{id}:vztmpl/{wanted}"),
        node: call.node().to_owned(),
        storage: id.to_owned(),
        content: "vztmpl".to_owned(),
        url,
        verify: true,
        checksum: (!is_given).then_some(sum),
    };
    call.task("download", name, Vec::new(), move |sim, log| {
        files::take(sim, log, &wanted)
    })
}
