//! `hl site check`.

use serde_json::Value;

use super::faults::FAULTS;
use super::stage::Stage;

fn findings(json: &Value, severity: &str) -> Vec<Value> {
    let all = json["findings"].as_array().unwrap().iter();
    all.filter(|f| f["severity"] == severity).cloned().collect()
}

#[test]
fn twenty_five_faults_are_told_in_one_run_each_with_its_place() {
    let stage = Stage::example();
    for (file, old, new, ..) in FAULTS {
        stage.edit(file, old, new);
    }
    let json = stage.site("check --json").exits(65).json();
    let mut found = findings(&json, "error");
    assert_eq!(json["errors"], 25, "{found:#?}");
    for (file, _, _, (line, column), message) in FAULTS {
        let path = format!("conf/{file}");
        let at = found.iter().position(|f| {
            f["file"] == *path
                && f["line"] == line
                && f["column"] == column
                && f["message"].as_str().unwrap().contains(message)
        });
        let at =
            at.unwrap_or_else(|| panic!("{path}:{line}:{column} {message}\nis not in {found:#?}"));
        found.remove(at);
    }
    assert!(found.is_empty(), "{found:#?}");
    // For people the same, with what would be right.
    let ran = stage.site("check").exits(65);
    assert_eq!(
        ran.stderr.matches("\nerror: ").count() + 1,
        25,
        "{}",
        ran.stderr
    );
    ran.says(&[
        "25 errors",
        "--> conf/envs/lab.yaml:4:28",
        "did you mean `tiny`?",
        "did you mean `gateway`?",
        "did you mean `kestrel`?",
        "did you mean `ana@desk`?",
        "did you mean `site_token`?",
    ]);
}

/// Each of the faults alone is one error: none hides behind another.
#[test]
fn one_fault_is_one_error() {
    for (file, old, new, (line, column), message) in FAULTS {
        let stage = Stage::example();
        stage.edit(file, old, new);
        let json = stage.site("check --json").exits(65).json();
        let found = findings(&json, "error");
        assert_eq!(found.len(), 1, "{message}: {found:#?}");
        assert_eq!(
            (&found[0]["line"], &found[0]["column"]),
            (&line.into(), &column.into())
        );
    }
}

#[test]
fn the_example_is_valid_and_warnings_do_not_fail() {
    let stage = Stage::example();
    let json = stage.site("check --json").exits(0).json();
    assert_eq!(json["errors"], 0);
    assert_eq!(json["files"], 43);
    let warnings = findings(&json, "warning");
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert_eq!(
        warnings[0]["message"],
        "host `osprey` is not described: `conf/hosts/osprey.yaml`"
    );
    stage.edit("nodes/osprey.yaml", "host: osprey\n", "");
    let ran = stage.site("check").exits(0);
    ran.says(&["43 files in `conf`: no errors, no warnings"]);
}

#[test]
fn what_yaml_1_1_read_otherwise_is_a_warning() {
    let stage = Stage::example();
    stage.write(
        "envs/old.yaml",
        "vms:\n  - {name: a, image: i, flag: yes, mode: 0644, at: 12:30, many: 1_000, off: x}\n  - {name: b, image: i, flag: 'yes', mode: \"0644\"}\n",
    );
    let json = stage.site("check --json").exits(0).json();
    let warnings = findings(&json, "warning");
    let old: Vec<&str> = warnings
        .iter()
        .filter(|f| f["file"] == "conf/envs/old.yaml" && f["line"] == 2)
        .map(|f| {
            f["message"]
                .as_str()
                .unwrap()
                .split(" to YAML")
                .next()
                .unwrap()
        })
        .collect();
    assert_eq!(
        old,
        [
            "`yes` is true",
            "`0644` is the number 420",
            "`12:30` is the number 750",
            "`1_000` is the number 1000",
            "`off` is false"
        ]
    );
    let vm = stage
        .site("resolve tofu --env old --node osprey")
        .exits(0)
        .json()["vms"][0]
        .clone();
    assert_eq!((&vm["flag"], &vm["mode"]), (&"yes".into(), &644.into()));
    assert_eq!((&vm["at"], &vm["many"]), (&"12:30".into(), &"1_000".into()));
}

#[test]
fn unknown_keys_of_machines_pass_and_slips_are_told() {
    let stage = Stage::example();
    stage.write(
        "envs/own.yaml",
        "vms:\n  - {name: a, image: i, memroy: 2048, ballooning: {min: 1}, vm_preset: small, template: raw, preset: x}\n",
    );
    let json = stage.site("check --json").exits(0).json();
    let messages: Vec<String> = findings(&json, "warning")
        .iter()
        .filter(|f| f["file"] == "conf/envs/own.yaml")
        .map(|f| f["message"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        messages,
        [
            "unknown key `memroy` is passed through",
            "`vm_preset` has no effect beside `template`",
            "`preset` of a machine is passed through, and chooses nothing",
        ]
    );
    let vm = stage
        .site("resolve tofu --env own --node osprey")
        .exits(0)
        .json()["vms"][0]
        .clone();
    assert_eq!(vm["memroy"], 2048);
    assert_eq!(vm["ballooning"]["min"], 1);
    assert!(vm.get("vm_preset").is_none() && vm.get("template").is_none());
}

#[test]
fn names_are_never_paths() {
    let stage = Stage::example();
    for name in ["../secrets", "presets/small", "/etc/passwd", ".."] {
        stage.write(
            "envs/bad.yaml",
            &format!("vms:\n  - {{name: a, template: {name}}}\n"),
        );
        let ran = stage.site("check").exits(65);
        ran.says(&["there is no template", "without directories"]);
        let ran = stage
            .site("resolve tofu --node osprey")
            .arg("--env")
            .arg(name)
            .exits(2);
        ran.says(&[&format!("environment `{name}` is not a name")]);
    }
}

#[test]
fn a_broken_secrets_file_is_told_with_the_rest_and_shows_nothing() {
    let stage = Stage::example();
    stage.edit(
        "secrets.yaml",
        "  vm_root: \"$6$saltsalt$",
        "  vm_root: hunter2 \"$6$saltsalt$",
    );
    stage.edit("secrets.yaml", "auth:", "auht:");
    stage.edit("envs/lab.yaml", "template: tiny", "template: tinny");
    let ran = stage.site("check").exits(65);
    ran.says(&[
        "unknown key `auht`",
        "did you mean `auth`?",
        "there is no template `tinny`",
    ]);
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    // A section that could not be read makes no name dangle.
    let json = stage.site("check --json").exits(65).json();
    assert_eq!(json["errors"], 2, "{json:#}");
    let ran = stage
        .site("resolve tofu --env test --node osprey")
        .exits(65);
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
}
