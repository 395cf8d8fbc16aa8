//! `hl create` killed while it makes the machines of a manifest, and resumed: the end is
//! that of a run that nobody disturbed. `scripts/proof manifests` does it after every
//! transition.

use std::time::Duration;

use hl::handoff::{Execution, NodeStatus};
use hl::lab::Paths;
use serde_json::Value;

use super::cut::Cut;
use super::stage::Stage;
use crate::e2e::ready;
use crate::support::Numbers;

const PROGRAMS: [&str; 5] = [
    "packer",
    "tofu",
    "ansible-playbook",
    "unshare",
    "ssh-keygen",
];

/// What is left when it is over.
#[derive(Debug, PartialEq)]
struct End {
    /// Machines that are no templates: id, name, and whether they run.
    machines: Vec<(String, String, bool)>,
    /// Disks of machines. What containers are unpacked from stays: others use it, too.
    volumes: usize,
    /// The states that hold something.
    states: Vec<String>,
    completed: Vec<String>,
}

impl End {
    fn of(stage: &Stage) -> Self {
        let text = std::fs::read_to_string(stage.out("world/world.json")).unwrap();
        let world: Value = serde_json::from_str(&text).unwrap();
        let vms = world["vms"].as_object().unwrap().iter();
        let vms = vms.filter(|(_, vm)| vm["config"]["template"] != "1");
        let root = camino::Utf8Path::from_path(stage.root()).unwrap();
        let paths = Paths::live(root).rehearsal();
        let states = hl::tofu::state::all(&paths.out().join(".states"));
        let held = states.into_iter().filter(|(_, state)| state.resources > 0);
        let record = Execution::read(&paths, "three", "pve")
            .unwrap()
            .unwrap_or_default();
        let volumes = world["volumes"].as_array().unwrap().iter();
        let completed = record.nodes.into_values();
        let completed = completed.filter(|node| node.status == NodeStatus::Completed);
        Self {
            machines: vms
                .map(|(id, vm)| {
                    let config = &vm["config"];
                    let name = config["name"].as_str().or(config["hostname"].as_str());
                    let runs = vm["run"] == "running" || vm["run"].is_object();
                    (id.clone(), name.unwrap_or_default().to_owned(), runs)
                })
                .collect(),
            volumes: volumes.filter(|volume| volume["vmid"].is_u64()).count(),
            states: held.map(|(key, _)| key).collect(),
            completed: completed.map(|node| node.name).collect(),
        }
    }
}

/// Destroys what there is, and sees that nothing is left.
fn clear(stage: &Stage, empty: &End) {
    stage
        .hl("rehearse destroy -M three -H pve --skip-preflight")
        .exits(0);
    stage.forget_runs();
    assert_eq!(End::of(stage), *empty);
}

/// Kills a run there, resumes it, and compares; `None` when it was over before.
fn survives(stage: &Stage, cut: &Cut, unbroken: &End) -> Option<String> {
    let before = cut.make(stage)?;
    let done = stage.transitions();
    let at = format!("{cut}, {} transitions: {:?}", done.len(), done.last());
    let resumed = stage.hl("rehearse resume").run();
    assert_eq!(resumed.code, 0, "{at}\n{}", resumed.stderr);
    assert!(
        stage.run_file().starts_with(&before),
        "{at}: events were lost"
    );
    let found = End::of(stage);
    assert_eq!(found, *unbroken, "{at}\n{}", resumed.stderr);
    Some(at)
}

fn kills(choose: impl FnOnce(usize) -> Vec<Cut>) {
    let stage = Stage::of_manifest();
    let empty = End::of(&stage);
    stage.hl(stage.words()).exits(0);
    let unbroken = End::of(&stage);
    assert_eq!(unbroken.completed, ["bare", "box", "web"]);
    let transitions = stage.transitions().len();
    clear(&stage, &empty);
    for cut in choose(transitions) {
        let at = survives(&stage, &cut, &unbroken);
        println!("{}", at.unwrap_or_else(|| format!("{cut}: over before")));
        clear(&stage, &empty);
    }
}

#[test]
fn ten_kills_of_a_create_come_to_the_same_end() {
    if !ready(true, &PROGRAMS) {
        return;
    }
    let mut numbers = Numbers::new("HL_KILL_SEED");
    let mut moment = move || Duration::from_millis(numbers.below(3000));
    kills(|transitions| {
        let part = |tenths: usize| Cut::After((transitions * tenths / 10).max(1));
        let mut cuts: Vec<Cut> = [1, 3, 5, 7, 9].map(part).into();
        let steps = [
            "web/plan",
            "web/apply",
            "box/apply",
            "bare/apply",
            "web/converge",
        ];
        cuts.extend(steps.map(|step| Cut::Middle(step, moment())));
        cuts
    });
}

/// Every transition: `scripts/proof manifests`.
#[test]
#[ignore = "takes the better part of an hour"]
fn a_create_survives_a_kill_after_every_transition() {
    assert!(ready(true, &PROGRAMS), "the tools and root are needed");
    kills(|transitions| (1..=transitions).map(Cut::After).collect());
}
