//! Every environment on every node, every spec and every host of the example
//! tree. The expected files were derived from the rules by hand and by an
//! independent program; `HL_BLESS` does not touch them.

use std::fs;
use std::path::Path;

use super::stage::Stage;

fn expected(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/site/expected")
        .join(format!("{name}.json"));
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[track_caller]
fn compare(stage: &Stage, words: &str, name: &str) {
    let ran = stage.site(&format!("resolve {words} --reveal")).exits(0);
    assert_eq!(ran.stdout, expected(name), "{words}");
}

fn names(stage: &Stage, kind: &str) -> Vec<String> {
    let listed = stage.site(&format!("list {kind}")).exits(0).stdout;
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn environments_on_nodes_are_what_opentofu_is_given() {
    let stage = Stage::example();
    let (envs, nodes) = (names(&stage, "envs"), names(&stage, "nodes"));
    assert_eq!(envs, ["bare", "lab", "staging", "test", "vault"]);
    assert_eq!(nodes, ["kestrel", "nested-pve", "osprey"]);
    for env in &envs {
        for node in &nodes {
            let words = format!("tofu --env {env} --node {node}");
            compare(&stage, &words, &format!("tofu.{env}.{node}"));
        }
    }
}

#[test]
fn environments_are_what_ansible_is_given() {
    let stage = Stage::example();
    for env in names(&stage, "envs") {
        compare(
            &stage,
            &format!("ansible --env {env}"),
            &format!("ansible.{env}"),
        );
    }
}

#[test]
fn specs_are_what_machines_are_given() {
    let stage = Stage::example();
    let specs = names(&stage, "specs");
    assert_eq!(specs, ["base", "edge", "pve", "vault1"]);
    for spec in specs {
        compare(&stage, &format!("spec {spec}"), &format!("spec.{spec}"));
    }
}

#[test]
fn hosts_are_nodes_or_machines_that_are_none_yet() {
    let stage = Stage::example();
    let hosts = names(&stage, "hosts");
    assert_eq!(hosts, ["heron", "kestrel", "nested-pve", "osprey"]);
    for host in hosts {
        compare(&stage, &format!("host {host}"), &format!("host.{host}"));
    }
}

#[test]
fn a_single_machine_has_its_layers_and_its_own_keys_behind_them() {
    let stage = Stage::example();
    let vm = |words: &str| {
        let words = format!("resolve vm --node osprey --name x {words}");
        let json = stage.site(&words).exits(0);
        let vm = &json.json()["vms"][0];
        // Keys in the order of the document.
        let (_, vms) = json.stdout.split_once("\"vms\"").unwrap();
        let keys: Vec<String> = vms
            .lines()
            .filter_map(|line| line.strip_prefix("      \"")?.split('"').next())
            .map(str::to_owned)
            .collect();
        (vm.clone(), keys.join(" "))
    };
    let (xlarge, keys) = vm("--preset vm-xlarge --image debian-12");
    assert_eq!(
        keys,
        "cores memory disk name vmid image bridge gateway auth_token"
    );
    assert_eq!(xlarge["disk"], 80, "v2/presets/ comes first");
    assert!(xlarge["vmid"].is_null());
    let (xlarge, _) = vm("--preset xlarge");
    assert_eq!(xlarge["disk"], 64);
    let (medium, _) = vm("--preset medium --vmid 777");
    assert_eq!(
        (&medium["memory"], &medium["vmid"]),
        (&4096.into(), &777.into())
    );
    // A template wins over a preset beside it.
    let (raw, keys) = vm("--template raw --preset large");
    assert_eq!(
        keys,
        "image cores memory disk bridge name vmid gateway auth_token"
    );
    assert_eq!(
        (&raw["cores"], &raw["bridge"]),
        (&3.into(), &"vmbr9".into())
    );
    let token = |words: &str| vm(words).0["auth_token"].clone();
    assert_eq!(token("--preset small"), "");
    assert_eq!(token("--preset small --posture stage"), "(secret)");
    assert_eq!(
        token("--preset small --posture prod"),
        "",
        "no token is kept for `x`"
    );
    let ran = stage.site("resolve vm --node osprey --name x").exits(2);
    ran.says(&["neither a template nor a preset", "--preset"]);
    let ran = stage
        .site("resolve vm --node osprey --name x --preset smal")
        .exits(66);
    ran.says(&["there is no preset `smal`", "did you mean `small`?"]);
    stage.remove("v2/presets");
    assert_eq!(vm("--preset vm-xlarge").0["disk"], 64, "without `vm-`");
}
