//! What a state file holds (format 4 of OpenTofu and Terraform alike), read
//! without either, so that it can be read after a crash and after `hl clean`.

use std::collections::BTreeMap;

use camino::Utf8Path;
use serde::Deserialize;
use serde_json::Value;

use super::summary::{VM_TYPE, Vm};
use crate::base::if_there;
use crate::diag::StepError;

/// A state.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The virtual machines by their key in the module.
    pub vms: BTreeMap<String, Vm>,
    /// Output values.
    pub outputs: BTreeMap<String, Value>,
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
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        Self::parse(&bytes).map_err(|why| {
            StepError::new(format!("state `{path}` cannot be read: {why}")).help(format!(
                "`{path}.backup` is the state before the last change"
            ))
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
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
            if resource.kind != VM_TYPE {
                continue;
            }
            for instance in &resource.instances {
                let Some(vm) = Vm::of(&instance.attributes) else {
                    continue;
                };
                let key = instance.index_key.as_str().unwrap_or(&vm.name).to_owned();
                state.vms.insert(key, vm);
            }
        }
        Ok(state)
    }

    /// The virtual machine with that id, and its key.
    pub fn with_vmid(&self, vmid: u32) -> Option<(&str, &Vm)> {
        let mut vms = self.vms.iter().map(|(key, vm)| (key.as_str(), vm));
        vms.find(|(_, vm)| vm.vmid == Some(vmid))
    }
}

/// All states of a lab (`.states/KEY/terraform.tfstate`) with their keys; those
/// that cannot be read are left out.
pub fn all(states: &Utf8Path) -> Vec<(String, State)> {
    let Ok(entries) = states.read_dir_utf8() else {
        return Vec::new();
    };
    let mut found: Vec<(String, State)> = entries
        .flatten()
        .filter_map(|entry| {
            let state = State::read(&entry.path().join("terraform.tfstate")).ok()?;
            Some((entry.file_name().to_owned(), state))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn machines_and_outputs_are_found() {
        let text = json!({
            "version": 4, "serial": 3,
            "outputs": {"vms": {"value": {"web-1": {"vmid": 5101}}, "type": "dynamic"}},
            "resources": [
                {"mode": "data", "type": VM_TYPE, "instances": [{"attributes": {"vm_id": 1, "node_name": "pve"}}]},
                {"mode": "managed", "type": VM_TYPE, "instances": [
                    {"index_key": "web-1", "attributes": {"vm_id": 5101, "node_name": "pve", "name": "web-1"}}]},
                {"mode": "managed", "type": "other", "instances": [{}]},
            ],
        });
        let state = State::parse(text.to_string().as_bytes()).unwrap();
        assert_eq!(state.resources, 2);
        assert_eq!(state.with_vmid(5101).unwrap().0, "web-1");
        assert!(state.with_vmid(1).is_none());
        assert_eq!(state.outputs["vms"]["web-1"]["vmid"], 5101);
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
