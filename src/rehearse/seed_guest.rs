//! VMs and containers that a world begins with, as a person writes them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use hl_sim::{GuestKind, SeedVm};

/// Whether a storage of that name has paths.
type HasPaths<'a> = &'a dyn Fn(&str) -> bool;
type Config = BTreeMap<String, String>;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the table")]
pub(super) struct WrittenVm {
    vmid: u32,
    node: Option<String>,
    name: Option<String>,
    template: bool,
    running: bool,
    system: bool,
    agent: bool,
    cores: Option<u32>,
    memory: Option<u32>,
    disk: Option<String>,
    bridge: Option<String>,
    cloudinit: bool,
    config: BTreeMap<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WrittenContainer {
    vmid: u32,
    node: Option<String>,
    hostname: Option<String>,
    template: bool,
    running: bool,
    unprivileged: Option<bool>,
    cores: Option<u32>,
    memory: Option<u32>,
    swap: Option<u32>,
    rootfs: String,
    mount: Vec<WrittenMount>,
    bridge: Option<String>,
    ip: Option<String>,
    gateway: Option<String>,
    features: Option<String>,
    keys: Vec<String>,
    config: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
struct WrittenMount {
    path: String,
    disk: String,
}

fn flag(set: bool) -> Option<String> {
    set.then(|| "1".to_owned())
}

fn number(number: Option<u32>) -> Option<String> {
    number.map(|number| number.to_string())
}

/// The address that a card of a guest has when nobody says another.
fn mac(vmid: u32) -> String {
    let [_, high, middle, low] = vmid.to_be_bytes();
    format!("BC:24:11:{high:02X}:{middle:02X}:{low:02X}")
}

fn set(config: &mut Config, pairs: impl IntoIterator<Item = (&'static str, Option<String>)>) {
    for (key, value) in pairs {
        config.extend(value.map(|value| (key.to_owned(), value)));
    }
}

/// The volume of that name on a storage, and its size, of `storage:size`.
fn volume<'d>(
    disk: &'d str,
    (vmid, name, end): (u32, &str, &str),
    has_paths: HasPaths<'_>,
) -> Option<(String, &'d str)> {
    let (storage, size) = disk.split_once(':')?;
    let volume = if has_paths(storage) {
        format!("{storage}:{vmid}/{name}.{end}")
    } else {
        format!("{storage}:{name}")
    };
    Some((volume, size))
}

/// What is written in `config` wins over what follows from the other keys.
fn written(config: &mut Config, given: BTreeMap<String, Value>) {
    for (key, value) in given {
        let text = match (value.as_str(), value.as_bool()) {
            (Some(text), _) => text.to_owned(),
            (None, Some(flag)) => u8::from(flag).to_string(),
            (None, None) => value.to_string(),
        };
        config.insert(key, text);
    }
}

impl WrittenVm {
    pub(super) fn seed(self, has_paths: HasPaths<'_>) -> SeedVm {
        let vmid = self.vmid;
        let mut config = Config::new();
        let card = self
            .bridge
            .map(|bridge| format!("virtio={},bridge={bridge}", mac(vmid)));
        let pairs = [
            ("name", self.name),
            ("template", flag(self.template)),
            ("agent", flag(self.agent)),
            ("cores", number(self.cores)),
            ("memory", number(self.memory)),
            ("net0", card),
        ];
        set(&mut config, pairs);
        let kind = if self.template { "base" } else { "vm" };
        let name = format!("{kind}-{vmid}-disk-0");
        let disk = self.disk.as_deref();
        let found = disk.and_then(|disk| volume(disk, (vmid, &name, "qcow2"), has_paths));
        let drive = disk.filter(|_| self.cloudinit).and_then(|disk| {
            let name = format!("vm-{vmid}-cloudinit");
            let (volume, _) = volume(disk, (vmid, &name, "qcow2"), has_paths)?;
            Some(format!("{volume},media=cdrom"))
        });
        let boot = found.as_ref().map(|_| "order=scsi0".to_owned());
        let disk = found.map(|(volume, size)| format!("{volume},size={size}"));
        set(
            &mut config,
            [("scsi0", disk), ("boot", boot), ("ide2", drive)],
        );
        written(&mut config, self.config);
        SeedVm {
            vmid,
            node: self.node,
            config,
            running: self.running,
            system: self.system,
            ..SeedVm::default()
        }
    }
}

impl WrittenContainer {
    pub(super) fn seed(self, has_paths: HasPaths<'_>) -> SeedVm {
        let vmid = self.vmid;
        let mut config = Config::new();
        let card = self.bridge.map(|bridge| {
            let part = |name: &str, value: Option<String>| {
                value.map_or_else(String::new, |value| format!(",{name}={value}"))
            };
            // In the order that a node prints.
            let (gateway, ip) = (part("gw", self.gateway), part("ip", self.ip));
            let mac = mac(vmid);
            format!("name=eth0,bridge={bridge}{gateway},hwaddr={mac}{ip},type=veth")
        });
        let pairs = [
            ("arch", Some("amd64".to_owned())),
            ("ostype", Some("debian".to_owned())),
            ("hostname", self.hostname.or(Some(format!("CT{vmid}")))),
            ("template", flag(self.template)),
            ("unprivileged", flag(self.unprivileged.unwrap_or(true))),
            ("cores", number(self.cores)),
            ("memory", number(self.memory.or(Some(512)))),
            ("swap", number(self.swap.or(Some(512)))),
            ("net0", card),
            ("features", self.features),
        ];
        set(&mut config, pairs);
        let disks = std::iter::once((None, self.rootfs));
        let disks = disks.chain(self.mount.into_iter().map(|one| (Some(one.path), one.disk)));
        for (place, (path, disk)) in disks.enumerate() {
            let kind = if self.template { "base" } else { "vm" };
            let name = format!("{kind}-{vmid}-disk-{place}");
            let Some((volume, size)) = volume(&disk, (vmid, &name, "raw"), has_paths) else {
                continue;
            };
            let (key, path) = match path {
                None => ("rootfs".to_owned(), String::new()),
                Some(path) => (format!("mp{}", place - 1), format!(",mp={path}")),
            };
            config.insert(key, format!("{volume}{path},size={size}"));
        }
        written(&mut config, self.config);
        SeedVm {
            vmid,
            kind: GuestKind::Lxc,
            node: self.node,
            config,
            running: self.running,
            system: true,
            keys: self.keys,
        }
    }
}
