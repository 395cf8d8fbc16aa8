//! What `hl templates` shows: the builds of every template, with what of them
//! still exists on the node.

use std::collections::BTreeSet;

use serde::Serialize;

use super::clones::clones;
use super::digest::inputs_digest;
use super::in_use::pin_in_use;
use super::inventory::{Entry, TemplateInventory};
use super::manifest::Manifest;
use super::node;
use super::node::Found;
use super::source;
use super::source::Template;
use super::store::TemplateStore;
use crate::diag::StepError;
use crate::diag::{Advice, hl, say};
use crate::lab::{Environment, Paths};
use crate::pve::Client;

/// A template and its builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TemplateRow {
    /// Its name.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// The lab defines it.
    pub defined: bool,
    /// The promoted build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable: Option<String>,
    /// Why `hl l1` would build it; nothing when it is up to date, or when
    /// nobody could be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<String>,
    /// Its builds, newest first.
    pub builds: Vec<BuildRow>,
}

/// A build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuildRow {
    /// `YYYYMMDD-HHMMSS`
    pub stamp: String,
    /// Proxmox node.
    pub node: String,
    /// Its number.
    pub vmid: u32,
    /// What it is called on the node.
    pub vm_name: String,
    /// Storage of its disk.
    pub storage: String,
    /// RFC 3339.
    pub created_at: String,
    /// It is the promoted one.
    pub stable: bool,
    /// Number of the promotion on its node that made it stable: `hl templates
    /// rollback` goes back by these. Absent when it never was, when it was
    /// rolled back from, and when nobody could be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promotion: Option<u32>,
    /// Whether its VM is there; absent when the node was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// Its manifest is not here, the node's notes tell of it.
    pub only_on_node: bool,
    /// Digest of what it was built from.
    pub inputs_digest: String,
    /// Its image's checksum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// VMs that are linked clones of it; only [`show`] looks for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub linked_clones: Vec<u32>,
}

/// The templates of the lab, and those that records or the node tell of. With
/// no client nothing is contacted, and what exists is not known.
///
/// # Errors
/// The API does not answer, or a record cannot be read.
pub fn list(
    paths: &Paths,
    env: &Environment,
    client: Option<&Client>,
) -> Result<Vec<TemplateRow>, StepError> {
    let found = client.map(node::templates).transpose()?;
    names(paths, found.as_deref())
        .into_iter()
        .map(|name| row(paths, env, &name, found.as_deref()).map(|(_, row)| row))
        .collect()
}

/// One template, with the linked clones of each build.
///
/// # Errors
/// There is none of that name (66), the API does not answer, or a record
/// cannot be read.
pub fn show(
    paths: &Paths,
    env: &Environment,
    client: Option<&Client>,
    name: &str,
) -> Result<TemplateRow, StepError> {
    let found = client.map(node::templates).transpose()?;
    let names = names(paths, found.as_deref());
    if !names.contains(name) {
        let error = StepError::new(format!("there is no template `{name}`"))
            .exit(crate::diag::Exit::Unknown);
        let help = crate::diag::did_you_mean(name, names.iter().map(String::as_str));
        return Err(
            error.help(help.map_or_else(|| hl("templates").say(" lists them"), Advice::from))
        );
    }
    let (known, mut row) = row(paths, env, name, found.as_deref())?;
    if let Some(client) = client {
        for (build, entry) in row.builds.iter_mut().zip(known.entries.iter().rev()) {
            if entry.vm.is_some() {
                build.linked_clones = clones(client, &entry.manifest)?;
            }
        }
    }
    Ok(row)
}

/// Defined ones, those with records, and those on the node.
fn names(paths: &Paths, found: Option<&[Found]>) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = source::templates(paths).into_iter().collect();
    if let Ok(entries) = paths.templates().read_dir_utf8() {
        let recorded = |name: &str| {
            let artifacts = paths.template(name).join("artifacts");
            artifacts.read_dir_utf8().is_ok_and(|files| {
                files
                    .filter_map(Result::ok)
                    .any(|file| file.file_name().starts_with("vm-template-"))
            })
        };
        let dirs = entries
            .filter_map(Result::ok)
            .map(|e| e.file_name().to_owned());
        names.extend(dirs.filter(|name| recorded(name)));
    }
    let on_node = found
        .into_iter()
        .flatten()
        .filter_map(|vm| vm.notes.as_ref());
    names.extend(on_node.map(|notes| notes.name.clone()));
    names
}

fn row(
    paths: &Paths,
    env: &Environment,
    name: &str,
    found: Option<&[Found]>,
) -> Result<(TemplateInventory, TemplateRow), StepError> {
    let known = TemplateInventory::read(paths, name, found.unwrap_or_default())?;
    let template = Template::read(paths, name).ok();
    let described = template.as_ref().map(|t| t.spec.description.clone());
    let newest = known.entries.last().map(|e| e.manifest.description.clone());
    let stale = match (&template, found, env.get("PVE_NODE")) {
        (Some(template), Some(_), Some(node)) => {
            let pin = pin_in_use(paths, template, known.pin.as_ref())?;
            let digest = inputs_digest(template, pin.as_ref())
                .map_err(|error| StepError::io("read the files of", &template.dir, &error))?;
            known.stale(node, Some(&digest))
        }
        _ => None,
    };
    let row = TemplateRow {
        name: name.to_owned(),
        description: described.or(newest).unwrap_or_default(),
        defined: template.is_some(),
        stable: known.stable.as_ref().map(ToString::to_string),
        stale,
        builds: known
            .entries
            .iter()
            .rev()
            .map(|entry| build(entry, &known, found.is_some()))
            .collect(),
    };
    Ok((known, row))
}

fn build(entry: &Entry, known: &TemplateInventory, asked: bool) -> BuildRow {
    let manifest = &entry.manifest;
    BuildRow {
        stamp: manifest.stamp.to_string(),
        node: manifest.node.clone(),
        vmid: manifest.vmid,
        vm_name: manifest.vm_name.clone(),
        storage: manifest.storage.clone(),
        created_at: manifest.created_at.clone(),
        stable: known.stable.as_ref() == Some(&manifest.stamp),
        promotion: entry.promotion(),
        exists: asked.then_some(entry.vm.is_some()),
        only_on_node: entry.only_on_node,
        inputs_digest: manifest.inputs_digest.clone(),
        image: manifest
            .image
            .as_ref()
            .map(crate::templates::pin::Pin::checksum),
        linked_clones: Vec::new(),
    }
}

/// The manifest of a template's stable build, for those who make machines of
/// it on `node`: the one of that node, else one on storage that all nodes
/// share. When it is not here, the node's notes are asked, and with `write` it
/// is written here again; a build never happens.
///
/// # Errors
/// There is no stable build for that node, or the API does not answer.
pub fn stable(
    paths: &Paths,
    client: &Client,
    name: &str,
    node: &str,
    write: bool,
) -> Result<Manifest, StepError> {
    let store = TemplateStore::new(paths.template(name));
    let pointed = [
        store.stable_on::<Manifest>(node)?,
        store.stable::<Manifest>()?,
    ];
    if pointed.iter().any(Option::is_some) {
        let records = store.records::<Manifest>()?;
        for stamp in pointed.iter().flatten() {
            let here = |m: &&Manifest| m.stamp == *stamp && m.node == node;
            if let Some(manifest) = records.iter().find(here) {
                return Ok(manifest.clone());
            }
        }
    }
    let found = node::templates(client)?;
    let mut known = TemplateInventory::read(paths, name, &found)?;
    if write {
        known.restore()?;
    }
    let here = known.marked_on(node).map(|entry| entry.manifest.clone());
    if let Some(manifest) = here {
        if write {
            store.point_on::<Manifest>(node, &manifest.stamp)?;
        }
        return Ok(manifest);
    }
    let promoted = known.promoted().map(|entry| entry.manifest.clone());
    let elsewhere = match promoted {
        // As a lab without other nodes has it.
        Some(manifest) if manifest.node == node => return Ok(manifest),
        Some(manifest) if is_shared(client, &manifest)? => return Ok(manifest),
        other => other,
    };
    Err(none_stable(&known, name, node, elsewhere))
}

/// Whether every node of the cluster can clone from its storage.
fn is_shared(client: &Client, manifest: &Manifest) -> Result<bool, StepError> {
    let known = client.nodes()?.iter().any(|n| n.node == manifest.node);
    if !known {
        return Ok(false);
    }
    let storages = client.storages(&manifest.node)?;
    Ok(storages
        .iter()
        .any(|storage| storage.storage == manifest.storage && storage.shared))
}

fn none_stable(
    known: &TemplateInventory,
    name: &str,
    node: &str,
    elsewhere: Option<Manifest>,
) -> StepError {
    let error = match elsewhere {
        Some(Manifest {
            node: other,
            storage,
            ..
        }) => StepError::new(format!(
            "there is no stable template `{name}` on `{node}`: the one on `{other}` is on `{storage}`, which `{node}` does not share"
        )),
        None => StepError::new(format!("there is no stable template `{name}`")),
    };
    let error = error.exit(crate::diag::Exit::Unknown);
    match known.newest(node) {
        Some(entry) => error.help(
            say("promote a build: ")
                .hl(format!("templates promote {name} {}", entry.manifest.stamp)),
        ),
        None if known.entries.iter().any(|e| e.manifest.node != node) => {
            error.help(say("build it: ").hl(format!("l1-template {name} --node {node}")))
        }
        None => error.help(say("build it: ").hl(format!("l1-template {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::manifest::sample;
    use camino::Utf8Path;

    #[test]
    fn without_a_node_records_are_listed_and_existence_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        let store = TemplateStore::new(paths.template("debian-13"));
        let (old, new) = (
            sample("20260101-120000", 101),
            sample("20260102-120000", 102),
        );
        store.write(&old).unwrap();
        store.write(&new).unwrap();
        store.point::<Manifest>(&old.stamp).unwrap();
        std::fs::create_dir_all(paths.template("an-iso").join("artifacts")).unwrap();
        let rows = list(&paths, &Environment::default(), None).unwrap();
        assert_eq!(rows.len(), 1);
        let row = &rows[0];
        assert_eq!(
            (row.name.as_str(), row.defined, row.stale.as_ref()),
            ("debian-13", false, None)
        );
        assert_eq!(row.stable.as_deref(), Some("20260101-120000"));
        let vmids: Vec<u32> = row.builds.iter().map(|b| b.vmid).collect();
        assert_eq!(vmids, [102, 101]);
        assert!(row.builds[1].stable && row.builds[1].exists.is_none());
        let json = serde_json::to_value(row).unwrap();
        assert!(json["builds"][0].get("exists").is_none());
        let error = show(&paths, &Environment::default(), None, "debian-31").unwrap_err();
        assert_eq!(error.help, [say("did you mean `debian-13`?")]);
    }
}
