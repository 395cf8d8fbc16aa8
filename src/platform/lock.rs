//! `platform/lock.json`: what was rendered, from what.

use std::collections::BTreeMap;
use std::fs;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::version::version;
use crate::base::if_there;
use crate::diag::{Exit, Failure, hl, say};
use crate::lab::Paths;

/// Its name, in `platform/`.
pub(super) const FILE: &str = "lock.json";

/// This `hl`.
pub(super) const THIS: &str = env!("CARGO_PKG_VERSION");

/// The format that this `hl` writes.
const VERSION: u32 = 1;

/// What was rendered, from what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Format version.
    pub version: u32,
    /// The environment that it was rendered for.
    pub environment: String,
    /// The `hl` that rendered it.
    pub hl_version: String,
    /// Over what `platform.yaml` says; comments and the order of keys do not count.
    pub platform_hash: String,
    /// Over the names, modes and contents of `generated/`.
    pub artifacts_hash: String,
    /// Over `pipeline.yaml`.
    pub pipeline_hash: String,
    /// The adapters.
    pub adapters: BTreeMap<String, LockedAdapter>,
}

/// An adapter of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedAdapter {
    /// Its own version.
    pub version: String,
    /// The version of its product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Its phase.
    pub phase: String,
    /// Its group.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Over what it is told.
    pub config_hash: String,
    /// Over its folder.
    pub adapter_hash: String,
    /// Its files outside of its own folder in `generated/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub root_files: Vec<Utf8PathBuf>,
}

impl Lock {
    /// A lock of this `hl`, without hashes.
    pub(super) fn new(environment: &str) -> Self {
        Self {
            version: VERSION,
            environment: environment.to_owned(),
            hl_version: THIS.to_owned(),
            platform_hash: String::new(),
            artifacts_hash: String::new(),
            pipeline_hash: String::new(),
            adapters: BTreeMap::new(),
        }
    }

    /// The text of the file.
    pub fn text(&self) -> Result<String, Failure> {
        let text = serde_json::to_string_pretty(self).map_err(|error| {
            Failure::message(Exit::Bug, format!("cannot write `{FILE}`: {error}"))
        })?;
        Ok(text + "\n")
    }

    /// The lock of a lab; nothing where nothing was rendered.
    ///
    /// # Errors
    /// It cannot be read (65), a newer `hl` wrote it (76).
    pub fn read(paths: &Paths) -> Result<Option<Self>, Failure> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
            #[serde(default)]
            hl_version: String,
        }
        let path = paths.platform().join(FILE);
        let shown = paths.show(&path);
        let cannot = |why: &dyn std::fmt::Display| {
            let message = format!("cannot read `{shown}`: {why}");
            Failure::message(Exit::Definition, message)
                .help(say("remove it, then ").hl("platform render"))
        };
        let text = if_there(fs::read_to_string(&path)).map_err(|error| cannot(&error))?;
        let Some(text) = text else {
            return Ok(None);
        };
        let head: Head = serde_json::from_str(&text).map_err(|error| cannot(&error))?;
        let newer = if head.version > VERSION {
            let format = head.version;
            format!("`{shown}` is in format {format}, this hl reads up to {VERSION}")
        } else if version(&head.hl_version) > version(THIS) {
            let by = head.hl_version;
            format!("the platform was rendered by hl {by}, this is hl {THIS}")
        } else {
            return serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| cannot(&error));
        };
        Err(Failure::message(Exit::Newer, newer).help("use the newer hl that wrote it"))
    }

    /// That no newer `hl` rendered what is there. What cannot be read is the caller's to
    /// replace.
    ///
    /// # Errors
    /// One did (76).
    pub fn is_not_newer(paths: &Paths) -> Result<(), Failure> {
        match Self::read(paths) {
            Err(failure) if failure.exit == Exit::Newer => Err(failure),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Whether an older `hl` rendered it.
    pub(super) fn is_older(&self) -> bool {
        version(&self.hl_version) < version(THIS)
    }

    /// The lock of a lab in which something must have been rendered.
    ///
    /// # Errors
    /// As of [`Lock::read`]; there is none (65).
    pub fn wanted(paths: &Paths) -> Result<Self, Failure> {
        Self::read(paths)?.ok_or_else(|| {
            let shown = paths.show(&paths.platform().join(FILE));
            let message = format!("there is no `{shown}`: nothing was rendered yet");
            Failure::message(Exit::Definition, message).help(hl("platform render"))
        })
    }
}
