//! `ct.template`: what containers are unpacked from is on the node; one that is not
//! there, and that the node can download, is downloaded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::archive::{Archive, CONTENT, best};
use super::downloaded::note;
use crate::action;
use crate::action::{About, Action, Done, StepContext};
use crate::base::{count, ticked};
use crate::diag::{Exit, StepError, did_you_mean};
use crate::pve::{Client, Volume};
use crate::site::{self, MachineKind};

/// `ct.template`
#[derive(Debug, Clone, Copy)]
pub struct CtTemplate;

/// How long the node may take for a download; an archive has some hundred megabytes.
const DOWNLOAD: Duration = Duration::from_mins(30);

/// Containers are made at once, and two of one image need one download.
static ONE_LOOKS: Mutex<()> = Mutex::new(());

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Proxmox node.
    #[schemars(length(max = 100))]
    node: String,
    /// Environment whose containers are meant.
    #[serde(default)]
    #[schemars(length(max = 100))]
    env: String,
    /// Images beside those of the environment: `debian-13` is the newest
    /// `debian-13-standard`; a package, a file, or a volume name themselves.
    #[serde(default)]
    images: Vec<String>,
    /// Name of the state of the machine that it is for: `machine.remove` takes away what
    /// the node downloaded for it in the same run.
    #[serde(default)]
    #[schemars(length(max = 300))]
    key: String,
}

/// What stands behind an image.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// A volume of the node.
    There(String),
    /// A file that the node can download to a storage.
    Offered { storage: String, file: String },
}

impl Found {
    fn volid(&self) -> String {
        match self {
            Self::There(volid) => volid.clone(),
            Self::Offered { storage, file } => format!("{storage}:{CONTENT}/{file}"),
        }
    }
}

impl Action for CtTemplate {
    fn about(&self) -> About {
        About::of::<Inputs>("ct.template")
            .doc(
                "brings the templates of containers to the node; publishes `templates`, volumes \
                 by image, and of a single one `template`",
            )
            .repeatable()
            .undone_by("machine.remove")
            .never("it looks for the newest that the node has now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        all(ctx, false)
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        all(ctx, true)
    }
}

fn all(ctx: &StepContext<'_>, fetch: bool) -> Result<Done, StepError> {
    let inputs: Inputs = ctx.inputs()?;
    let mut images: BTreeSet<String> = inputs.images.iter().cloned().collect();
    if !inputs.env.is_empty() {
        let env = site::machines(&action::site::tree(ctx.lab), &inputs.env)?;
        let containers = env.vms.into_iter().filter(|vm| vm.kind == MachineKind::Ct);
        images.extend(containers.map(|vm| vm.image));
    }
    if images.is_empty() {
        return Ok(Done::skipped("no containers").output("templates", Map::new()));
    }
    // It guards no data that a panic could have left half-made.
    let _one = ONE_LOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    let client = ctx.pve()?;
    let node = action::site::node(ctx, &inputs.node).to_owned();
    let shelf = Shelf::of(ctx, &client, &node)?;
    let mut found = BTreeMap::new();
    for image in images {
        found.insert(image.clone(), shelf.find(&client, &image)?);
    }
    let mut new = Vec::new();
    for (image, found) in &found {
        let Found::Offered { storage, file } = found else {
            continue;
        };
        if new.contains(&found.volid()) {
            continue;
        }
        if fetch {
            if !inputs.key.is_empty() {
                note(ctx, &inputs.key, &found.volid())?;
            }
            download(ctx, &client, &node, storage, file)?;
            ctx.note(format!("downloaded {file} to `{storage}` for `{image}`"));
        } else {
            ctx.note(format!(
                "would let the node download {file} to `{storage}` for `{image}`"
            ));
        }
        new.push(found.volid());
    }
    let summary = match (new.len(), fetch) {
        (0, _) => format!("{} there", count(found.len(), "template")),
        (some, true) => format!("{} downloaded", count(some, "template")),
        (some, false) => format!("would download {}", count(some, "template")),
    };
    let templates: Map<String, Value> = found
        .into_iter()
        .map(|(image, found)| (image, Value::from(found.volid())))
        .collect();
    let one = templates.values().next().filter(|_| templates.len() == 1);
    let mut done = Done::new(summary).changed(!new.is_empty());
    if let Some(one) = one.cloned() {
        done = done.output("template", one);
    }
    Ok(done.output("templates", templates))
}

/// The archives of a node, and where more may be put.
struct Shelf {
    node: String,
    volumes: Vec<Volume>,
    storage: Option<String>,
}

impl Shelf {
    fn of(ctx: &StepContext<'_>, client: &Client, node: &str) -> Result<Self, StepError> {
        let storages = client.storages(node)?;
        let holds = |storage: &&crate::pve::Storage| {
            storage.enabled && storage.active && storage.holds(CONTENT)
        };
        let names: Vec<String> = storages
            .iter()
            .filter(holds)
            .map(|storage| storage.storage.clone())
            .collect();
        let mut volumes = Vec::new();
        for name in &names {
            volumes.extend(client.storage_content(node, name, Some(CONTENT))?);
        }
        let usual = ctx.env.get("PVE_STORAGE_ISO").unwrap_or("local");
        let storage = names.iter().find(|name| *name == usual).or(names.first());
        Ok(Self {
            node: node.to_owned(),
            storage: storage.cloned(),
            volumes,
        })
    }

    fn find(&self, client: &Client, image: &str) -> Result<Found, StepError> {
        if image.contains(':') {
            let there = self.volumes.iter().any(|volume| volume.volid == image);
            if there {
                return Ok(Found::There(image.to_owned()));
            }
            let node = &self.node;
            return Err(StepError::new(format!(
                "there is no container template `{image}` on `{node}`"
            ))
            .exit(Exit::Unknown)
            .helps(did_you_mean(
                image,
                self.volumes.iter().map(|volume| volume.volid.as_str()),
            )));
        }
        let mine = best(image, &self.volumes, |volume| {
            Archive::of_volume(&volume.volid)
        });
        if let Some(volume) = mine {
            return Ok(Found::There(volume.volid.clone()));
        }
        let offered = client.appliances(&self.node)?;
        let chosen = best(image, &offered, |one| Archive::of(&one.template));
        let Some(chosen) = chosen else {
            let node = &self.node;
            let packages: BTreeSet<&str> = offered.iter().map(|one| one.package.as_str()).collect();
            return Err(StepError::new(format!(
                "`{node}` has no container template `{image}`, and can download none"
            ))
            .exit(Exit::Unknown)
            .helps(did_you_mean(image, packages.iter().copied()))
            .help(format!(
                "on `{node}`: `pveam update`, then `pveam available` lists what it can download"
            )));
        };
        let Some(storage) = self.storage.clone() else {
            let node = &self.node;
            return Err(StepError::new(format!(
                "no storage of `{node}` holds container templates, which {} needs",
                ticked([image])
            ))
            .exit(Exit::Runway)
            .help(format!(
                "on `{node}`: `pvesm set local --content` with all that it holds, and `{CONTENT}`"
            )));
        };
        Ok(Found::Offered {
            storage,
            file: chosen.template.clone(),
        })
    }
}

fn download(
    ctx: &StepContext<'_>,
    client: &Client,
    node: &str,
    storage: &str,
    file: &str,
) -> Result<(), StepError> {
    ctx.progress(format!("downloading {file}"));
    let task = client.download_appliance(node, storage, file)?;
    client.watch_task(&task, ctx.cancel, DOWNLOAD, &mut |line| ctx.output(line))?;
    Ok(())
}
