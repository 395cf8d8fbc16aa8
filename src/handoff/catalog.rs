//! `state/cache/templates/manifest.json`: the templates and installer images
//! of the lab, for other tools. L1 writes it; the records themselves are in
//! `templates/`.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

use crate::diag::{Exit, Failure};
use crate::lab::{self, Paths};

/// The families that have a key of their own, and a variable in `latest.env`.
pub const FAMILIES: [&str; 2] = ["ubuntu", "talos"];

/// All templates and images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// When it last changed, RFC 3339 in UTC.
    pub generated_at: String,
    /// The newest whose name begins with `ubuntu`.
    pub ubuntu: Option<Image>,
    /// The newest whose name begins with `talos`.
    pub talos: Option<Image>,
    /// All of them by name.
    pub templates: BTreeMap<String, Image>,
}

/// A template, or an installer image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// `vm` or `iso`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where the vendor's image came from; nothing when it was not made of one.
    pub source: Option<String>,
    /// That image's file.
    pub filename: Option<String>,
    /// The record of the build, relative to the lab.
    pub path: String,
    /// Number of the template on the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxmox_template_id: Option<u32>,
    /// Volume of an installer image: `local:iso/debian.iso`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// The node it is on.
    pub node: String,
    /// When it was built: `YYYYMMDD-HHMMSS`, UTC.
    pub stamp: String,
}

impl Image {
    /// What a step that uses it has to name: the number of a template, the
    /// volume of an image.
    pub fn handle(&self) -> String {
        let id = self.proxmox_template_id.map(|id| id.to_string());
        id.or_else(|| self.volume.clone()).unwrap_or_default()
    }
}

impl Catalog {
    /// The catalog of these images; `now` is when it was made.
    pub fn of(templates: BTreeMap<String, Image>, now: String) -> Self {
        let newest = |family: &str| {
            let of_it = templates
                .iter()
                .filter(|(name, _)| name.starts_with(family));
            of_it
                .max_by(|(_, a), (_, b)| a.stamp.cmp(&b.stamp))
                .map(|(_, image)| image.clone())
        };
        let [ubuntu, talos] = FAMILIES.map(newest);
        Self {
            generated_at: now,
            ubuntu,
            talos,
            templates,
        }
    }

    /// The lab's catalog; empty when there is none, or one that means nothing:
    /// it is made again from the records.
    pub fn read(paths: &Paths) -> Self {
        let text = fs::read_to_string(paths.templates_manifest()).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Replaces the lab's catalog, unless it says the same already.
    ///
    /// # Errors
    /// It cannot be written (73).
    pub fn write(&self, paths: &Paths) -> Result<(), Failure> {
        let same = Self::read(paths).templates == self.templates;
        if same && paths.templates_manifest().is_file() {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(self).map_err(|error| {
            Failure::message(Exit::Bug, format!("cannot write the catalog: {error}"))
        })?;
        lab::write(&paths.templates_manifest(), format!("{text}\n"), 0o600)
    }

    /// The variables of `latest.env`: `TEMPLATE_NAME_IMAGE` for each template,
    /// and for each family.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let families = [("ubuntu", &self.ubuntu), ("talos", &self.talos)];
        let families = families
            .into_iter()
            .filter_map(|(name, image)| Some((name, image.as_ref()?)));
        let all = self
            .templates
            .iter()
            .map(|(name, image)| (name.as_str(), image));
        all.chain(families)
            .map(|(name, image)| (variable(name), image.handle()))
            .collect()
    }
}

/// `TEMPLATE_DEBIAN_13_IMAGE`
fn variable(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    format!(
        "TEMPLATE_{}_IMAGE",
        name.chars().map(plain).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8Path;

    fn image(id: u32, stamp: &str) -> Image {
        Image {
            kind: "vm".to_owned(),
            source: None,
            filename: None,
            path: format!("templates/x/artifacts/vm-template-{stamp}.json"),
            proxmox_template_id: Some(id),
            volume: None,
            node: "pve".to_owned(),
            stamp: stamp.to_owned(),
        }
    }

    #[test]
    fn templates_become_variables_and_families_the_newest_of_theirs() {
        let catalog = Catalog::of(
            BTreeMap::from([
                ("debian-13".to_owned(), image(100, "20260103-000000")),
                ("ubuntu-22.04".to_owned(), image(102, "20260102-000000")),
                ("ubuntu-24.04".to_owned(), image(101, "20260101-000000")),
            ]),
            "now".to_owned(),
        );
        let variables: Vec<String> = catalog
            .variables()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            variables,
            [
                "TEMPLATE_DEBIAN_13_IMAGE=100",
                "TEMPLATE_UBUNTU_22_04_IMAGE=102",
                "TEMPLATE_UBUNTU_24_04_IMAGE=101",
                "TEMPLATE_UBUNTU_IMAGE=102",
            ]
        );
    }

    #[test]
    fn it_is_written_when_it_says_something_new_and_has_the_keys_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        assert_eq!(Catalog::read(&paths), Catalog::default());
        let one = BTreeMap::from([("ubuntu-24.04".to_owned(), image(101, "20260101-000000"))]);
        let first = Catalog::of(one.clone(), "then".to_owned());
        first.write(&paths).unwrap();
        Catalog::of(one, "later".to_owned()).write(&paths).unwrap();
        assert_eq!(Catalog::read(&paths), first);
        let text = fs::read_to_string(paths.templates_manifest()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["ubuntu"]["proxmox_template_id"], 101);
        assert_eq!(value["ubuntu"]["type"], "vm");
        assert!(value["talos"].is_null() && value["generated_at"] == "then");
        fs::write(paths.templates_manifest(), "{").unwrap();
        first.write(&paths).unwrap();
        assert_eq!(Catalog::read(&paths), first);
    }
}
