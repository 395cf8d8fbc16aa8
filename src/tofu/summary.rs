//! What a saved plan would do, from `show -json PLANFILE` (format 1.x of
//! OpenTofu and Terraform alike).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::delta;
use super::delta::{Delta, differences, segment};
use crate::diag::StepError;

/// The type of the provider's virtual machines.
pub const VM_TYPE: &str = "proxmox_virtual_environment_vm";
/// The type of the provider's containers.
pub const CT_TYPE: &str = "proxmox_virtual_environment_container";

/// A plan in short.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// What changes, in the plan's order.
    pub changes: Vec<Change>,
    /// Only what is said about resources changes, e.g. an address.
    pub outputs_changed: bool,
    /// Every change whole, to be compared with those of another plan.
    pub exact: Vec<Value>,
    /// The template that each machine is made from, by the machine's name.
    pub images: BTreeMap<String, String>,
}

/// One resource that changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// `proxmox_virtual_environment_vm.vm["web-1"]`
    pub address: String,
    /// `web-1`; the address for what is no machine.
    pub name: String,
    /// What happens to it.
    pub kind: Kind,
    /// The VM as it is.
    pub before: Option<Vm>,
    /// The VM as it will be.
    pub after: Option<Vm>,
    /// Changed values, `memory.dedicated 1024 -> 2048`.
    pub details: Vec<String>,
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It is made.
    Add,
    /// It is changed in place.
    Change,
    /// It is destroyed and made again.
    Replace,
    /// It is destroyed.
    Destroy,
    /// The state forgets it; it stays on the node.
    Forget,
}

/// What is said of each kind, before the apply and after it.
const WORDS: [(Kind, &str, &str); 5] = [
    (Kind::Add, "to add", "added"),
    (Kind::Change, "to change", "changed"),
    (Kind::Replace, "to replace", "replaced"),
    (Kind::Destroy, "to destroy", "destroyed"),
    (Kind::Forget, "to forget", "forgotten"),
];

/// What matters of a machine in a plan or a state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vm {
    /// Whether it is a container.
    pub container: bool,
    /// Its name on the node.
    pub name: String,
    /// Its number, when it has one.
    pub vmid: Option<u32>,
    /// The node it is on.
    pub node: String,
    /// Its address: CIDR or `dhcp`.
    pub address: Option<String>,
    /// Its notes on the node.
    pub description: Option<String>,
    /// Virtual CPUs.
    pub cores: Option<u32>,
    /// MB.
    pub memory: Option<u32>,
    /// Size of `scsi0`, or of a container's root, in GiB.
    pub disk: Option<u64>,
    /// The template's vmid and node.
    pub template: Option<(u32, Option<String>)>,
    /// The file that a container was unpacked from.
    pub archive: Option<String>,
}

impl Vm {
    /// Reads the attributes of a resource of this type; none of one that is no machine.
    pub fn of(resource_type: &str, values: &Value) -> Option<Self> {
        let container = match resource_type {
            VM_TYPE => false,
            CT_TYPE => true,
            _ => return None,
        };
        let text = |pointer: &str| {
            values
                .pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let number = |pointer: &str| {
            let number = values.pointer(pointer).and_then(Value::as_u64);
            number.and_then(|number| u32::try_from(number).ok())
        };
        let disks = values.get("disk").and_then(Value::as_array);
        let root = |disk: &&Value| {
            // A container has one disk, the other ones are mount points.
            container || disk.get("interface").and_then(Value::as_str) == Some("scsi0")
        };
        let disk = disks.into_iter().flatten().find(root);
        let name = if container {
            "/initialization/0/hostname"
        } else {
            "/name"
        };
        Some(Self {
            container,
            name: text(name).unwrap_or_default(),
            vmid: number("/vm_id"),
            node: text("/node_name")?,
            address: text("/initialization/0/ip_config/0/ipv4/0/address"),
            cores: number("/cpu/0/cores"),
            memory: number("/memory/0/dedicated"),
            description: text("/description").filter(|text| !text.is_empty()),
            disk: disk
                .and_then(|disk| disk.get("size"))
                .and_then(Value::as_u64),
            template: number("/clone/0/vm_id").map(|vmid| (vmid, text("/clone/0/node_name"))),
            archive: text("/operating_system/0/template_file_id"),
        })
    }

    /// `VM 5101`, `CT 5102`, or `a VM` while the id is not known.
    pub fn id(&self) -> String {
        let what = if self.container { "CT" } else { "VM" };
        self.vmid
            .map_or_else(|| format!("a {what}"), |vmid| format!("{what} {vmid}"))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Plan {
    resource_changes: Vec<ResourceChange>,
    output_changes: BTreeMap<String, Actions>,
    errored: bool,
    variables: Value,
}

#[derive(Deserialize)]
struct ResourceChange {
    address: String,
    #[serde(default)]
    mode: String,
    #[serde(rename = "type")]
    resource_type: String,
    #[serde(default)]
    index: Value,
    change: Delta,
    action_reason: Option<String>,
}

#[derive(Deserialize)]
struct Actions {
    actions: Vec<String>,
}

impl Summary {
    /// Reads what `show -json` printed.
    pub fn parse(json: &[u8]) -> Result<Self, StepError> {
        let plan: Plan = serde_json::from_slice(json)
            .map_err(|error| StepError::new(format!("`show -json` gave no plan: {error}")))?;
        if plan.errored {
            return Err(StepError::new(
                "the plan holds errors and cannot be applied",
            ));
        }
        let (mut changes, mut exact) = (Vec::new(), Vec::new());
        for resource in plan.resource_changes {
            let whole = json!([resource.address, delta::exact(&resource.change)]);
            if let Some(change) = change(resource) {
                changes.push(change);
                exact.push(whole);
            }
        }
        let machines = ["/vms/value", "/containers/value"]
            .into_iter()
            .filter_map(|place| plan.variables.pointer(place)?.as_object());
        let images = machines.flatten().filter_map(|(name, machine)| {
            Some((name.clone(), machine.get("image")?.as_str()?.to_owned()))
        });
        Ok(Self {
            changes,
            exact,
            images: images.collect(),
            outputs_changed: plan
                .output_changes
                .values()
                .any(|output| output.actions.iter().any(|action| action != "no-op")),
        })
    }

    /// Nothing on the node would change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The names of what happens in one way.
    pub fn names(&self, kind: Kind) -> Vec<&str> {
        self.of(kind).map(|change| change.name.as_str()).collect()
    }

    /// The changes of one kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Change> {
        self.changes
            .iter()
            .filter(move |change| change.kind == kind)
    }

    /// The machines that it makes, new or again.
    pub fn made(&self) -> impl Iterator<Item = (&Change, &Vm)> {
        let changes = self.of(Kind::Add).chain(self.of(Kind::Replace));
        changes.filter_map(|change| Some((change, change.after.as_ref()?)))
    }

    /// What is lost: destroyed, or destroyed and made again.
    pub fn losses(&self) -> Vec<&str> {
        let lost = |change: &&Change| matches!(change.kind, Kind::Replace | Kind::Destroy);
        let changes = self.changes.iter().filter(lost);
        changes.map(|change| change.name.as_str()).collect()
    }

    /// `1 to add, 2 to change, 1 to destroy`; zeros are left out.
    pub fn counts(&self) -> String {
        self.counted(false, "no changes")
    }

    /// The same when it was applied: `2 added, 1 destroyed`.
    pub fn applied(&self) -> String {
        self.counted(true, "no changes, outputs brought up to date")
    }

    fn counted(&self, applied: bool, none: &str) -> String {
        let parts = WORDS.iter().filter_map(|(kind, planned, done)| {
            let count = self.of(*kind).count();
            let word = if applied { done } else { planned };
            (count > 0).then(|| format!("{count} {word}"))
        });
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() {
            return none.to_owned();
        }
        parts.join(", ")
    }

    /// One line for each change, then the counts.
    pub fn lines(&self) -> Vec<String> {
        let width = self
            .changes
            .iter()
            .map(|change| change.name.chars().count());
        let width = width.max().unwrap_or(0);
        let mut lines: Vec<String> = self
            .changes
            .iter()
            .map(|change| {
                let Change { name, kind, .. } = change;
                format!("{} {name:width$}  {}", kind.sign(), change.what())
            })
            .collect();
        lines.push(self.counts());
        lines
    }
}

impl Kind {
    fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Change => "~",
            Self::Replace => "!",
            Self::Destroy => "-",
            Self::Forget => ".",
        }
    }
}

impl Change {
    /// The provider shuts a running machine down to give it other hardware.
    fn restarts(&self) -> bool {
        let hardware = |detail: &&String| {
            ["memory.", "cpu."]
                .iter()
                .any(|part| detail.starts_with(part))
        };
        self.details.iter().any(|detail| hardware(&detail))
    }

    fn what(&self) -> String {
        let vm = self.before.as_ref().or(self.after.as_ref());
        let id = vm.map_or_else(|| self.address.clone(), Vm::id);
        let details = if self.details.is_empty() {
            String::new()
        } else {
            format!(": {}", self.details.join(", "))
        };
        match self.kind {
            Kind::Add => {
                let Some(vm) = &self.after else {
                    return format!("create {id}");
                };
                let mut text = format!("create {id} on {}", vm.node);
                if let Some((template, _)) = &vm.template {
                    text = format!("{text} from template {template}");
                }
                if let Some(archive) = &vm.archive {
                    text = format!("{text} from {archive}");
                }
                if let Some(address) = &vm.address {
                    text = format!("{text}, {address}");
                }
                text
            }
            Kind::Change if self.restarts() => format!("change and restart {id}{details}"),
            Kind::Change => format!("change {id}{details}"),
            Kind::Replace => format!("destroy {id} and create it again{details}"),
            Kind::Destroy => format!("destroy {id}{details}"),
            Kind::Forget => format!("forget {id}, which stays on the node{details}"),
        }
    }
}

fn change(resource: ResourceChange) -> Option<Change> {
    if resource.mode == "data" {
        return None;
    }
    let delta = &resource.change;
    let actions: Vec<&str> = delta.actions.iter().map(String::as_str).collect();
    let kind = match actions.as_slice() {
        ["create"] => Kind::Add,
        ["update"] => Kind::Change,
        ["delete"] => Kind::Destroy,
        ["forget"] => Kind::Forget,
        ["delete" | "forget", "create"] | ["create", "delete" | "forget"] => Kind::Replace,
        _ => return None,
    };
    let resource_type = resource.resource_type.as_str();
    let is_machine = [VM_TYPE, CT_TYPE].contains(&resource_type);
    let vm = |values: &Value| Vm::of(resource_type, values);
    let name = match (&resource.index, is_machine) {
        (Value::String(key), true) => key.clone(),
        _ => resource.address.clone(),
    };
    let details = match kind {
        Kind::Change => differences(delta),
        Kind::Replace | Kind::Destroy => reasons(&resource),
        Kind::Add | Kind::Forget => Vec::new(),
    };
    Some(Change {
        name,
        kind,
        before: vm(&delta.before),
        after: vm(&delta.after),
        details,
        address: resource.address,
    })
}

/// Why something is replaced or destroyed, in words.
fn reasons(resource: &ResourceChange) -> Vec<String> {
    let delta = &resource.change;
    let by_paths = || -> Vec<String> {
        let differences = differences(delta);
        let paths = delta.replace_paths.iter().map(|path| {
            let path = path.iter().map(segment).collect::<Vec<_>>().join(".");
            let prefix = format!("{path} ");
            let with_values = differences.iter().find(|text| text.starts_with(&prefix));
            with_values.cloned().unwrap_or(path)
        });
        paths.collect()
    };
    match resource.action_reason.as_deref() {
        Some("replace_because_tainted") => vec!["its last creation did not end well".to_owned()],
        Some("replace_by_request") => vec!["as asked by --replace".to_owned()],
        Some("delete_because_each_key" | "delete_because_no_resource_config") => {
            vec!["no longer in the environment".to_owned()]
        }
        Some("replace_because_cannot_update") => by_paths(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tofu::delta::SHOWN;

    fn vm(vmid: u32, memory: u32) -> Value {
        json!({
            "name": "x", "vm_id": vmid, "node_name": "pve",
            "memory": [{"dedicated": memory}],
            "disk": [{"interface": "scsi0", "size": 10}],
            "clone": [{"vm_id": 9000, "node_name": "pve"}],
            "initialization": [{"ip_config": [{"ipv4": [{"address": "10.0.0.5/24"}]}]}],
        })
    }

    fn one(name: &str, change: &Value, reason: &str) -> Value {
        json!({
            "address": format!("{VM_TYPE}.vm[\"{name}\"]"), "mode": "managed",
            "type": VM_TYPE, "name": "vm", "index": name, "change": change, "action_reason": reason,
        })
    }

    fn plan(changes: &[Value]) -> Summary {
        let text = json!({"format_version": "1.2", "resource_changes": changes}).to_string();
        Summary::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn every_kind_of_change_has_its_line() {
        let summary = plan(&[
            one(
                "web-1",
                &json!({"actions": ["create"], "before": null, "after": vm(5101, 1024)}),
                "",
            ),
            one(
                "a",
                &json!({"actions": ["update"], "before": vm(5102, 1024), "after": vm(5102, 2048)}),
                "",
            ),
            one(
                "b",
                &json!({"actions": ["delete", "create"], "before": vm(5103, 1), "after": vm(5109, 1), "replace_paths": [["vm_id"]]}),
                "replace_because_cannot_update",
            ),
            one(
                "c",
                &json!({"actions": ["delete", "create"], "before": vm(5104, 1), "after": vm(5104, 1)}),
                "replace_because_tainted",
            ),
            one(
                "d",
                &json!({"actions": ["delete"], "before": vm(5105, 1), "after": null}),
                "delete_because_each_key",
            ),
            one(
                "e",
                &json!({"actions": ["no-op"], "before": vm(5106, 1), "after": vm(5106, 1)}),
                "",
            ),
        ]);
        assert_eq!(
            summary.lines(),
            [
                "+ web-1  create VM 5101 on pve from template 9000, 10.0.0.5/24",
                "~ a      change and restart VM 5102: memory.dedicated 1024 -> 2048",
                "! b      destroy VM 5103 and create it again: vm_id 5103 -> 5109",
                "! c      destroy VM 5104 and create it again: its last creation did not end well",
                "- d      destroy VM 5105: no longer in the environment",
                "1 to add, 1 to change, 2 to replace, 1 to destroy",
            ]
        );
        assert_eq!(summary.losses(), ["b", "c", "d"]);
        assert_eq!(summary.names(Kind::Add), ["web-1"]);
        assert_eq!(summary.changes[0].after.as_ref().unwrap().disk, Some(10));
    }

    #[test]
    fn a_container_is_told_as_one() {
        let ct = json!({
            "vm_id": 5201, "node_name": "pve", "disk": [{"size": 8, "datastore_id": "local-lvm"}],
            "initialization": [{"hostname": "cache", "ip_config": [{"ipv4": [{"address": "dhcp"}]}]}],
            "operating_system": [{"template_file_id": "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst"}],
        });
        let summary = plan(&[json!({
            "address": format!("{CT_TYPE}.ct[\"cache\"]"), "mode": "managed", "type": CT_TYPE,
            "name": "ct", "index": "cache",
            "change": {"actions": ["create"], "before": null, "after": ct},
        })]);
        assert_eq!(
            summary.lines()[0],
            "+ cache  create CT 5201 on pve from local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst, dhcp"
        );
        let (_, vm) = summary.made().next().unwrap();
        assert!(vm.container && vm.name == "cache" && vm.disk == Some(8));
    }

    #[test]
    fn an_empty_plan_and_one_that_only_tells_news() {
        let summary = plan(&[]);
        assert!(summary.is_empty() && !summary.outputs_changed);
        assert_eq!(summary.lines(), ["no changes"]);
        let text = json!({"output_changes": {"vms": {"actions": ["update"]}}}).to_string();
        let summary = Summary::parse(text.as_bytes()).unwrap();
        assert!(summary.is_empty() && summary.outputs_changed);
    }

    #[test]
    fn what_is_sensitive_is_not_written_out() {
        let delta = json!({
            "actions": ["update"],
            "before": {"node_name": "pve", "initialization": [{"user_account": [{"password": "hunter2"}]}]},
            "after": {"node_name": "pve", "initialization": [{"user_account": [{"password": "hunter3"}]}]},
            "before_sensitive": {"initialization": [{"user_account": [{"password": true}]}]},
        });
        let lines = plan(&[one("a", &delta, "")]).lines().join("\n");
        assert!(!lines.contains("hunter"), "{lines}");
        assert!(lines.contains("password (secret) -> (secret)"), "{lines}");
    }

    #[test]
    fn what_is_known_only_after_the_apply_is_no_difference() {
        let delta = json!({
            "actions": ["update"],
            "before": {"node_name": "pve", "ipv4_addresses": [["127.0.0.1"], ["10.0.0.5"]], "cpu": [{"cores": 1, "units": 100}]},
            "after": {"node_name": "pve", "cpu": [{"cores": 2}]},
            "after_unknown": {"ipv4_addresses": true, "cpu": [{"units": true}]},
        });
        let summary = plan(&[one("a", &delta, "")]);
        assert_eq!(summary.changes[0].details, ["cpu.cores 1 -> 2"]);
    }

    #[test]
    fn long_lists_are_cut_and_no_plan_is_an_error() {
        let many = |base: u32| json!({"node_name": "pve", "x": (0..9).map(|i| base + i).collect::<Vec<_>>()});
        let delta = json!({"actions": ["update"], "before": many(0), "after": many(100)});
        let summary = plan(&[one("a", &delta, "")]);
        assert_eq!(summary.changes[0].details.len(), SHOWN + 1);
        assert_eq!(summary.changes[0].details[SHOWN], "and 3 more");
        assert!(Summary::parse(b"Error: no").is_err());
        assert!(Summary::parse(br#"{"errored": true}"#).is_err());
    }
}
