//! The state of a simulated cluster: plain data, and the questions that every
//! handler asks of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::certs;
use super::downloads::Downloads;
use super::fields::Fields;
use super::hex;
use super::profile::Profile;
use super::task::Task;
use super::vm::Vm;
use super::volume::{Storage, Volume};

/// The version of the file that a world is saved in.
pub(super) const FORMAT: u32 = 1;

/// Everything that the simulator knows; made by [`World::seeded`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Version of this shape.
    pub(super) format: u32,
    /// Which Proxmox VE it is.
    pub profile: Profile,
    /// The nodes; the first one answers.
    pub nodes: Vec<Node>,
    /// Storages by id.
    pub storages: BTreeMap<String, Storage>,
    /// Volumes on them.
    pub volumes: Vec<Volume>,
    /// Users by `name@realm`.
    pub users: BTreeMap<String, User>,
    /// Tokens by `name@realm!id`.
    pub tokens: BTreeMap<String, Token>,
    /// Roles: name to privileges.
    pub roles: BTreeMap<String, BTreeSet<String>>,
    /// The access control list.
    pub acl: Vec<AclEntry>,
    /// Groups of users by id.
    #[serde(default)]
    pub groups: BTreeMap<String, Group>,
    /// Realms besides `pam` and `pve`: their keys by id.
    #[serde(default)]
    pub realms: BTreeMap<String, BTreeMap<String, String>>,
    /// Tables that are kept as they are written: firewall, HA, SDN, options.
    #[serde(default)]
    pub(super) kept: BTreeMap<String, Vec<Fields>>,
    /// Pools by id.
    pub pools: BTreeMap<String, Pool>,
    /// Virtual machines by id.
    pub vms: BTreeMap<u32, Vm>,
    /// Tasks, oldest first.
    pub tasks: Vec<Task>,
    /// Disks that a seed names and nobody has made yet: volume and image.
    pub(super) unmade: Vec<(String, Option<String>)>,
    /// Tasks that ran when it was saved, and that nobody works on any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) begun: Vec<Begun>,
    /// What a node finds where it downloads from.
    #[serde(default = "Downloads::taken")]
    pub downloads: Downloads,
    /// Who may log in to the nodes' own systems.
    #[serde(default)]
    pub login: Login,
    /// Where the clock stands; none: the real time.
    pub(super) clock: Option<i64>,
    /// What tickets are signed with.
    pub(super) secret: String,
    /// The fingerprint of the certificate that is served just now.
    #[serde(skip)]
    pub(super) fingerprint: String,
    /// Counts everything that needs a number of its own.
    pub(super) counter: u64,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Logical processors.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// Whether it is online.
    pub online: bool,
    /// Unix time of its boot.
    pub booted: i64,
    /// Its bridges.
    pub bridges: Vec<Bridge>,
    /// All its interfaces, once somebody changed them; until then there is a port for
    /// each bridge and nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) interfaces: Vec<Interface>,
    /// The interfaces as they are to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pending: Option<Vec<Interface>>,
    /// What else is set on it: `dns`, `hosts`, `time`, `config`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) settings: BTreeMap<String, Fields>,
}

/// Who may log in to nodes by SSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Login {
    /// The user; another one than root has `sudo`.
    pub user: String,
    /// Public keys, as `authorized_keys` has them.
    pub keys: Vec<String>,
}

impl Default for Login {
    fn default() -> Self {
        Self {
            user: "root".to_owned(),
            keys: Vec::new(),
        }
    }
}

/// A network bridge of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    /// Its name.
    pub name: String,
    /// The node's address on it.
    pub cidr: Option<String>,
    /// The gateway behind it.
    pub gateway: Option<String>,
    /// Whether it is up.
    #[serde(default = "up")]
    pub active: bool,
}

/// What a bridge is of which nothing is said.
fn up() -> bool {
    true
}

/// A network interface, as the file of a node has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Interface {
    /// Its name.
    pub(super) name: String,
    /// Whether it is up.
    pub(super) active: bool,
    /// `type`, `cidr`, `bridge_ports` ... as a client gives them.
    pub(super) keys: Fields,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The password; none: no login.
    pub password: Option<String>,
    /// Whether the user may log in and use tokens.
    pub enabled: bool,
    /// Unix time from which on it may not; zero: never.
    #[serde(default)]
    pub expire: i64,
    /// `firstname`, `lastname`, `email`, `comment`, `keys`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub about: BTreeMap<String, String>,
}

impl User {
    /// Whether the user may do anything at a time.
    pub(super) fn is_active(&self, now: i64) -> bool {
        self.enabled && !self.is_expired(now)
    }

    /// Whether the user's time is over.
    pub(super) fn is_expired(&self, now: i64) -> bool {
        self.expire != 0 && self.expire <= now
    }
}

/// An API token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The secret.
    pub secret: String,
    /// Whether its rights are cut to its own.
    pub privsep: bool,
    /// Unix time from which on it does not count; zero: never.
    #[serde(default)]
    pub expire: i64,
    /// A remark.
    #[serde(default)]
    pub comment: Option<String>,
}

/// A pool of VMs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// A remark.
    pub comment: String,
    /// The guests in it.
    pub members: BTreeSet<u32>,
    /// The storages in it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub storages: BTreeSet<String>,
}

/// A group of users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// A remark.
    pub comment: Option<String>,
    /// The users in it.
    pub members: BTreeSet<String>,
}

/// One line of the access control list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AclEntry {
    /// `/`, `/vms/100`, `/storage/local` ...
    pub path: String,
    /// `user@realm`, `user@realm!token` or `@group`.
    pub who: String,
    /// Name of a role.
    pub role: String,
    /// Whether it holds for the paths below.
    pub propagate: bool,
}

/// A task that was running when the world was last saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// `qmdestroy` ...
    pub(super) kind: String,
    /// What it works on, usually a VMID.
    pub(super) id: String,
}

impl World {
    /// The time: the real one, or that of the seed.
    pub(super) fn now(&self) -> i64 {
        self.clock
            .unwrap_or_else(|| jiff::Timestamp::now().as_second())
    }

    /// A number that was not given out before; with a clock of its own, the
    /// world is a second older afterwards.
    pub(super) fn count(&mut self) -> u64 {
        self.counter += 1;
        if let Some(clock) = &mut self.clock {
            *clock += 1;
        }
        self.counter
    }

    /// A node by name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The same, to change.
    pub(super) fn node_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.name == name)
    }

    /// The fingerprint of a node's certificate: that of the one that answers is
    /// served, the others' are made up.
    pub(super) fn fingerprint_of(&self, node: &str) -> String {
        if self.nodes.first().is_some_and(|first| first.name == node) {
            return self.fingerprint.clone();
        }
        certs::fingerprint(format!("{}/certificate/{node}", self.secret).as_bytes())
    }

    /// The address of a node: that of its first bridge that has one. Nodes
    /// without one, or with that of a node before them, are told apart on
    /// loopback.
    pub fn address_of(&self, place: usize) -> String {
        let own = |node: &Node| {
            let mut cidrs = node
                .bridges
                .iter()
                .filter_map(|bridge| bridge.cidr.as_deref());
            cidrs.next()?.split('/').next().map(str::to_owned)
        };
        let before = self.nodes.iter().take(place).filter_map(own);
        let before: BTreeSet<String> = before.collect();
        let address = self.nodes.get(place).and_then(own);
        address
            .filter(|address| !before.contains(address))
            .unwrap_or_else(|| {
                let last = u8::try_from(place + 1).unwrap_or(u8::MAX);
                Ipv4Addr::new(127, 0, 0, last).to_string()
            })
    }

    /// The pool that a VM is in.
    pub(super) fn pool_of(&self, vmid: u32) -> Option<&str> {
        self.pools
            .iter()
            .find(|(_, pool)| pool.members.contains(&vmid))
            .map(|(name, _)| name.as_str())
    }

    /// Puts a guest into a pool, if there is one to put it into.
    pub(super) fn join_pool(&mut self, pool: Option<&str>, vmid: u32) {
        if let Some(pool) = pool.and_then(|pool| self.pools.get_mut(pool)) {
            pool.members.insert(vmid);
        }
    }

    /// The pools that a storage is in.
    pub(super) fn pools_with(&self, storage: &str) -> impl Iterator<Item = &str> {
        let pools = self.pools.iter();
        pools
            .filter(move |(_, pool)| pool.storages.contains(storage))
            .map(|(name, _)| name.as_str())
    }

    /// Whether an entry of the access control list is of a group that a user is in.
    pub(super) fn is_group_of(&self, entry: &str, user: &str) -> bool {
        let group = entry.strip_prefix('@').and_then(|id| self.groups.get(id));
        group.is_some_and(|group| group.members.contains(user))
    }

    /// The lowest VMID that is free.
    pub(super) fn next_vmid(&self) -> u32 {
        (100..=999_999_999)
            .find(|vmid| !self.vms.contains_key(vmid))
            .unwrap_or(100)
    }

    /// A hardware address with the prefix of Proxmox Server Solutions.
    pub(super) fn new_mac(&mut self) -> String {
        let bytes = self.noise("mac");
        let tail: Vec<String> = bytes
            .iter()
            .take(3)
            .map(|byte| format!("{byte:02X}"))
            .collect();
        format!("BC:24:11:{}", tail.join(":"))
    }

    /// A random-looking UUID of version 4.
    pub(super) fn new_uuid(&mut self) -> String {
        let digits = hex::lower(&self.noise("uuid"));
        let mut text = String::new();
        for (place, digit) in digits.chars().take(32).enumerate() {
            if matches!(place, 8 | 12 | 16 | 20) {
                text.push('-');
            }
            text.push(match place {
                12 => '4',
                16 => 'a',
                _ => digit,
            });
        }
        text
    }

    /// Bytes that differ each time, and are the same for the same history.
    fn noise(&mut self, what: &str) -> Vec<u8> {
        self.counter += 1;
        Sha256::digest(format!("{}/{what}/{}", self.secret, self.counter)).to_vec()
    }
}
