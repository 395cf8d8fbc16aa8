//! What a simulated world begins with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::downloads::Downloads;
use super::profile::Profile;
use super::vm::GuestKind;
use super::world::{Bridge, Login};

const GIB: u64 = 1 << 30;

/// The beginning of a world. [`Seed::default`] is one node `pve` with the
/// storages and the bridge of a fresh installation, and nobody but `root@pam`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// Which Proxmox VE it is.
    pub profile: Profile,
    /// The node's name.
    pub node: String,
    /// Names of other nodes of its cluster, which are like it.
    #[serde(default)]
    pub more_nodes: Vec<String>,
    /// Logical processors of the node.
    pub cpus: u32,
    /// Memory of the node, in bytes.
    pub memory: u64,
    /// The node's storages.
    pub storages: Vec<SeedStorage>,
    /// The node's bridges.
    pub bridges: Vec<Bridge>,
    /// Users besides `root@pam`.
    pub users: Vec<SeedUser>,
    /// API tokens.
    pub tokens: Vec<SeedToken>,
    /// Names of pools.
    pub pools: Vec<String>,
    /// Virtual machines and containers that exist.
    pub vms: Vec<SeedVm>,
    /// What a node finds where it downloads from.
    #[serde(default)]
    pub downloads: Downloads,
    /// Who may log in to nodes by SSH.
    #[serde(default)]
    pub login: Login,
    /// Where the clock stands (Unix seconds) and then moves a second a task;
    /// none: the real time.
    pub clock: Option<i64>,
}

/// A storage of the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedStorage {
    /// Its id, e.g. `local-lvm`.
    pub id: String,
    /// Its type: `dir`, `lvmthin`, `lvm`, `zfspool`, `nfs` ...
    pub kind: String,
    /// What it may hold: `images`, `rootdir`, `iso`, `import`, `vztmpl`,
    /// `backup`, `snippets`.
    pub content: Vec<String>,
    /// Size in bytes.
    pub total: u64,
    /// Bytes used by what is not listed in `files`.
    pub used: u64,
    /// Whether all nodes share it.
    pub shared: bool,
    /// Whether it is mounted.
    pub active: bool,
    /// Whether it is enabled.
    pub enabled: bool,
    /// ISO files, images to import, and the like.
    pub files: Vec<SeedFile>,
}

/// A file on a storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedFile {
    /// Kind and name, e.g. `iso/debian.iso`, `import/debian-13.qcow2`.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Size of the disk that is inside, in bytes; zero: the default.
    pub disk: u64,
}

/// A user of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedUser {
    /// `name@realm`.
    pub id: String,
    /// The password, if it may log in.
    #[serde(default)]
    pub password: Option<String>,
    /// What it may do.
    #[serde(default, alias = "grant")]
    pub grants: Vec<Grant>,
}

/// An API token. A user that is not listed is made, and may do everything, so
/// that with `privsep` the token's own grants are all that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedToken {
    /// `name@realm!id`.
    pub id: String,
    /// The secret, usually a UUID.
    pub secret: String,
    /// Whether its rights are cut to its own grants.
    #[serde(default = "yes")]
    pub privsep: bool,
    /// What it may do.
    #[serde(default, alias = "grant")]
    pub grants: Vec<Grant>,
}

/// Rights on a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// `/`, `/vms/100`, `/storage/local` ...
    pub path: String,
    /// Name of a role that Proxmox VE has, or `None` with `privileges`.
    #[serde(default)]
    pub role: Option<String>,
    /// Privileges; a role is made for them.
    #[serde(default)]
    pub privileges: Vec<String>,
    /// Whether it holds for the paths below.
    #[serde(default = "yes")]
    pub propagate: bool,
}

/// A virtual machine or a container that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedVm {
    /// Its id.
    pub vmid: u32,
    /// What it is.
    #[serde(default)]
    pub kind: GuestKind,
    /// The node it is on; none: the one that answers.
    #[serde(default)]
    pub node: Option<String>,
    /// Its config as the node holds it; drives name their volumes
    /// (`local-lvm:vm-100-disk-0,size=3G`), which are made for it.
    pub config: BTreeMap<String, String>,
    /// Whether it runs.
    pub running: bool,
    /// Whether a system is on its disks, with the guest agent where the config enables
    /// it; in the root of a container.
    #[serde(default)]
    pub system: bool,
    /// Public keys that let root of a container in.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// What holds where nothing is said.
fn yes() -> bool {
    true
}

impl Default for Seed {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            node: "pve".to_owned(),
            more_nodes: Vec::new(),
            cpus: 8,
            memory: 32 * GIB,
            storages: vec![
                SeedStorage::new("local", "dir", &["iso", "vztmpl", "backup", "import"]),
                SeedStorage {
                    total: 400 * GIB,
                    ..SeedStorage::new("local-lvm", "lvmthin", &["images", "rootdir"])
                },
            ],
            bridges: vec![Bridge {
                name: "vmbr0".to_owned(),
                cidr: Some("192.168.1.10/24".to_owned()),
                gateway: Some("192.168.1.1".to_owned()),
                active: true,
            }],
            users: Vec::new(),
            tokens: Vec::new(),
            pools: Vec::new(),
            vms: Vec::new(),
            downloads: Downloads::default(),
            login: Login::default(),
            clock: None,
        }
    }
}

impl SeedStorage {
    /// An empty, active storage of 100 GiB, a tenth of which is used.
    pub fn new(id: &str, kind: &str, content: &[&str]) -> Self {
        Self {
            id: id.to_owned(),
            kind: kind.to_owned(),
            content: content.iter().map(|name| (*name).to_owned()).collect(),
            total: 100 * GIB,
            used: 10 * GIB,
            shared: matches!(kind, "nfs" | "cifs" | "rbd" | "cephfs" | "iscsi"),
            active: true,
            enabled: true,
            files: Vec::new(),
        }
    }
}

impl SeedToken {
    /// A separated token that may do everything.
    pub fn administrator(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            privsep: true,
            grants: vec![Grant::role("/", "Administrator")],
        }
    }

    /// A separated token with these privileges on `/` and below.
    pub fn with_privileges(id: &str, secret: &str, privileges: &[&str]) -> Self {
        Self {
            grants: vec![Grant::privileges("/", privileges)],
            ..Self::administrator(id, secret)
        }
    }
}

impl Grant {
    /// A role on a path and below.
    pub fn role(path: &str, role: &str) -> Self {
        Self {
            path: path.to_owned(),
            role: Some(role.to_owned()),
            privileges: Vec::new(),
            propagate: true,
        }
    }

    /// Privileges on a path and below.
    pub fn privileges(path: &str, privileges: &[&str]) -> Self {
        Self {
            path: path.to_owned(),
            role: None,
            privileges: privileges.iter().map(|name| (*name).to_owned()).collect(),
            propagate: true,
        }
    }
}
