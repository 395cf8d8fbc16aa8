//! A virtual machine: its config, what waits for a restart, and how it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::bus::{bus, numbered};
use super::config::Config;
use super::drive::{self, Drive};
use super::hex;
use super::mount;

/// What a guest is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuestKind {
    /// A virtual machine.
    #[default]
    Qemu,
    /// A container.
    Lxc,
}

impl GuestKind {
    /// As the API names it.
    pub(super) fn name(self) -> &'static str {
        self.pick("qemu", "lxc")
    }

    /// Where the node keeps its config.
    pub(super) fn folder(self) -> &'static str {
        self.pick("qemu-server", "lxc")
    }

    /// As messages name it.
    pub(super) fn noun(self) -> &'static str {
        self.pick("VM", "CT")
    }

    /// What differs between the two.
    pub(super) fn pick<T>(self, vm: T, container: T) -> T {
        match self {
            Self::Qemu => vm,
            Self::Lxc => container,
        }
    }

    /// For the file: whether it need not be said.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_default(&self) -> bool {
        *self == Self::Qemu
    }
}

/// A snapshot, as the config file has its section: the keys of that time with
/// `snaptime`, and `description`, `vmstate`, `parent` when it has them.
pub type Snapshot = BTreeMap<String, String>;

/// A virtual machine, a container, or a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vm {
    /// What it is.
    #[serde(default, skip_serializing_if = "GuestKind::is_default")]
    pub kind: GuestKind,
    /// The node it is on.
    pub node: String,
    /// The config file, key by key, every value as text.
    pub config: Config,
    /// Changes that wait for a restart; `None` deletes the key.
    pub pending: BTreeMap<String, Option<String>>,
    /// The config lock: `clone`, `create`, `backup` ...
    pub lock: Option<String>,
    /// How it runs, if it does.
    pub run: Option<Run>,
    /// Its snapshots by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub snapshots: BTreeMap<String, Snapshot>,
    /// A container's keys for root, which its config does not hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub root_keys: Vec<String>,
}

/// A running VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Process id on the node.
    pub pid: u32,
    /// Unix time of its start.
    pub since: i64,
    /// The address it came up with, e.g. `10.77.0.10/24`.
    pub address: Option<String>,
    /// The hardware address of `net0` at its start.
    pub mac: Option<String>,
    /// Whether the agent was enabled at its start.
    pub agent: bool,
    /// Whether its processors stand still.
    #[serde(default)]
    pub paused: bool,
    /// Whether the agent froze its file systems.
    #[serde(default)]
    pub frozen: bool,
}

impl Vm {
    /// A stopped VM with a config.
    pub(super) fn new(node: &str, config: BTreeMap<String, String>) -> Self {
        Self {
            kind: GuestKind::Qemu,
            node: node.to_owned(),
            config: config.into(),
            pending: BTreeMap::new(),
            lock: None,
            run: None,
            snapshots: BTreeMap::new(),
            root_keys: Vec::new(),
        }
    }

    /// Whether its config, or that of a snapshot, names a volume.
    pub(super) fn names(&self, volid: &str) -> bool {
        let snapshots = self.snapshots.values().flat_map(BTreeMap::values);
        let pending = self.pending.values().flatten();
        let mut all = self.config.values().chain(pending).chain(snapshots);
        all.any(|text| holds(text, volid))
    }

    /// Whether a snapshot has a copy of a volume.
    pub(super) fn in_snapshot(&self, volid: &str) -> bool {
        let mut all = self.snapshots.values().flat_map(BTreeMap::values);
        all.any(|text| holds(text, volid))
    }

    /// Whether it is a template.
    pub fn is_template(&self) -> bool {
        self.config.listed().template
    }

    /// Whether its number was taken and nothing more: a create or clone gives a VM
    /// its config, and frees its lock, at its very end.
    pub(super) fn is_half_made(&self) -> bool {
        let making = matches!(self.lock.as_deref(), Some("create" | "clone"));
        making && self.config.is_empty()
    }

    /// Its name; empty when it has none.
    pub fn name(&self) -> &str {
        &self.config.listed().name
    }

    /// The config with what waits for a restart.
    pub(super) fn effective(&self) -> BTreeMap<String, String> {
        let mut config = (*self.config).clone();
        for (key, change) in &self.pending {
            match change {
                Some(value) => config.insert(key.clone(), value.clone()),
                None => config.remove(key),
            };
        }
        config
    }

    /// A digest that changes with the config, forty hexadecimal digits as those
    /// of Proxmox VE (which takes SHA-1 of the file).
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (key, value) in &*self.config {
            hash.update(format!("{key}: {value}\n"));
        }
        hash.update("[PENDING]\n");
        for (key, value) in &self.pending {
            hash.update(format!("{key}: {value:?}\n"));
        }
        hash.update(format!("{:?}", self.lock));
        for (name, keys) in &self.snapshots {
            hash.update(format!("[{name}]\n{keys:?}"));
        }
        hex::lower(&hash.finalize()).chars().take(40).collect()
    }

    /// The drives of its config, in the order of the buses; a container's disks.
    pub(super) fn drives(&self) -> Vec<(String, Drive)> {
        drives_of(self.kind, &self.config)
    }

    /// Applies what waits for a restart. The disk that goes with it is kept as unused.
    pub(super) fn settle(&mut self) {
        let before = disks(self.kind, &self.config);
        self.config = self.effective().into();
        self.pending.clear();
        for (_, volid) in before {
            if !self.names(&volid)
                && let Some(key) = free_unused(&self.config)
            {
                self.config.insert(key, volid);
            }
        }
    }

    /// Whether its config switches the agent on.
    pub(super) fn agent(&self) -> bool {
        self.config
            .get("agent")
            .is_some_and(|text| drive::agent_enabled(text))
    }

    /// The drive it boots from: a container's root, the first of `boot: order=` that is a disk, or
    /// the first disk at all.
    pub(super) fn boot_drive(&self) -> Option<Drive> {
        if self.kind == GuestKind::Lxc {
            let root = self.config.get("rootfs")?;
            return mount::parse("rootfs", root).ok();
        }
        let disks: Vec<(String, Drive)> = self
            .drives()
            .into_iter()
            .filter(|(_, drive)| !drive.is_cdrom() && !drive.is_cloudinit())
            .collect();
        let order = self
            .config
            .get("boot")
            .and_then(|boot| boot.split(',').find_map(|part| part.strip_prefix("order=")));
        let wanted = order
            .into_iter()
            .flat_map(|order| order.split(';'))
            .find_map(|name| disks.iter().find(|(key, _)| key == name));
        wanted
            .or_else(|| disks.first())
            .map(|(_, drive)| drive.clone())
    }
}

/// The volumes of a guest's own disks by key: no media, no cloud-init drive, nothing
/// of the node.
pub(super) fn disks(kind: GuestKind, config: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let own = drives_of(kind, config).into_iter().filter(|(_, drive)| {
        drive.volume().is_some() && !drive.is_cdrom() && !drive.is_cloudinit()
    });
    own.map(|(key, drive)| (key, drive.file)).collect()
}

/// The drives of a VM, or the disks of a container.
pub(super) fn drives_of(
    kind: GuestKind,
    config: &BTreeMap<String, String>,
) -> Vec<(String, Drive)> {
    if kind == GuestKind::Qemu {
        return drives(config);
    }
    let mounts = config.iter().filter(|(key, _)| is_mount(key));
    mounts
        .filter_map(|(key, text)| Some((key.clone(), mount::parse(key, text).ok()?)))
        .collect()
}

/// Whether a key is a drive of a VM, or a disk of a container.
pub(super) fn is_disk(kind: GuestKind, key: &str) -> bool {
    match kind {
        GuestKind::Qemu => is_drive(key),
        GuestKind::Lxc => is_mount(key),
    }
}

/// Whether a key is a disk of a container: `rootfs`, `mp0` ...
pub(super) fn is_mount(key: &str) -> bool {
    key == "rootfs" || numbered(key).is_some_and(|(name, number)| name == "mp" && number < 256)
}

/// The first free `unusedN` of a config.
pub(super) fn free_unused(config: &BTreeMap<String, String>) -> Option<String> {
    let mut keys = (0..256).map(|number| format!("unused{number}"));
    keys.find(|key| !config.contains_key(key))
}

/// Whether a value of a config names a volume.
fn holds(text: &str, volid: &str) -> bool {
    text.split(',')
        .any(|part| part.rsplit('=').next() == Some(volid))
}

/// The drives of a config, in the order of the buses.
pub(super) fn drives(config: &BTreeMap<String, String>) -> Vec<(String, Drive)> {
    let mut found: Vec<(String, Drive)> = config
        .iter()
        .filter(|(key, _)| is_drive(key))
        .filter_map(|(key, text)| Some((key.clone(), Drive::parse(text).ok()?)))
        .collect();
    found.sort_by_key(|(key, _)| rank(key));
    found
}

/// Whether a key is a drive: `scsi0`, `ide2`, `efidisk0` ...
pub(super) fn is_drive(key: &str) -> bool {
    bus(key).is_some()
}

fn rank(key: &str) -> (usize, u32) {
    bus(key).unwrap_or((usize::MAX, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vm(pairs: &[(&str, &str)]) -> Vm {
        let config = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Vm::new("pve", config)
    }

    #[test]
    fn the_boot_drive_follows_the_order() {
        let mut vm = vm(&[
            ("scsi0", "a:vm-1-disk-0"),
            ("virtio0", "a:vm-1-disk-1"),
            ("ide2", "a:vm-1-cloudinit,media=cdrom"),
        ]);
        assert_eq!(vm.boot_drive().unwrap().file, "a:vm-1-disk-0");
        vm.config
            .insert("boot".to_owned(), "order=ide2;virtio0;net0".to_owned());
        assert_eq!(vm.boot_drive().unwrap().file, "a:vm-1-disk-1");
    }

    #[test]
    fn a_digest_follows_every_change() {
        let one = vm(&[("name", "a")]);
        let mut two = one.clone();
        two.pending.insert("memory".to_owned(), None);
        assert_ne!(one.digest(), two.digest());
        assert_eq!(one.digest().len(), 40);
    }

    #[test]
    fn drives_have_limits() {
        assert!(is_drive("scsi30") && !is_drive("scsi31") && !is_drive("scsihw"));
    }
}
