//! Where an answer may go, and that secrets go nowhere else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::stage::Stage;

const CANARY: &str = "canary-4711";

/// Every secret of the tree is the canary, with its place behind it.
fn with_canaries() -> Stage {
    let stage = Stage::example();
    stage.write(
        "secrets.yaml",
        &format!(
            "api_tokens:\n  kestrel: {CANARY}-1\n  nested-pve: {CANARY}-2\n  osprey-token: {CANARY}-3\n\
             passwords:\n  vm_root: {CANARY}-4\nssh_keys:\n  ana@desk: {CANARY}-5\n  ci@runner: {CANARY}-6\n\
             auth:\n  site_token: {CANARY}-7\n  node_tokens:\n    vault1: {CANARY}-8\n    edge: {CANARY}-9\n"
        ),
    );
    stage
}

#[test]
fn secrets_are_in_no_output_but_where_it_was_asked_for() {
    let stage = with_canaries();
    let questions = [
        "resolve tofu --env vault --node kestrel",
        "resolve tofu --env staging --node osprey",
        "resolve vm --node osprey --name vault1 --preset small --posture prod",
        "resolve ansible --env lab",
        "resolve spec edge",
        "resolve host nested-pve",
    ];
    for question in questions {
        for more in ["", "--explain", "--explain --json", "-v", "--json"] {
            let ran = stage.site(question).cmd(more).exits(0);
            assert!(
                !ran.stdout.contains(CANARY),
                "{question} {more}: {}",
                ran.stdout
            );
            assert!(
                !ran.stderr.contains(CANARY),
                "{question} {more}: {}",
                ran.stderr
            );
            assert!(
                ran.stdout.contains("(secret)"),
                "{question} {more}: {}",
                ran.stdout
            );
        }
        let ran = stage.site(question).cmd("--reveal").exits(0);
        assert!(ran.stdout.contains(CANARY) && !ran.stdout.contains("(secret)"));
        assert!(!ran.stderr.contains(CANARY));
    }
    let ran = stage.site("check --json").exits(0);
    assert!(!ran.stdout.contains(CANARY) && !ran.stderr.contains(CANARY));
}

#[test]
fn a_written_answer_is_whole_and_for_its_owner_alone() {
    let stage = with_canaries();
    let file = stage.beside("vars.json");
    let write = || {
        stage
            .site("resolve tofu --env vault --node kestrel --write vars.json")
            .exits(0)
    };
    // A file that others read, a link: both are replaced, nothing is followed.
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    for _ in 0..2 {
        let ran = write();
        assert!(ran.stdout.is_empty() && !ran.stderr.contains(CANARY));
        let text = fs::read_to_string(&file).unwrap();
        let revealed = stage
            .site("resolve tofu --env vault --node kestrel --reveal")
            .exits(0);
        assert_eq!(text, revealed.stdout);
        let mode = fs::symlink_metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_file(&file).unwrap();
        fs::write(stage.beside("other"), "kept").unwrap();
        symlink("other", &file).unwrap();
    }
    write();
    assert_eq!(fs::read_to_string(stage.beside("other")).unwrap(), "kept");
    assert!(!file.is_symlink());
    // Nothing is left beside it, and a dry run writes nothing.
    fs::remove_file(&file).unwrap();
    stage
        .site("resolve tofu --env vault --node kestrel --write vars.json -n")
        .exits(0)
        .says(&["would write"]);
    let mut left: Vec<_> = fs::read_dir(stage.beside(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort_unstable();
    assert_eq!(left, ["conf", "other"]);
    stage
        .site("resolve spec edge --write conf")
        .exits(73)
        .says(&["cannot write"]);
    stage.site("resolve spec edge --reveal --explain").exits(2);
}

#[test]
fn each_value_is_explained_by_the_line_that_gave_it() {
    let stage = Stage::example();
    let json = stage
        .site("resolve tofu --env lab --node kestrel --explain --json")
        .exits(0)
        .json();
    let from = |path: &str| {
        let rows = json["values"].as_array().unwrap();
        let row = rows.iter().find(|row| row["path"] == path);
        row.unwrap_or_else(|| panic!("{path} is not in {json:#}"))["from"].clone()
    };
    for (path, expected) in [
        ("node", "conf/nodes/kestrel.yaml:1"),
        ("api_token", "conf/secrets.yaml:2"),
        ("ssh_user", "conf/site.yaml:5"),
        ("ssh_host", "conf/nodes/kestrel.yaml:3"),
        ("vms[0].cores", "conf/vms/presets/small.yaml:1"),
        ("vms[0].image", "conf/vms/tiny.yaml:1"),
        ("vms[0].vmid", "conf/envs/lab.yaml:2 + 0"),
        ("vms[1].cores", "conf/envs/lab.yaml:5"),
        ("vms[1].disk", "conf/vms/builder.yaml:3"),
        ("vms[1].packages[0]", "conf/vms/builder.yaml:4"),
        ("vms[2].bridge", "conf/vms/raw.yaml:5"),
        ("vms[3].packages[0]", "conf/envs/lab.yaml:7"),
        ("vms[3].vmid", "conf/envs/lab.yaml:2 + 3"),
        ("vms[3].gateway", "conf/site.yaml:8"),
        ("vms[3].auth_token", "default"),
    ] {
        assert_eq!(from(path), expected, "{path}");
    }
    let ran = stage.site("resolve ansible --env bare --explain").exits(0);
    ran.says(&[
        "posture_name",
        "\"dev\"",
        "default",
        "conf/postures/dev.yaml:6",
    ]);
}
