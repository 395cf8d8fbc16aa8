//! What the API's reads answer, as far as `hl` uses it. Field names are the
//! API's own; unknown ones are ignored, optional ones default.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{GuestKind, lenient};

/// `GET /version`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Version {
    /// `9.1.2`
    #[serde(deserialize_with = "lenient::text")]
    pub version: String,
    /// `9.1`
    #[serde(default, deserialize_with = "lenient::text")]
    pub release: String,
}

impl Version {
    /// Major and minor number; 0 where the text has none.
    pub fn major_minor(&self) -> (u32, u32) {
        let mut numbers = self
            .version
            .split(['.', '-', '~'])
            .map(|part| part.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }
}

/// One of `GET /nodes`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Node {
    /// Its name.
    pub node: String,
    /// `online`, `offline` or `unknown`.
    #[serde(default)]
    pub status: String,
}

impl Node {
    /// Whether it is online.
    pub fn is_online(&self) -> bool {
        self.status == "online"
    }
}

/// One of `GET /nodes/{node}/storage`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Storage {
    /// Its name.
    pub storage: String,
    /// `dir`, `lvmthin`, `zfspool` ...
    #[serde(default, rename = "type")]
    pub kind: String,
    /// What it may hold: `images`, `iso`, `import` ...
    #[serde(default, deserialize_with = "lenient::list")]
    pub content: Vec<String>,
    /// Whether it can be used right now.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub active: bool,
    /// Whether it is switched on.
    #[serde(default = "yes", deserialize_with = "lenient::flag")]
    pub enabled: bool,
    /// Whether all nodes see the same.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub shared: bool,
    /// Bytes in all.
    #[serde(default, deserialize_with = "lenient::number")]
    pub total: u64,
    /// Bytes used.
    #[serde(default, deserialize_with = "lenient::number")]
    pub used: u64,
    /// Bytes free.
    #[serde(default, deserialize_with = "lenient::number")]
    pub avail: u64,
}

impl Storage {
    /// Whether it may hold that kind of content.
    pub fn holds(&self, content: &str) -> bool {
        self.content.iter().any(|c| c == content)
    }
}

/// One of `GET /nodes/{node}/storage/{storage}/content`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Volume {
    /// `local:import/debian-13.qcow2`
    pub volid: String,
    /// `images`, `iso`, `import` ...
    #[serde(default)]
    pub content: String,
    /// `qcow2`, `raw`, `iso` ...
    #[serde(default)]
    pub format: String,
    /// Bytes.
    #[serde(default, deserialize_with = "lenient::number")]
    pub size: u64,
    /// The VM it belongs to.
    #[serde(default, deserialize_with = "lenient::maybe_number")]
    pub vmid: Option<u32>,
    /// The volume it is a linked clone of.
    #[serde(default)]
    pub parent: Option<String>,
}

/// One of `GET /nodes/{node}/network`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Network {
    /// Its name.
    pub iface: String,
    /// `bridge`, `OVSBridge`, `eth`, `bond`, `vlan` ...
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Whether it is up.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub active: bool,
    /// Address and prefix length.
    #[serde(default)]
    pub cidr: Option<String>,
    /// Gateway.
    #[serde(default)]
    pub gateway: Option<String>,
}

impl Network {
    /// Whether a VM can be attached to it.
    pub fn is_bridge(&self) -> bool {
        self.kind == "bridge" || self.kind == "OVSBridge"
    }
}

/// `GET /access/permissions`: by path, the privileges, and whether each holds
/// for what lies below the path too.
pub type Permissions = BTreeMap<String, BTreeMap<String, Flag>>;

/// A boolean that travels as 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Flag(#[serde(deserialize_with = "lenient::flag")] pub bool);

/// One of `GET /cluster/resources?type=vm`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vm {
    /// Number, unique in the cluster.
    #[serde(deserialize_with = "lenient::number")]
    pub vmid: u32,
    /// Where it is.
    pub node: String,
    /// `qemu` or `lxc`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Its name; a VM that was just made has none for some seconds.
    #[serde(default)]
    pub name: Option<String>,
    /// `running`, `stopped` or `unknown`.
    #[serde(default)]
    pub status: String,
    /// Whether it is a template.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub template: bool,
    /// `a;b`
    #[serde(default)]
    pub tags: Option<String>,
    /// Set while something works on it.
    #[serde(default)]
    pub lock: Option<String>,
    /// Seconds since it was started; 0 when it does not run.
    #[serde(default, deserialize_with = "lenient::number")]
    pub uptime: u64,
}

impl Vm {
    /// What it is.
    pub fn guest(&self) -> GuestKind {
        GuestKind::of_type(&self.kind)
    }
}

/// One of `GET /nodes/{node}/aplinfo`: a template of containers that the node can
/// download.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Appliance {
    /// `debian-13-standard`
    #[serde(default)]
    pub package: String,
    /// `13.1-2`
    #[serde(default, deserialize_with = "lenient::text")]
    pub version: String,
    /// The file's name, by which it is asked for.
    pub template: String,
}

/// `GET /nodes/{node}/qemu/{vmid}/status/current`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VmStatus {
    /// `running` or `stopped`.
    pub status: String,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// Set while something works on it.
    #[serde(default)]
    pub lock: Option<String>,
    /// Whether it is a template.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub template: bool,
    /// Seconds since it was started; 0 when it does not run.
    #[serde(default, deserialize_with = "lenient::number")]
    pub uptime: u64,
}

/// `GET /nodes/{node}/qemu/{vmid}/config`: all keys as the API sends them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VmConfig(pub BTreeMap<String, Value>);

impl VmConfig {
    /// The value of a key as text, whatever its JSON type.
    pub fn text(&self, key: &str) -> Option<String> {
        lenient::plain(self.0.get(key)?)
    }

    /// Whether the VM is a template.
    pub fn is_template(&self) -> bool {
        self.text("template").as_deref() == Some("1")
    }
}

/// One of `GET /nodes/{node}/tasks`, and `GET .../tasks/{upid}/status`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Task {
    /// Its id.
    pub upid: Upid,
    /// `qmcreate`, `qmclone`, `download` ...
    #[serde(default, rename = "type")]
    pub kind: String,
    /// What it works on, mostly a VMID.
    #[serde(default)]
    pub id: Option<String>,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "lenient::number")]
    pub starttime: u64,
    /// `running` or `stopped` of one task; the exit status in a list.
    #[serde(default)]
    pub status: Option<String>,
    /// Of a stopped task: `OK`, `WARNINGS: n`, or what went wrong.
    #[serde(default)]
    pub exitstatus: Option<String>,
}

/// One line of `GET .../tasks/{upid}/log`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LogLine {
    /// Number, from 1.
    #[serde(deserialize_with = "lenient::number")]
    pub n: u64,
    /// The text.
    #[serde(default, deserialize_with = "lenient::text")]
    pub t: String,
}

/// A task's id:
/// `UPID:node:pid:pstart:starttime:type:id:user@realm[!token]:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Upid(pub String);

impl Upid {
    /// Where the task runs.
    pub fn node(&self) -> &str {
        self.field(1)
    }

    /// Its type, e.g. `qmclone`.
    pub fn kind(&self) -> &str {
        self.field(5)
    }

    fn field(&self, index: usize) -> &str {
        self.0.split(':').nth(index).unwrap_or_default()
    }
}

impl fmt::Display for Upid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_numbers() {
        let version = |text: &str| Version {
            version: text.to_owned(),
            release: String::new(),
        };
        assert_eq!(version("9.1.2").major_minor(), (9, 1));
        assert_eq!(version("8.4").major_minor(), (8, 4));
        assert_eq!(version("9.0.0~11").major_minor(), (9, 0));
        assert_eq!(version("").major_minor(), (0, 0));
    }

    #[test]
    fn upids_have_fields() {
        let upid = Upid("UPID:pve:00001234:0000ABCD:6540A1B2:qmclone:9000:hl@pve!hl:".to_owned());
        assert_eq!((upid.node(), upid.kind()), ("pve", "qmclone"));
        assert_eq!(Upid("nonsense".to_owned()).node(), "");
    }

    #[test]
    fn permissions_and_configs_as_they_are_sent() {
        let permissions: Permissions =
            serde_json::from_str(r#"{"/vms":{"VM.Audit":1,"VM.Clone":0}}"#).unwrap();
        assert_eq!(permissions["/vms"]["VM.Audit"], Flag(true));
        assert_eq!(permissions["/vms"]["VM.Clone"], Flag(false));
        let config: VmConfig =
            serde_json::from_str(r#"{"template":1,"memory":"2048","cores":2}"#).unwrap();
        assert!(config.is_template());
        assert_eq!(config.text("cores").as_deref(), Some("2"));
        assert_eq!(config.text("memory").as_deref(), Some("2048"));
    }
}
