//! A node that fails while the machines of a manifest are made, with the real tools.

use serde_json::Value;
use tempfile::TempDir;

use super::{ready, tree};
use crate::support::{Hl, TestLab};

const MANIFEST: &str = "\
schema_version: 2
name: trio
nodes:
  - {name: one, type: vm, preset: small, image: debian-13, vmid: 6201}
  - {name: two, type: vm, preset: small, image: debian-13, vmid: 6202}
  - {name: three, type: vm, preset: small, image: debian-13, vmid: 6203}
";

/// Where a node fails: the call is refused, or its task ends badly. `HIT` is which node.
const RULES: [&str; 2] = [
    "POST /nodes/*/qemu/*/clone hit=HIT status=500",
    "task=clone hit=HIT exit=\"no space left\"",
];

struct Room {
    lab: TestLab,
    home: TempDir,
}

impl Room {
    fn hl(&self, words: &str) -> Hl {
        let home = self.home.path().display().to_string();
        self.lab.hl(words).env("HOME", home)
    }

    /// The node without what a run may leave: its tasks, and what ids are counted with.
    fn world(&self) -> Value {
        let text = self.lab.read("state/rehearsal/world/world.json");
        let mut world: Value = serde_json::from_str(&text).unwrap();
        let map = world.as_object_mut().unwrap();
        map.retain(|key, _| !["tasks", "counter"].contains(&key.as_str()));
        world
    }

    fn machines(&self) -> Vec<String> {
        let world = self.world();
        let vms = world["vms"].as_object().unwrap().iter();
        let vms = vms.filter(|(_, vm)| vm["config"]["template"] != "1");
        vms.map(|(id, _)| id.clone()).collect()
    }

    fn states(&self) -> usize {
        let states = tree::files(&self.lab.path("state/rehearsal/.states"), &[]);
        let states = states
            .iter()
            .filter(|path| path.ends_with("terraform.tfstate"));
        states.count()
    }
}

#[test]
fn each_mode_ends_as_it_says_when_the_node_fails() {
    let programs = ["packer", "tofu", "unshare", "ssh-keygen"];
    if !ready(true, &programs) {
        return;
    }
    let room = Room {
        lab: TestLab::shipped(),
        home: TempDir::new().unwrap(),
    };
    room.lab.write("site/manifests/trio.yaml", MANIFEST);
    room.hl("rehearse l1-ensure debian-13").exits(0);
    for rule in RULES {
        for mode in ["stop", "continue", "rollback"] {
            // One after the other, so that the first clone is the first machine's. For a
            // rollback it is the second: there is something to undo.
            let hit = if mode == "rollback" { "2" } else { "1" };
            let rule = &rule.replace("HIT", hit);
            let create =
                format!(" create -M trio -H pve --skip-preflight --jobs 1 --on-error {mode}");
            let before = room.world();
            let ran = room.hl("rehearse --fault").arg(rule).cmd(&create).run();
            assert_ne!(ran.code, 0, "{mode} {rule}: {}", ran.stderr);
            if mode == "rollback" {
                assert_eq!(room.machines(), [] as [&str; 0], "{rule}: {}", ran.stderr);
                assert_eq!(room.states(), 0, "{rule}");
                assert_eq!(room.world(), before, "{rule}");
                continue;
            }
            // What does not depend on it is begun, or is not.
            let made: &[&str] = match mode {
                "continue" => &["6202", "6203"],
                _ => &[],
            };
            let of_the_others = |machines: Vec<String>| -> Vec<String> {
                machines.into_iter().filter(|id| id != "6201").collect()
            };
            assert_eq!(of_the_others(room.machines()), made, "{mode} {rule}");
            room.hl("rehearse resume").exits(0);
            let all = ["6201", "6202", "6203"];
            assert_eq!(room.machines(), all, "{mode} {rule}");
            room.hl("rehearse destroy -M trio -H pve --skip-preflight")
                .exits(0);
            assert_eq!(room.machines(), [] as [&str; 0], "{mode} {rule}");
        }
    }
}
