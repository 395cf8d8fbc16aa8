//! Which manifest is meant: by name, from a file, from standard input, as JSON.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::site::stage::Stage;
use crate::support::TestLab;

const JSON: &str = r#"{"schema_version": 2, "name": "inline", "nodes": [{"name": "edge", "type": "vm", "image": "debian-12"}]}"#;

fn create(graph: &Value) -> Vec<&str> {
    let names = graph["create"].as_array().unwrap().iter();
    names.map(|name| name.as_str().unwrap()).collect()
}

#[test]
fn a_name_a_file_and_json_give_the_same() {
    let stage = Stage::example();
    let by_name = stage.manifest("graph n3-full --json").exits(0).json();
    let by_flag = stage.manifest("graph -M n3-full --json").exits(0).json();
    let file = "graph --json --manifest-file conf/manifests/n3-full.yaml";
    let by_file = stage.manifest(file).exits(0).json();
    assert_eq!(create(&by_name), ["root-pve", "side", "leaf-pve", "edge"]);
    assert_eq!(by_name, by_flag);
    assert_eq!(by_name, by_file);
    let inline = stage.manifest("graph --json --manifest-json").arg(JSON);
    assert_eq!(create(&inline.exits(0).json()), ["edge"]);
}

#[test]
fn standard_input_is_read_to_its_end() {
    let stage = Stage::example();
    let text = std::fs::read_to_string(stage.path("manifests/farm.yaml")).unwrap();
    let ask = |text: &str, words: &str| {
        let mut command = stage.manifest(words).command();
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    };
    let output = ask(&text, "graph --json --manifest-file -");
    let graph: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(create(&graph), ["a", "b", "c"]);
    let output = ask(
        &text.replace("vm-small", "vm-smal"),
        "check --manifest-file -",
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(65), "{said}");
    assert!(said.contains("--> standard input:5:33"), "{said}");
}

#[test]
fn none_is_assumed() {
    let stage = Stage::example();
    stage.write("manifests/default.yaml", "schema_version: 2\n");
    for verb in ["show", "graph"] {
        let ran = stage.manifest(verb).exits(2);
        ran.says(&["no manifest is named", "`n2-quick`", "--manifest-file FILE"]);
    }
    stage.manifest("show n1-basi").exits(66).says(&[
        "there is no manifest `n1-basi`",
        "did you mean `n1-basic`?",
        "looked for `conf/manifests/n1-basi.yaml`",
    ]);
    stage
        .manifest("graph ../manifests/farm")
        .exits(2)
        .says(&["is not a name"]);
    stage
        .manifest("check --manifest-file gone.yaml")
        .exits(66)
        .says(&["cannot read `gone.yaml`"]);
    stage
        .manifest("check --manifest-json name:x")
        .exits(65)
        .says(&["`--manifest-json` is not JSON", "line 1 column"]);
    stage.manifest("show farm -M farm").exits(2);
    stage
        .manifest("show farm --manifest-file conf/manifests/farm.yaml")
        .exits(2);
}

#[test]
fn a_text_that_is_no_manifest_is_told() {
    let stage = Stage::example();
    for (text, said) in [
        ("", "the file is nothing, expected a mapping"),
        ("nodes: [\n", "is not valid YAML"),
        ("- a\n", "the file is a list, expected a mapping"),
        (
            "schema_version: 3\nname: x\nnodes: []\n",
            "`schema_version` is 3",
        ),
        (
            "schema_version: \"2\"\nname: x\nnodes: []\n",
            "`schema_version` is text",
        ),
        (
            "schema_version: 2\nname: x\nnodes: []\n",
            "`nodes` is empty, expected at least one",
        ),
        ("schema_version: 2\nname: x\n", "a manifest has no `nodes`"),
        (
            "name: x\nlevels: []\n",
            "`levels` is empty, expected at least one",
        ),
    ] {
        stage.write("x.yaml", text);
        let ran = stage
            .manifest("check --manifest-file conf/x.yaml")
            .exits(65);
        ran.says(&[said]);
    }
}

/// As `hl site`, they need no lab.
#[test]
fn a_site_config_is_enough_and_a_lab_has_its_own() {
    let stage = Stage::example();
    let listed = stage.manifest("list").exits(0).stdout;
    insta::assert_snapshot!(listed, @r"
    farm       flat    3 nodes
    legacy-v1  tiered  3 nodes
    n1-basic   flat    1 node    one VM on the target host
    n2-quick   tiered  2 nodes   a hypervisor VM with one guest in it
    n3-full    tiered  4 nodes   hypervisor in hypervisor with a guest, plus a flat guest
    ");
    let rows = stage.manifest("list --json").exits(0).json();
    assert_eq!(rows["schema"], "hl.manifest-list/1");
    assert_eq!(
        rows["manifests"][2],
        serde_json::json!({"name": "n1-basic", "valid": true, "pattern": "flat", "nodes": 1, "description": "one VM on the target host"})
    );
    let lab = TestLab::shipped();
    lab.hl("manifest list").exits(0).says(&["n1-mixed"]);
    TestLab::empty()
        .hl("manifest list")
        .exits(66)
        .says(&["found no site-config"]);
}
