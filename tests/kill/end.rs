//! What a run leaves: everything that another run of the same lab must leave too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use hl::plan::{Outcome, PriorState, Tally};
use hl::runs::{Ending, parse};
use serde_json::Value;

use super::stage::Stage;

/// Files that L3 and L4 put on the machine; `.runs` has a line for each time that the
/// playbook ran.
const CONVERGED: [&str; 6] = [
    "etc/hl-l3",
    "etc/hl-l3.done",
    "etc/hl-l3.runs",
    "etc/hl-l4",
    "etc/hl-l4.done",
    "etc/hl-l4.runs",
];

/// The end of a run, without what is random or a time.
#[derive(Debug, PartialEq)]
pub(super) struct End {
    outcome: Option<Outcome>,
    /// Steps that did not succeed in the end, and were not skipped.
    undone: BTreeSet<String>,
    /// Machines on the node: name, template, running.
    machines: Vec<(String, bool, bool)>,
    /// Disks on the node.
    volumes: usize,
    /// Machines in tofu's state.
    state: Vec<String>,
    outputs: Value,
    inventory: Value,
    /// Records of templates.
    manifests: usize,
    converged: BTreeMap<String, String>,
}

impl End {
    pub(super) fn of(stage: &Stage) -> Self {
        let run = parse(&stage.run_file()).unwrap();
        let outcome = match run.ending {
            Ending::Finished { outcome, .. } => Some(outcome),
            Ending::Running | Ending::Interrupted => None,
        };
        let undone = Tally::of(&run.events)
            .past()
            .into_iter()
            .filter_map(|(step, past)| {
                let done = matches!(past, PriorState::Done(_) | PriorState::Skipped);
                (!done).then(|| step.to_string())
            });
        let world = json(stage, "world/world.json");
        let tfstate = json(stage, ".states/dev-pve/terraform.tfstate");
        let mut outputs = json(stage, ".build/tofu/dev-pve/outputs.json");
        outputs["vms"]["web-1"]["macs"].take();
        let mut inventory = json(stage, ".build/ansible/dev-pve/inventory.json");
        for random in ["ansible_ssh_private_key_file", "hl_public_keys"] {
            inventory["all"]["vars"][random].take();
        }
        let disk = stage.out("world/disks/local-lvm%3avm-5101-disk-0");
        let converged = CONVERGED.map(|file| {
            let text = fs::read_to_string(disk.join(file));
            (file.to_owned(), text.unwrap_or_else(|e| e.to_string()))
        });
        let artifacts = fs::read_dir(stage.out("templates/debian-13/artifacts"));
        Self {
            outcome,
            undone: undone.collect(),
            machines: machines(&world),
            volumes: world["volumes"].as_array().unwrap().len(),
            state: vms(&tfstate),
            outputs,
            inventory,
            manifests: artifacts.unwrap().count(),
            converged: converged.into(),
        }
    }
}

fn json(stage: &Stage, below: &str) -> Value {
    let path = stage.out(below);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn machines(world: &Value) -> Vec<(String, bool, bool)> {
    let mut machines: Vec<_> = world["vms"]
        .as_object()
        .unwrap()
        .values()
        .map(|vm| {
            let name = vm["config"]["name"].as_str().unwrap();
            // A template's name ends in the time of its build.
            let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
            (
                name.to_owned(),
                vm["config"]["template"] == "1",
                !vm["run"].is_null(),
            )
        })
        .collect();
    machines.sort();
    machines
}

fn vms(tfstate: &Value) -> Vec<String> {
    let resources = tfstate["resources"].as_array().unwrap();
    resources
        .iter()
        .filter(|r| r["type"] == "proxmox_virtual_environment_vm")
        .flat_map(|r| r["instances"].as_array().unwrap())
        .map(|instance| instance["index_key"].to_string())
        .collect()
}
