//! The machines of a manifest with the real tools: made, looked at, destroyed.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{ready, tree};
use crate::pull::same;
use crate::support::{Hl, Ran, TestLab};

/// A machine, a container with a spec, and one spec by push (`web`) and by pull (`own`).
const MANIFEST: &str = "\
schema_version: 2
name: flat
nodes:
  - {name: plain, type: vm, preset: small, image: debian-13}
  - {name: cache, type: ct, spec: own, preset: small, image: debian-13, vmid: 9112}
  - {name: web, type: vm, spec: edge, preset: small, image: debian-13, vmid: 9113, disk: 12}
  - {name: own, type: vm, spec: edge, preset: small, image: debian-13, vmid: 9114, execution: {mode: pull}}
settings: {on_error: rollback}
";

/// The container's.
const SPEC: &str = "\
schema_version: 1
access:
  posture: dev
  users: [{name: ana, sudo: true}]
platform:
  services: {enable: [ssh], disable: []}
config:
  timezone: Europe/Lisbon
";

/// Looks at the two machines of one spec, once they let somebody in.
const LOOKED: &str = "\
[layer]
id = \"l9\"
name = \"Mine\"

[[recipe]]
name = \"looked\"
[[recipe.step]]
id = \"web\"
use = \"ssh.wait\"
with = { inventory = \"state/rehearsal/.build/ansible/flat/pve/web/inventory.json\" }
[[recipe.step]]
id = \"own\"
use = \"ssh.wait\"
with = { inventory = \"state/rehearsal/.build/ansible/flat/pve/own/inventory.json\" }
[[recipe.step]]
id = \"look\"
use = \"command\"
with = { argv = [\"sh\", \"look.sh\", \"own:OWN\", \"web:WEB\"] }
";

struct Room {
    lab: TestLab,
    home: TempDir,
}

impl Room {
    fn new() -> Self {
        let lab = same::lab();
        lab.write("site/manifests/flat.yaml", MANIFEST)
            .write("site/v2/specs/own.yaml", SPEC);
        Self {
            lab,
            home: TempDir::new().unwrap(),
        }
    }

    fn hl(&self, words: &str) -> Hl {
        let home = self.home.path().display().to_string();
        self.lab.hl(words).env("HOME", home)
    }

    fn run(&self, words: &str) -> Ran {
        self.hl(&format!("rehearse {words}")).run()
    }

    fn out(&self, below: &str) -> PathBuf {
        self.lab.path("state/rehearsal").join(below)
    }

    fn world(&self) -> Value {
        let text = std::fs::read_to_string(self.out("world/world.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The machines of the simulated node that are no templates: id and state.
    fn machines(&self) -> Vec<(u64, String)> {
        let world = self.world();
        let vms = world["vms"].as_object().unwrap().iter();
        let machines = vms.filter(|(_, vm)| vm["config"]["template"] != "1");
        machines
            .map(|(id, vm)| (id.parse().unwrap(), vm["run"].is_object().to_string()))
            .collect()
    }

    fn record(&self) -> Value {
        let record = std::fs::read_to_string(self.out(".states/flat/pve/execution.json"));
        serde_json::from_str(&record.unwrap()).unwrap()
    }

    /// Processes that have this lab in their words or in what they mount, once those that
    /// are just ending had a moment.
    fn processes(&self) -> Vec<String> {
        let root = self.lab.root().display().to_string();
        let read = |path: PathBuf| {
            let bytes = std::fs::read(path).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let mut left = Vec::new();
        for _ in 0..100 {
            let all = std::fs::read_dir("/proc").unwrap().flatten();
            let words = all.filter_map(|process| {
                let words = read(process.path().join("cmdline"));
                let mounts = read(process.path().join("mountinfo"));
                (words.contains(&root) || mounts.contains(&root)).then_some(words)
            });
            left = words.collect();
            if left.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        left
    }

    fn states(&self) -> Vec<PathBuf> {
        let states = tree::files(&self.out(".states/flat"), &[]).into_iter();
        // The file of this name in `data/` says where tofu keeps its state.
        let states = states.filter(|path| {
            path.ends_with("terraform.tfstate") && !path.parent().unwrap().ends_with("data")
        });
        states.collect()
    }
}

fn nodes(document: &Value) -> Vec<(String, String, bool)> {
    let nodes = document["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| {
            let text = |key: &str| node[key].as_str().unwrap_or_default().to_owned();
            (text("name"), text("status"), node["vm_id"].is_u64())
        })
        .collect()
}

/// The steps of a run that changed something.
fn changed(document: &Value) -> Vec<&str> {
    let steps = document["steps"].as_array().unwrap().iter();
    let changed = steps.filter(|step| step["changed"] == true);
    changed.map(|step| step["name"].as_str().unwrap()).collect()
}

#[test]
fn a_flat_manifest_is_created_tested_and_destroyed() {
    let programs = [
        "packer",
        "tofu",
        "ansible-playbook",
        "unshare",
        "ssh-keygen",
    ];
    if !ready(true, &programs) {
        return;
    }
    let room = Room::new();
    let ran = room.run("l1-ensure debian-13");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let empty = room.machines();
    created(&room);
    looked(&room);
    again(&room);
    refused(&room);
    destroyed(&room, &empty);
    tested(&room, &empty);
    documented(&room, &empty);
}

/// The commands of the page, and each line that it shows.
fn documented(room: &Room, empty: &[(u64, String)]) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/manifests.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut commands = 0;
    for block in page.split("```console rehearsal\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for part in block.split("$ ").skip(1) {
            let (command, lines) = part.split_once('\n').unwrap();
            let words = command.strip_prefix("hl ").unwrap();
            let ran = room.hl(words).exits(0);
            ran.says(&lines.lines().collect::<Vec<_>>());
            commands += 1;
        }
    }
    assert!(commands >= 3);
    assert_eq!(room.machines(), empty);
}

fn created(room: &Room) {
    let ran = room.run("create -M flat -H pve --json");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let document = ran.json();
    assert_eq!(document["scenario"], "create");
    let phases = document["phases"].as_array().unwrap().iter();
    let words = phases.map(|phase| phase["status"].as_str().unwrap());
    assert!(
        words
            .clone()
            .all(|word| ["passed", "skipped"].contains(&word))
    );
    assert!(words.filter(|word| *word == "passed").count() > 40);
    let node = &document["nodes"][0]["duration"];
    assert!(node.to_string().len() <= "1234.5".len(), "{node}");
    let all = ["plain", "cache", "web", "own"];
    let wanted = all.map(|name| (name.to_owned(), "completed".to_owned(), true));
    assert_eq!(nodes(&document), wanted);
    assert_eq!(room.states().len(), 4);
    let record = room.record();
    assert_eq!(record["nodes"]["web"]["vm_id"], 9113);
    assert!(record["nodes"]["plain"]["ip"].is_string(), "{record:#}");
    let world = room.world();
    let web = &world["vms"]["9113"]["config"];
    assert_eq!(web["searchdomain"], "lab.example");
    let description = web["description"].as_str().unwrap();
    assert!(description.contains("node flat/pve/web]"), "{description}");
    // What brought the token to the machine that asked for its spec is gone.
    assert!(world["vms"]["9114"]["config"]["cicustom"].is_null());
    assert!(!world["volumes"].to_string().contains("hl-flat-pve-own"));
    same::holds_no_token(room.lab.root());
    // Specs reached both kinds of machines, by both ways.
    let zones = tree::files(&room.out("world/disks"), &[]);
    let zones = zones.iter().filter(|path| path.ends_with("etc/timezone"));
    let zones: Vec<String> = zones
        .map(|path| std::fs::read_to_string(path).unwrap())
        .filter(|zone| zone.trim() == "Europe/Lisbon")
        .collect();
    assert_eq!(zones.len(), 3);
}

/// One spec, pushed and pulled, makes two machines the same.
fn looked(room: &Room) {
    let record = room.record();
    let ip = |name: &str| record["nodes"][name]["ip"].as_str().unwrap().to_owned();
    let layer = LOOKED.replace("OWN", &ip("own")).replace("WEB", &ip("web"));
    room.lab.write("layers/l9-mine/layer.toml", &layer);
    let ran = room.run("looked");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    same::are(&room.lab, "own", "web");
}

fn again(room: &Room) {
    let before = room.machines();
    let ran = room.run("create -M flat -H pve --json");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["success"], true);
    let document = room.run("runs show --json").json();
    assert_eq!(changed(&document), [] as [&str; 0], "{document:#}");
    assert_eq!(room.machines(), before);
}

/// Where something of it stands, a test ends before its first step.
fn refused(room: &Room) {
    let before = room.machines();
    let ran = room.run("test -M flat -H pve --yes");
    assert_eq!(ran.code, 77, "{}", ran.stderr);
    ran.says(&[
        "4 machines are there",
        "`web` (VM 9113), in its state",
        "destroy -M flat -H pve",
    ]);
    assert_eq!(room.machines(), before);
    assert_eq!(room.states().len(), 4);
}

fn destroyed(room: &Room, empty: &[(u64, String)]) {
    let ran = room.run("destroy -M flat -H pve --json");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let wanted =
        ["own", "web", "cache", "plain"].map(|name| (name.to_owned(), "destroyed".to_owned()));
    let gone: Vec<_> = nodes(&ran.json())
        .into_iter()
        .map(|(n, s, _)| (n, s))
        .collect();
    assert_eq!(gone, wanted);
    assert_eq!(room.machines(), empty);
    assert_eq!(room.states(), [] as [PathBuf; 0]);
    assert_eq!(room.processes(), [] as [&str; 0]);
}

fn tested(room: &Room, empty: &[(u64, String)]) {
    let ran = room.run("test -M flat -H pve --json");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let document = ran.json();
    let verified = document["phases"].as_array().unwrap().iter();
    let verified = verified.filter(|phase| {
        phase["status"] == "passed" && phase["name"].as_str().unwrap().ends_with("/verify")
    });
    assert_eq!(verified.count(), 4);
    assert_eq!(room.machines(), empty);
    assert_eq!(room.states(), [] as [PathBuf; 0]);
    assert_eq!(room.processes(), [] as [&str; 0]);
    // What is not in a manifest is not there either.
    let ran = room.run("destroy -M flat -H pve");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.says(&["nothing of it is here"]);
}
