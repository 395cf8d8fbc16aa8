//! What a state file holds (format 4 of OpenTofu and Terraform alike), read
//! without either, so that it can be read after a crash and after `hl clean`.

use std::collections::BTreeMap;

use camino::Utf8Path;
use serde::Deserialize;
use serde_json::Value;

use super::summary::Vm;
use crate::base::if_there;
use crate::diag::StepError;

/// A state.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The machines, containers too, by their key in the module.
    pub vms: BTreeMap<String, Vm>,
    /// Output values.
    pub outputs: BTreeMap<String, Value>,
    /// What else it holds: names, or `TYPE.NAME` of what has none.
    pub others: Vec<String>,
    /// How many resources of any kind it holds.
    pub resources: usize,
}

#[derive(Deserialize)]
struct File {
    version: u32,
    #[serde(default)]
    outputs: BTreeMap<String, Output>,
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    value: Value,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    instances: Vec<Instance>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Instance {
    index_key: Value,
    attributes: Value,
}

impl State {
    /// Reads a state file; none is an empty state.
    pub fn read(path: &Utf8Path) -> Result<Self, StepError> {
        let bytes = if_there(std::fs::read(path))
            .map_err(|error| StepError::io("read", path, &error))?
            .unwrap_or_default();
        Self::parse(&bytes).map_err(|why| {
            StepError::new(format!("state `{path}` cannot be read: {why}")).help(format!(
                "`{path}.backup` is the state before the last change"
            ))
        })
    }

    /// Reads the bytes of a state file; none are an empty state.
    ///
    /// # Errors
    /// Why they are no state of this format.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let file: File = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if file.version != 4 {
            return Err(format!("it has format {}, expected 4", file.version));
        }
        let mut state = Self {
            outputs: file
                .outputs
                .into_iter()
                .map(|(name, output)| (name, output.value))
                .collect(),
            ..Self::default()
        };
        for resource in file
            .resources
            .iter()
            .filter(|resource| resource.mode != "data")
        {
            state.resources += resource.instances.len();
            for instance in &resource.instances {
                let Some(vm) = Vm::of(&resource.kind, &instance.attributes) else {
                    let Resource { kind, name, .. } = resource;
                    let own = instance.attributes.get("name").and_then(Value::as_str);
                    let named = || format!("{kind}.{name}");
                    state.others.push(own.map_or_else(named, str::to_owned));
                    continue;
                };
                let key = instance.index_key.as_str().unwrap_or(&vm.name).to_owned();
                state.vms.insert(key, vm);
            }
        }
        Ok(state)
    }

    /// The machine with that id, and its key.
    pub fn with_vmid(&self, vmid: u32) -> Option<(&str, &Vm)> {
        let mut vms = self.vms.iter().map(|(key, vm)| (key.as_str(), vm));
        vms.find(|(_, vm)| vm.vmid == Some(vmid))
    }
}

/// The file's name, below `.states/KEY/`.
pub const STATE_FILE: &str = "terraform.tfstate";

/// What tells the directory of a manifest's node from any other one, in `.states` and
/// in `.build/tofu`.
const OF_A_NODE: [&str; 4] = [STATE_FILE, "data", "module", "terraform.tfvars.json"];

/// The keys of all states of a lab, sorted: `ENV-NODE` of an environment,
/// `MANIFEST/HOST/NODE` of a manifest's node. One that has no file yet is among them
/// when its directory is there.
pub fn keys(states: &Utf8Path) -> Vec<String> {
    let below = |key: &str| -> Vec<String> {
        let entries = states.join(key).read_dir_utf8().into_iter().flatten();
        let dirs = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        dirs.map(|dir| match key {
            "" => dir.file_name().to_owned(),
            key => format!("{key}/{}", dir.file_name()),
        })
        .collect()
    };
    let mut found = Vec::new();
    for top in below("") {
        let nodes = below(&top).into_iter().flat_map(|host| below(&host));
        // What lies below `data/` of an environment has none of these.
        let is_node = |key: &String| {
            let dir = states.join(key);
            OF_A_NODE.iter().any(|name| dir.join(name).exists())
        };
        let nodes: Vec<String> = nodes.filter(is_node).collect();
        if nodes.is_empty() || states.join(&top).join(STATE_FILE).exists() {
            found.push(top);
        }
        found.extend(nodes);
    }
    found.sort();
    found
}

/// The names of the nodes of a manifest on a host (`MANIFEST/HOST`) that have a state,
/// sorted: those of [`keys`] below it.
pub fn keys_below(states: &Utf8Path, on_host: &str) -> Vec<String> {
    let below = |key: String| Some(key.strip_prefix(on_host)?.strip_prefix('/')?.to_owned());
    keys(states).into_iter().filter_map(below).collect()
}

/// The key of the state that a file is of, or its backup, or its lock.
pub fn key_of(states: &Utf8Path, file: &Utf8Path) -> Option<String> {
    let dir = file.parent()?.strip_prefix(states).ok()?;
    let keys = keys(states).into_iter();
    keys.filter(|key| dir.starts_with(key))
        .max_by_key(String::len)
}

/// All states of a lab with their [`keys`]; those that cannot be read are left out.
pub fn all(states: &Utf8Path) -> Vec<(String, State)> {
    let read = |key: String| {
        let state = State::read(&states.join(&key).join(STATE_FILE)).ok()?;
        Some((key, state))
    };
    keys(states).into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tofu::summary::{CT_TYPE, VM_TYPE};

    #[test]
    fn machines_and_outputs_are_found() {
        let text = json!({
            "version": 4, "serial": 3,
            "outputs": {"vms": {"value": {"web-1": {"vmid": 5101}}, "type": "dynamic"}},
            "resources": [
                {"mode": "data", "type": VM_TYPE, "instances": [{"attributes": {"vm_id": 1, "node_name": "pve"}}]},
                {"mode": "managed", "type": VM_TYPE, "instances": [
                    {"index_key": "web-1", "attributes": {"vm_id": 5101, "node_name": "pve", "name": "web-1"}}]},
                {"mode": "managed", "type": "other", "name": "x", "instances": [{}]},
                {"mode": "managed", "type": CT_TYPE, "instances": [
                    {"index_key": "cache", "attributes": {"vm_id": 5201, "node_name": "pve"}}]},
            ],
        });
        let state = State::parse(text.to_string().as_bytes()).unwrap();
        assert_eq!(state.resources, 3);
        assert_eq!(state.others, ["other.x"]);
        let (name, container) = state.with_vmid(5201).unwrap();
        assert!(name == "cache" && container.container);
        assert_eq!(state.with_vmid(5101).unwrap().0, "web-1");
        assert!(state.with_vmid(1).is_none());
        assert_eq!(state.outputs["vms"]["web-1"]["vmid"], 5101);
    }

    #[test]
    fn states_of_environments_and_of_manifests_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        let states = Utf8Path::from_path(dir.path()).unwrap();
        let text = |vmid: u32| {
            let instance = json!({"attributes": {"vm_id": vmid, "node_name": "pve", "name": "x"}});
            let resource = json!({"mode": "managed", "type": VM_TYPE, "instances": [instance]});
            json!({"version": 4, "resources": [resource]}).to_string()
        };
        for (key, vmid) in [("dev-pve", 101), ("m/pve/web", 102), ("m/pve/db", 103)] {
            std::fs::create_dir_all(states.join(key).join("data/providers")).unwrap();
            std::fs::write(states.join(key).join(STATE_FILE), text(vmid)).unwrap();
        }
        std::fs::write(states.join("m/pve/execution.json"), "{}").unwrap();
        std::fs::create_dir_all(states.join("new-pve/data")).unwrap();
        assert_eq!(
            keys(states),
            ["dev-pve", "m/pve/db", "m/pve/web", "new-pve"]
        );
        let vmids = |(key, state): (String, State)| (key, state.vms["x"].vmid);
        let found: Vec<_> = all(states)
            .into_iter()
            .filter(|(_, s)| s.resources > 0)
            .map(vmids)
            .collect();
        let wanted = [("dev-pve", 101), ("m/pve/db", 103), ("m/pve/web", 102)];
        assert_eq!(
            found,
            wanted.map(|(key, vmid)| (key.to_owned(), Some(vmid)))
        );
        assert!(keys(&states.join("none")).is_empty());
        assert_eq!(keys_below(states, "m/pve"), ["db", "web"]);
        assert!(keys_below(states, "m/pv").is_empty());
        let of = |file: &str| key_of(states, &states.join(file));
        assert_eq!(of("m/pve/web/x.tfstate").as_deref(), Some("m/pve/web"));
        assert_eq!(of("m/pve/execution.json"), None);
    }

    #[test]
    fn none_is_empty_and_a_broken_one_is_named_with_its_backup() {
        let dir = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::from_path_buf(dir.path().join("dev-pve/terraform.tfstate"))
            .unwrap();
        assert!(State::read(&path).unwrap().vms.is_empty());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "{\"version\": 3}").unwrap();
        let error = State::read(&path).unwrap_err();
        assert!(error.message.contains("format 3") && error.help[0].contains(".backup"));
        assert!(all(path.parent().unwrap().parent().unwrap()).is_empty());
    }
}
