//! Manifests with levels: read as a chain of nodes.

use serde_json::{Value, json};

use crate::site::stage::Stage;

#[test]
fn levels_are_a_chain_whose_last_one_is_a_machine() {
    let stage = Stage::example();
    let graph = stage.manifest("graph legacy-v1 --json").exits(0).json();
    assert_eq!(graph["create"], json!(["outer", "inner", "leaf"]));
    assert_eq!(graph["destroy"], json!(["leaf", "inner", "outer"]));
    let nodes: Vec<(&Value, &Value)> = graph["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (&node["type"], &node["parent"]))
        .collect();
    assert_eq!(
        nodes,
        [
            (&json!("pve"), &json!(null)),
            (&json!("pve"), &json!("outer")),
            (&json!("vm"), &json!("inner")),
        ]
    );
    // A manifest without a version has levels; its last one may be a Proxmox VE, too.
    stage.write(
        "old.yaml",
        "name: old\nlevels: [{name: a, template: null, image: i, post_scenario: pve-setup}]\n",
    );
    let graph = stage
        .manifest("graph --json --manifest-file conf/old.yaml")
        .exits(0)
        .json();
    assert_eq!(graph["nodes"][0]["type"], "pve");
}

/// Preset, template and environment, each with its own file and line.
#[test]
fn each_level_is_made_from_what_it_names() {
    let stage = Stage::example();
    let ran = stage.manifest("show legacy-v1 --json").exits(0);
    ran.says(&[
        "environment `lab` has 4 machines, and a level is one",
        "it is made as `lab1`",
    ]);
    let shown = ran.json();
    let of = |node: usize, key: &str| {
        let path = format!("nodes[{node}].{key}");
        let rows = shown["values"].as_array().unwrap().iter();
        let row = rows.clone().find(|row| row["path"] == path.as_str());
        let row = row.unwrap_or_else(|| panic!("{path} is not in {shown:#}"));
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        (text("value"), text("from"))
    };
    for (node, key, value, from) in [
        (0, "name", "\"outer\"", "conf/manifests/legacy-v1.yaml:5"),
        (0, "type", "\"pve\"", "default"),
        (0, "cores", "4", "conf/vms/presets/large.yaml:1"),
        (0, "disk", "40", "conf/vms/presets/large.yaml:3"),
        (0, "vmid", "33001", "conf/manifests/legacy-v1.yaml:5"),
        (1, "parent", "\"outer\"", "default"),
        (1, "image", "\"debian-12\"", "conf/vms/tiny.yaml:1"),
        (1, "memory", "2048", "conf/vms/presets/small.yaml:2"),
        (1, "vmid", "33002", "conf/manifests/legacy-v1.yaml:6"),
        (2, "name", "\"leaf\"", "conf/manifests/legacy-v1.yaml:7"),
        (2, "type", "\"vm\"", "default"),
        (2, "image", "\"debian-12\"", "conf/vms/tiny.yaml:1"),
        (2, "vmid", "21005", "conf/envs/lab.yaml:2 + 5"),
    ] {
        let found = of(node, key);
        assert_eq!(found, (value.to_owned(), from.to_owned()), "{node} {key}");
    }
}

#[test]
fn scenarios_that_nothing_runs_and_machines_without_image_are_warned_about() {
    let stage = Stage::example();
    stage.write(
        "old.yaml",
        "schema_version: 1\nname: old\nlevels:\n  - {name: a, vm_preset: small, post_scenario: user-setup}\n",
    );
    let ran = stage
        .manifest("check --manifest-file conf/old.yaml")
        .exits(0);
    ran.says(&[
        "scenario `user-setup` of level `a` is not run",
        "--> conf/old.yaml:4:48",
        "node `a` has no `image`: it cannot be made",
        "no errors, 2 warnings",
    ]);
}

#[test]
fn levels_are_held_against_their_own_table() {
    let stage = Stage::example();
    for (levels, said) in [
        ("[{vm_preset: small}]", "a level has no `name`"),
        (
            "[{name: a}]",
            "a level has no `vm_preset`, `template` or `env`",
        ),
        ("[{name: a, vm_preset: smal}]", "there is no preset `smal`"),
        (
            "[{name: a, template: tinny}]",
            "there is no template `tinny`",
        ),
        ("[{name: a, env: labb}]", "there is no environment `labb`"),
        (
            "[{name: a, vm_preset: small, parent: b}]",
            "unknown key `parent`",
        ),
        (
            "[{name: a, vm_preset: small}, {name: a, env: lab}]",
            "duplicate level `a`",
        ),
        (
            "[{name: a, env: lab, vmid: 300}, {name: b, env: lab, vmid: 300}]",
            "vmid `300` is taken by `a`",
        ),
    ] {
        stage.write("old.yaml", &format!("name: old\nlevels: {levels}\n"));
        let ran = stage
            .manifest("check --manifest-file conf/old.yaml")
            .exits(65);
        ran.says(&[said]);
    }
    // That a key is there is enough; nothing is made from nothing.
    stage.write(
        "old.yaml",
        "name: old\nlevels: [{name: a, env: null, image: i}]\n",
    );
    stage
        .manifest("check --manifest-file conf/old.yaml")
        .exits(0);
}

/// What a level is, its environment or its template says.
#[test]
fn a_level_that_is_made_from_a_container_is_one() {
    let stage = Stage::example();
    stage.write(
        "envs/cts.yaml",
        "vms:\n  - {name: c1, kind: ct, image: debian-12}\n",
    );
    stage.write("vms/box.yaml", "kind: ct\nimage: debian-12\n");
    stage.write(
        "envs/old.yaml",
        "vms:\n  - {name: c1, type: ct, image: i}\n",
    );
    for made_from in ["env: cts", "env: old", "template: box"] {
        let text = format!("name: old\nlevels:\n  - {{name: a, {made_from}}}\n");
        stage.write("old.yaml", &text);
        let graph = stage.manifest("graph --json --manifest-file conf/old.yaml");
        assert_eq!(graph.exits(0).json()["nodes"][0]["type"], "ct");
        let shown = stage.manifest("show --json --manifest-file conf/old.yaml");
        let shown = shown.exits(0).json();
        assert_eq!(shown["manifest"]["nodes"][0]["type"], "ct", "{shown:#}");
        let more = "  - {name: b, template: tiny}\n";
        stage.write("old.yaml", &format!("{text}{more}"));
        for verb in ["check", "graph"] {
            let ran = stage.manifest(&format!("{verb} --manifest-file conf/old.yaml"));
            ran.exits(65).says(&[
                "level `a` is a container, which holds no other level",
                "--> conf/old.yaml:3:",
            ]);
        }
    }
}
