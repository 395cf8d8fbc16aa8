//! What an apply makes, and that the next one has nothing to do.

use super::stage::{Stage, sealed};

fn outputs(stage: &Stage) -> serde_json::Value {
    serde_json::from_str(&stage.lab.read(".build/tofu/dev-pve/outputs.json")).unwrap()
}

/// What the apply hands on: paths that are there, and the machines.
fn published(stage: &Stage) {
    let latest: std::collections::BTreeMap<String, String> =
        dotenvy::from_path_iter(stage.lab.path("state/runs/latest.env"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
    assert_eq!(latest["LAST_STEP_COMPLETED"], "terraform_apply");
    for key in ["TERRAFORM_WORKDIR", "TFSTATE_PATH", "TERRAFORM_OUTPUT_JSON"] {
        assert!(std::path::Path::new(&latest[key]).exists(), "{latest:?}");
    }
    let runtime = stage.lab.read("state/runtime.yaml");
    for text in ["dev-pve:", "web-1:", "vmid: 5101", "192.168.1.51"] {
        assert!(runtime.contains(text), "{text} in\n{runtime}");
    }
    assert!(!runtime.contains("applying"), "{runtime}");
}

/// Make, make again, promote another template, renew, destroy: with one tool.
fn a_whole_life(stage: &Stage) {
    let made = stage.applied();
    made.says(&["2 added"]);
    let names: Vec<String> = stage.vms().into_values().collect();
    assert_eq!(names, ["web-1", "app-1"]);
    let world = stage.sim.world();
    let config = &world.vms[&5101].config;
    assert_eq!(config["ciuser"], "ops");
    assert_eq!(config["tags"], "dev;hl;web");
    assert!(config["scsi0"].contains("size=10G"), "{config:?}");
    assert!(
        config["ipconfig0"].contains("ip=192.168.1.51/24"),
        "{config:?}"
    );
    let vms = outputs(stage);
    assert_eq!(vms["vms"]["web-1"]["address"], "192.168.1.51");
    assert_eq!(vms["vms"]["app-1"]["groups"][0], "app");
    assert_eq!(vms["vms"]["app-1"]["user"], "ops");
    published(stage);
    stage.is_clean();

    // Nothing to do asks nothing.
    let writes = stage.sim.write_count();
    stage.hl("l2-apply dev").exits(0).says(&["no changes"]);
    // And a plan of it has nothing pending; one that renews a machine has.
    stage
        .hl("plan l2-apply dev --exit-code")
        .exits(0)
        .says(&["no changes"]);
    stage
        .hl("plan l2-apply dev --replace web-1 --exit-code")
        .exits(80);
    assert_eq!(stage.sim.write_count(), writes);

    // A new template is for new machines.
    stage.add_template(9010, "debian-13");
    stage.promote("debian-13", 9010);
    stage.hl("l2-apply dev").exits(0).says(&["no changes"]);

    // Outputs come back from the state alone, without the module or its data.
    for dir in [".build", ".states/dev-pve/data"] {
        std::fs::remove_dir_all(stage.lab.path(dir)).unwrap();
    }
    stage.hl("l2-outputs dev").exits(0);
    assert_eq!(outputs(stage), vms);

    // One machine is renewed, from the new template, and its host key forgotten.
    let keys = "192.168.1.51 ssh-ed25519 AAAA\n192.168.1.52 ssh-ed25519 BBBB\n";
    stage.lab.write("state/known_hosts", keys);
    stage.hl("l2-apply dev --replace web-1").exits(77).says(&[
        "web-1",
        "destroy VM 5101 and create it again: as asked by --replace",
    ]);
    assert_eq!(stage.lab.read("state/known_hosts"), keys);
    stage
        .hl("l2-apply dev --replace web-1 --yes")
        .exits(0)
        .says(&["1 replaced"]);
    assert_eq!(
        stage.lab.read("state/known_hosts"),
        "192.168.1.52 ssh-ed25519 BBBB\n"
    );
    assert_eq!(stage.vms().len(), 2);
    stage.is_clean();

    stage
        .hl("l2-destroy dev")
        .exits(77)
        .says(&["destroy VM 5102"]);
    assert_eq!(stage.vms().len(), 2);
    stage
        .hl("l2-destroy dev --yes")
        .exits(0)
        .says(&["2 destroyed"]);
    assert!(stage.vms().is_empty());
    assert!(!stage.lab.path(".build/tofu/dev-pve/outputs.json").exists());
    let latest = stage.lab.read("state/runs/latest.env");
    assert!(latest.contains("TERRAFORM_OUTPUT_JSON=\"\"\n"), "{latest}");
    assert!(
        latest.contains("LAST_STEP_COMPLETED=\"templates\"\n"),
        "{latest}"
    );
    assert!(!stage.lab.read("state/runtime.yaml").contains("web-1"));
    stage
        .hl("l2-outputs dev")
        .exits(66)
        .says(&["no machines", "hl l2-apply dev"]);
    stage.is_clean();
}

#[test]
fn a_whole_life_with_opentofu() {
    if sealed("applies::a_whole_life_with_opentofu", "tofu") {
        a_whole_life(&Stage::new());
    }
}

#[test]
fn a_whole_life_with_terraform() {
    if sealed("applies::a_whole_life_with_terraform", "terraform") {
        let stage = Stage::new();
        let config = stage.lab.read("hl.toml");
        let (before, tools) = config.split_once("[tools]\n").unwrap();
        stage.lab.write(
            "hl.toml",
            &format!("{before}[tools]\ntofu = \"terraform\"\n{tools}"),
        );
        a_whole_life(&stage);
    }
}

#[test]
fn nothing_happens_without_a_yes_and_nothing_at_all_in_a_dry_run() {
    if !sealed(
        "applies::nothing_happens_without_a_yes_and_nothing_at_all_in_a_dry_run",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::new();
    let before = stage.files();
    stage
        .hl("l2-apply dev --dry-run")
        .exits(0)
        .says(&["create VM 5101 on pve", "2 to add"]);
    let new: Vec<_> = stage
        .files()
        .into_iter()
        .filter(|path| !before.contains(path))
        .collect();
    let (written, bundle) = (stage.lab.path("state"), stage.lab.path(".build/ca.pem"));
    assert!(
        new.iter()
            .all(|path| path.starts_with(&written) || *path == bundle),
        "{new:#?}"
    );
    let summary = new
        .iter()
        .find(|path| path.ends_with("tofu-dev-pve-plan.txt"))
        .unwrap();
    assert!(
        std::fs::read_to_string(summary)
            .unwrap()
            .contains("2 to add")
    );
    assert_eq!(stage.sim.write_count(), 0);

    let asked = stage.hl("l2-apply dev").exits(77);
    asked.says(&[
        "create VM 5101 on pve from template 9000, 192.168.1.51/24",
        "2 to add",
    ]);
    assert_eq!(stage.sim.write_count(), 0);
    // Nobody approved the plan: it is gone.
    stage.is_clean();
    stage.hl("l2-apply dev --yes").exits(0);
    stage.is_clean();
}

#[test]
fn a_pinned_certificate_is_enough() {
    if !sealed("applies::a_pinned_certificate_is_enough", "tofu") {
        return;
    }
    let stage = Stage::self_signed();
    let hl = |words: &str| stage.hl(words).without("PVE_CA_FILE");
    hl("l2-apply dev --yes")
        .exits(1)
        .says(&["is not trusted", "PVE_FINGERPRINT="]);
    let pinned = hl("l2-apply dev --yes").env("PVE_FINGERPRINT", stage.sim.fingerprint());
    pinned.exits(0).says(&["2 added"]);
    stage.is_clean();
}

#[test]
fn what_only_l1_makes_is_not_planned_and_live_it_is_named() {
    if !sealed(
        "applies::what_only_l1_makes_is_not_planned_and_live_it_is_named",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::new();
    // Neither a record here nor notes on the node.
    std::fs::remove_dir_all(stage.lab.path("templates/debian-13")).unwrap();
    let vm = stage.sim.change(|world| world.vms.remove(&9000));
    stage
        .hl("plan l2-apply dev")
        .exits(0)
        .says(&["needs template debian-13, which L1 would build", "valid"]);
    stage.hl("l2-apply dev --yes").exits(1).says(&[
        "template debian-13 is not built",
        "hl l1-template debian-13",
    ]);
    assert_eq!(stage.sim.write_count(), 0);
    // A slip is no template that L1 could build.
    let env = stage.lab.read("site/envs/dev.yaml");
    let slip = env.replace("debian-13", "debain-13");
    stage.lab.write("site/envs/dev.yaml", &slip);
    stage
        .hl("plan l2-apply dev")
        .exits(65)
        .says(&["wants template `debain-13`", "did you mean `debian-13`?"]);
    stage.lab.write("site/envs/dev.yaml", &env);
    // The node's notes are enough, and the record is written again.
    stage
        .sim
        .change(|world| world.vms.insert(9000, vm.unwrap()));
    stage.hl("plan l2-apply dev").exits(0).says(&["2 to add"]);
    assert!(!stage.lab.path("templates/debian-13").exists());
    stage.applied();
    let pointer = stage
        .lab
        .path("templates/debian-13/spec/vm-template-stable.json");
    assert!(pointer.exists());
    // After a clean everything comes back, and nothing is made anew.
    stage.hl("clean --yes").exits(0);
    assert!(!pointer.exists() && !stage.lab.path(".build").exists());
    stage.hl("l2-apply dev").exits(0).says(&["no changes"]);
    assert!(pointer.exists());
    assert!(stage.lab.path(".build/tofu/dev-pve/outputs.json").exists());
    stage.is_clean();
}

#[test]
fn changes_are_told_with_their_values_and_made_in_place() {
    if !sealed(
        "applies::changes_are_told_with_their_values_and_made_in_place",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::new();
    stage.applied();
    let env = stage.lab.read("site/envs/dev.yaml");
    let bigger = env
        .replacen("memory: 1024", "memory: 2048", 1)
        .replacen("disk: 10", "disk: 12", 1);
    stage.lab.write("site/envs/dev.yaml", &bigger);
    stage.hl("l2-apply dev --yes").exits(0).says(&[
        "memory.dedicated 1024 -> 2048",
        "disk.size 10 -> 12",
        "1 changed",
    ]);
    let config = stage.sim.world().vms[&5101].config.clone();
    assert_eq!(config["memory"], "2048");
    assert!(config["scsi0"].contains("size=12G"), "{config:?}");
    // A key of another person replaces nothing.
    stage.lab.write(".ssh/id_ed25519.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBG7YvXM6cXkAyOfyLKgJ2tQ8Ll9UqtRz2Pss2V1n4Yb you@desk\n");
    stage.hl("l2-apply dev").exits(0).says(&["no changes"]);
    // Taken out of the file, it is destroyed, and that wants its yes.
    let only = bigger.split("\n  - name: app-1").next().unwrap().to_owned() + "\n";
    stage.lab.write("site/envs/dev.yaml", &only);
    stage
        .hl("l2-apply dev")
        .exits(77)
        .says(&["destroy VM 5102: no longer in the environment"]);
    stage
        .hl("l2-apply dev --yes")
        .exits(0)
        .says(&["1 destroyed"]);
    assert_eq!(stage.vms().into_keys().collect::<Vec<_>>(), [5101]);
    stage.is_clean();
}
