//! What a storage and a volume are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A storage, as configured for the whole cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// Its type: `dir`, `lvmthin` ...
    pub kind: String,
    /// What it may hold.
    pub content: Vec<String>,
    /// Size in bytes.
    pub total: u64,
    /// Bytes used by what is not a volume here.
    pub base_used: u64,
    /// Whether all nodes share it.
    pub shared: bool,
    /// Whether it is mounted.
    pub active: bool,
    /// Whether it is enabled.
    pub enabled: bool,
    /// The nodes that have it; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Other keys of its definition: `path`, `vgname`, `prune-backups` ...
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

impl Storage {
    /// Whether volumes are files in directories: `local:100/vm-100-disk-0.raw`.
    pub(super) fn has_paths(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "dir" | "nfs" | "cifs" | "cephfs" | "btrfs" | "glusterfs"
        )
    }

    /// How the names of its disks of a format end.
    pub(super) fn suffix(&self, format: &str) -> String {
        if self.has_paths() {
            format!(".{format}")
        } else {
            String::new()
        }
    }

    /// Whether the name of a linked clone holds the name of its base.
    pub(super) fn names_parent(&self) -> bool {
        self.has_paths() || matches!(self.kind.as_str(), "zfspool" | "rbd")
    }

    /// Whether a node has it.
    pub(super) fn is_on(&self, node: &str) -> bool {
        self.nodes.is_empty() || self.nodes.iter().any(|own| own == node)
    }

    /// Its directory, when it has one.
    pub(super) fn path(&self, id: &str) -> Option<String> {
        if let Some(path) = self.options.get("path") {
            return Some(path.clone());
        }
        match self.kind.as_str() {
            "dir" | "btrfs" if id == "local" => Some("/var/lib/vz".to_owned()),
            _ if self.has_paths() => Some(format!("/mnt/pve/{id}")),
            _ => None,
        }
    }
}

/// A volume: a disk, an ISO, an image to import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// `storage:name`.
    pub volid: String,
    /// The node it is on.
    pub node: String,
    /// `images`, `iso`, `import` ...
    pub content: String,
    /// `raw`, `qcow2`, `iso` ...
    pub format: String,
    /// Bytes it shows: for a disk its virtual size.
    pub size: u64,
    /// Bytes it takes.
    pub used: u64,
    /// For an image to import: the size of the disk inside.
    pub disk: u64,
    /// Unix time it was made.
    pub ctime: i64,
    /// The VM it belongs to.
    pub vmid: Option<u32>,
    /// The base of a linked clone.
    pub parent: Option<String>,
    /// `algorithm:hex`, when it was declared or computed.
    pub checksum: Option<String>,
    /// Its text, for small uploads; of a backup the config in it.
    pub text: Option<String>,
    /// What somebody noted beside a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Whether a backup may not be removed.
    #[serde(default)]
    pub protected: bool,
}

impl Volume {
    /// Storage and name.
    pub(super) fn split(&self) -> (&str, &str) {
        self.volid.split_once(':').unwrap_or((&self.volid, ""))
    }

    /// Whether it is a disk of a guest.
    pub(super) fn is_disk(&self) -> bool {
        matches!(self.content.as_str(), "images" | "rootdir")
    }

    /// Its storage.
    pub(super) fn storage(&self) -> &str {
        self.split().0
    }
}

/// The format of a file, as lists have it: by how its name ends.
pub(super) fn format_of(name: &str) -> &str {
    let template = [("gz", "tgz"), ("xz", "txz"), ("zst", "tzst")];
    let mut parts = name.rsplit('.');
    let last = parts.next().unwrap_or_default();
    let packed = template.iter().find(|(end, _)| *end == last);
    match packed {
        Some((_, format)) if parts.next() == Some("tar") => format,
        _ => last,
    }
}
