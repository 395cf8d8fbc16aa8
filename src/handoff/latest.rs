//! `state/runs/latest.env`: the handoff from one step to the next, and to
//! other tools. It is parsed and never sourced: a shell would execute what
//! stands in it.

use std::collections::BTreeMap;

use crate::diag::Failure;
use crate::lab::environment::{assignment, read_assignments};
use crate::lab::{self, Paths, variables};

/// Id of the latest run.
pub const RUN_ID: &str = "RUN_ID";
/// When it began, RFC 3339 in UTC.
pub const RUN_TIMESTAMP: &str = "RUN_TIMESTAMP";
/// Whether it changes nothing: `true` or `false`.
pub const DRY_RUN: &str = "DRY_RUN";
/// The API, `https://host:port`.
pub const PROXMOX_API_URL: &str = "PROXMOX_API_URL";
/// The node.
pub const PROXMOX_NODE: &str = "PROXMOX_NODE";
/// Name of the API token.
pub const PROXMOX_TOKEN_ID: &str = "PROXMOX_TOKEN_ID";
/// Where tofu runs.
pub const TERRAFORM_WORKDIR: &str = "TERRAFORM_WORKDIR";
/// The state file.
pub const TFSTATE_PATH: &str = "TFSTATE_PATH";
/// What tofu made, for the tool that configures it.
pub const TERRAFORM_OUTPUT_JSON: &str = "TERRAFORM_OUTPUT_JSON";
/// The inventory.
pub const ANSIBLE_INVENTORY_PATH: &str = "ANSIBLE_INVENTORY_PATH";
/// The last publication, see [`crate::handoff::LastStep`].
pub const LAST_STEP_COMPLETED: &str = "LAST_STEP_COMPLETED";
/// The step that failed.
pub const FAILURE_STEP: &str = "FAILURE_STEP";
/// Why.
pub const FAILURE_REASON: &str = "FAILURE_REASON";

/// What every file has, in this order. Of these, apps and profiles are kept
/// for the code that writes them.
const ALWAYS: [&str; 16] = [
    RUN_ID,
    RUN_TIMESTAMP,
    DRY_RUN,
    "SELECTED_PROFILE",
    "SELECTED_APPS_INSTALL",
    "SELECTED_APPS_UNINSTALL",
    PROXMOX_API_URL,
    PROXMOX_NODE,
    PROXMOX_TOKEN_ID,
    "TEMPLATE_UBUNTU_IMAGE",
    "TEMPLATE_TALOS_IMAGE",
    TERRAFORM_WORKDIR,
    TFSTATE_PATH,
    TERRAFORM_OUTPUT_JSON,
    ANSIBLE_INVENTORY_PATH,
    LAST_STEP_COMPLETED,
];

/// `state/runs/latest.env`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latest {
    values: BTreeMap<String, String>,
}

impl Latest {
    /// The lab's file; `None` when no run has written one.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is no assignment (65).
    pub fn read(paths: &Paths) -> Result<Option<Self>, Failure> {
        let path = paths.latest_env();
        if !path.exists() {
            return Ok(None);
        }
        let values = read_assignments(&path, &paths.show(&path))?;
        Ok(Some(Self { values }))
    }

    /// Replaces the lab's file in one step, 0600.
    ///
    /// # Errors
    /// It cannot be written (73).
    pub fn write(&self, paths: &Paths) -> Result<(), Failure> {
        lab::write(&paths.latest_env(), self.text(), 0o600)
    }

    /// The file as it is written: every key of the contract, empty where
    /// nothing is known, then the rest by name. A name that says it is secret
    /// is left out.
    pub fn text(&self) -> String {
        let rest = self.values.keys().map(String::as_str);
        let rest = rest.filter(|key| !ALWAYS.contains(key) && !variables::is_secret(key));
        let mut text = String::from(
            "# The latest run, written by hl. Parse it, do not source it. It holds no secrets.\n",
        );
        for key in ALWAYS.into_iter().chain(rest) {
            text.push_str(&assignment(key, self.get(key).unwrap_or_default()));
            text.push('\n');
        }
        text
    }

    /// What stands under a key, unless it is empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        let value = self.values.get(key)?;
        (!value.is_empty()).then_some(value)
    }

    /// `true` or `false` under `DRY_RUN`.
    pub fn dry_run(&self) -> Option<bool> {
        self.get(DRY_RUN)?.parse().ok()
    }

    /// All that is set, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.values.iter();
        pairs.filter_map(|(key, value)| {
            (!value.is_empty()).then_some((key.as_str(), value.as_str()))
        })
    }

    /// Sets a key.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.values.insert(key.to_owned(), value.into());
    }

    /// Takes a key away; one that every file has is then empty.
    pub fn unset(&mut self, key: &str) {
        self.values.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8Path;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_key_of_the_contract_is_there_and_values_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        assert_eq!(Latest::read(&paths).unwrap(), None);
        let mut latest = Latest::default();
        latest.set(RUN_ID, "20260101-000000-3f9c");
        latest.set(FAILURE_REASON, "a|b & c=d\n`x` \"$y\" 'z'");
        latest.set("SELECTED_APPS_INSTALL", "nala,docker");
        latest.set("TEMPLATE_DEBIAN_13_IMAGE", "9001");
        latest.set("GITHUB_TOKEN", "of someone else");
        latest.write(&paths).unwrap();
        let text = std::fs::read_to_string(paths.latest_env()).unwrap();
        for key in ALWAYS {
            assert!(text.contains(&format!("\n{key}=\"")), "{key} in {text}");
        }
        assert!(!text.contains("GITHUB_TOKEN"), "{text}");
        let read = Latest::read(&paths).unwrap().unwrap();
        assert_eq!(read.get(FAILURE_REASON), latest.get(FAILURE_REASON));
        assert_eq!(read.get("TEMPLATE_DEBIAN_13_IMAGE"), Some("9001"));
        assert_eq!(read.get(PROXMOX_NODE), None);
        assert_eq!(read.iter().count(), 4);
        let mode = std::fs::metadata(paths.latest_env()).unwrap().permissions();
        assert_eq!(mode.mode() & 0o7777, 0o600);
    }
}
