//! The runway as a part of something larger: every fault is named in one go,
//! and nothing behind it starts.

use std::fs;

use super::scene::{scene, seed};
use crate::support::TestLab;

const BEHIND: &str = r#"
[layer]
id = "l1"
name = "Behind"
doc = "What must not start"
default = "behind"

[[recipe]]
name = "behind"
doc = "Leave a trace"

[[recipe.step]]
id = "trace"
use = "command"
needs = []
with = { argv = ["touch", "started"] }
"#;

#[test]
fn up_names_every_fault_of_the_runway_and_starts_nothing_behind_it() {
    let mut seed = seed();
    // A right is missing, and with the key, the storage and the bridge all else
    // that a person can get wrong at once.
    let grants = &mut seed.tokens[0].grants;
    grants.retain(|grant| !format!("{grant:?}").contains("VM.GuestAgent.Audit"));
    let scene = scene(&seed);
    scene.lab.write("layers/l1-behind/layer.toml", BEHIND);
    scene.set("PVE_STORAGE_VM", "local-lvn");
    scene.set("PVE_BRIDGE", "vmbr9");
    for end in ["", ".pub"] {
        fs::remove_file(scene.lab.path(&format!(".ssh/id_ed25519{end}"))).unwrap();
    }
    let bin = scene.lab.path("bin").display().to_string();
    let path = format!("{bin}:/usr/bin:/bin");
    for words in ["up -j1 --json", "up --json", "up -n -j1 --json"] {
        let ran = scene.lab.hl(words).env("PATH", &path).exits(69);
        let document = ran.json();
        let phases = document["phases"].as_array().unwrap();
        let mut failed: Vec<&str> = phases
            .iter()
            .filter(|phase| phase["status"] == "failed")
            .map(|phase| phase["name"].as_str().unwrap())
            .collect();
        failed.sort_unstable();
        let mut wanted = vec![
            "l0-runway/bridge",
            "l0-runway/rights",
            "l0-runway/ssh-key",
            "l0-runway/vm-storage",
        ];
        if words.contains("-n") {
            // In a dry run a missing key is a warning.
            wanted.retain(|name| !name.ends_with("ssh-key"));
        }
        assert_eq!(failed, wanted, "{words}: {document:#}");
        let behind = phases.iter().find(|phase| phase["name"] == "behind/trace");
        assert_eq!(behind.unwrap()["status"], "blocked", "{words}");
        assert!(!scene.lab.path("started").exists(), "{words}");
        fs::remove_dir_all(scene.lab.path("state")).ok();
    }
}

#[test]
fn on_failure_of_a_recipe_holds_where_it_is_a_dependency() {
    let lab = TestLab::empty();
    let step = |id: &str, script: &str| {
        format!(
            "[[recipe.step]]\nid = \"{id}\"\nuse = \"command\"\nneeds = []\nwith = {{ argv = [\"sh\", \"-c\", \"{script}\"] }}\n"
        )
    };
    let layer = format!(
        "[layer]\nid = \"l1\"\nname = \"Test\"\ndoc = \"x\"\n\n\
         [[recipe]]\nname = \"inc\"\non_failure = \"continue\"\n{}{}{}\n\
         [[recipe]]\nname = \"outer\"\ndeps = [\"inc\"]\n{}",
        step("a", "exit 3"),
        step("b", "echo b >> log"),
        step("c", "echo c >> log"),
        step("own", "echo outer >> log"),
    );
    lab.write("layers/l1-test/layer.toml", &layer);
    lab.hl("-j1 inc").exits(3);
    lab.hl("-j1 outer").exits(3).says(&["outer/own"]);
    assert_eq!(lab.read("log"), "b\nc\nb\nc\n");
}
