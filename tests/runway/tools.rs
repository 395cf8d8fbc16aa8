//! Tools of the later layers.

use std::fs;

use super::scene::{scene, seed};

#[test]
fn a_tool_that_is_missing_or_too_old() {
    let scene = scene(&seed());
    fs::remove_file(scene.lab.path("bin/packer")).unwrap();
    scene.program("ansible-playbook", "ansible-playbook [core 2.14.18]");
    let report = scene.not_cleared();
    assert_eq!(report.with_status("failed"), ["ansible", "packer"]);
    report.fails("packer", &["`packer` is not on PATH"], &["scripts/tools"]);
    report.fails(
        "ansible",
        &["version 2.14.18, expected 2.15 or later"],
        &["ansible-core"],
    );
}

#[test]
fn terraform_serves_and_hl_toml_may_name_another_program() {
    let scene = scene(&seed());
    fs::remove_file(scene.lab.path("bin/tofu")).unwrap();
    scene.program("terraform", "Terraform v1.11.4");
    let report = scene.cleared("cleared");
    assert!(
        report
            .step("tofu")
            .to_string()
            .contains("`terraform` 1.11.4")
    );

    scene
        .lab
        .write("hl.toml", "[tools]\ntofu = \"tofu-next\"\n");
    scene.not_cleared().only(
        "tofu",
        &["`tofu-next`, which `[tools]` in `hl.toml` names"],
        &[],
    );
    scene.program("tofu-next", "OpenTofu v1.13.0");
    scene.cleared("cleared");
}

#[test]
fn a_program_that_says_nothing_is_quoted() {
    let scene = scene(&seed());
    scene.program("tofu", "what?");
    scene.not_cleared().only(
        "tofu",
        &["`tofu` does not say its version, it said `what?`"],
        &[],
    );
}

#[test]
fn every_tool_that_a_later_layer_names_is_checked() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("layers");
    let runway = fs::read_to_string(root.join("l0-runway/layer.toml")).unwrap();
    let mut named = Vec::new();
    for layer in fs::read_dir(&root).unwrap() {
        let path = layer.unwrap().path().join("layer.toml");
        let Ok(text) = fs::read_to_string(path) else {
            continue;
        };
        let table: toml::Table = text.parse().unwrap();
        let recipes = table.get("recipe").and_then(toml::Value::as_array);
        let tables = recipes.into_iter().flatten().chain(table.get("layer"));
        for tools in tables.filter_map(|table| table.get("tools")?.as_array()) {
            named.extend(tools.iter().filter_map(|t| Some(t.as_str()?.to_owned())));
        }
    }
    assert!(named.iter().any(|tool| tool == "tofu"), "{named:?}");
    for tool in named {
        assert!(runway.contains(&format!("\"{tool}\"")), "{tool}");
    }
}
