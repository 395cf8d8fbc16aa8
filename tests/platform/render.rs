//! `hl platform render`: what is written, and what is not.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::stage::{ON_PROXMOX, SOPS, lab, platform, small, tree};

#[test]
fn what_has_not_changed_is_not_written() {
    let lab = lab(&ON_PROXMOX);
    let ran = lab.hl("platform render").exits(0);
    ran.says(&["Rendered", "platform/generated"]);
    let inode = |path: &str| fs::metadata(lab.path(path)).unwrap().ino();
    let files = [
        "platform/generated",
        "platform/lock.json",
        "platform/pipeline.yaml",
        "platform/generated/.sops.yaml",
    ];
    let before = files.map(inode);
    // Comments and the order of keys are not what is rendered.
    let text = lab.read("platform/platform.yaml");
    lab.write("platform/platform.yaml", &format!("# mine\n{text}"));
    lab.hl("platform render").exits(0).says(&["Unchanged"]);
    assert_eq!(files.map(inode), before);
    let json = lab.hl("platform render --json").exits(0).json();
    assert_eq!(json["written"], false);
    // Somebody's change is taken back.
    lab.write("platform/generated/sops/mine", "x");
    lab.hl("platform render").exits(0).says(&["1 removed"]);
    assert!(!lab.path("platform/generated/sops").exists());
}

#[test]
fn a_dry_run_and_a_failure_leave_all_as_it_was() {
    let lab = lab(&[SOPS]);
    lab.hl("platform render --dry-run")
        .exits(0)
        .says(&["Would render", "3 new"]);
    assert!(!lab.path("platform/generated").exists());
    lab.hl("platform render").exits(0);
    let before = tree(&lab, "platform");
    small(&lab, "#!/bin/sh\n", "");
    lab.write(
        "platform/adapters/small/templates/color.txt",
        "{{ inputs.colour }}\n",
    );
    lab.write(
        "platform/platform.yaml",
        &platform(&[SOPS, "  small: {}\n"]),
    );
    let ran = lab.hl("platform render").exits(65);
    ran.says(&[
        "adapter `small`",
        "undefined value",
        "platform/adapters/small/templates/color.txt:1",
    ]);
    let mut after = tree(&lab, "platform");
    after.retain(|path, _| !path.starts_with("adapters/") && path != "platform.yaml");
    let mut before = before;
    before.remove("platform.yaml");
    assert_eq!(after, before);
}

#[test]
fn only_some_adapters_and_the_rest_stays() {
    let lab = lab(&ON_PROXMOX);
    let none = lab.hl("platform render --only sops").exits(65);
    none.says(&["nothing was rendered yet", "`hl platform render`"]);
    lab.hl("platform render").exits(0);
    let before = tree(&lab, "platform/generated");
    lab.hl("platform render --only sops,nothing")
        .exits(66)
        .says(&["no adapter `nothing`"]);
    let text = lab.read("platform/platform.yaml");
    let text = text.replace("  sops: {}", "  sops: {path_regex: secrets/}");
    let text = text.replace("10.0.0.64/28", "10.0.0.96/28");
    lab.write("platform/platform.yaml", &text);
    lab.hl("platform render --only sops")
        .exits(0)
        .says(&["2 changed"]);
    let after = tree(&lab, "platform/generated");
    assert_ne!(after[".sops.yaml"], before[".sops.yaml"]);
    for (path, file) in before.iter().filter(|(path, _)| *path != ".sops.yaml") {
        assert_eq!(after.get(path), Some(file), "{path}");
    }
    // The rest is not what `platform.yaml` says, and neither bootstrap nor validate
    // takes it for that.
    lab.hl("platform validate")
        .exits(1)
        .says(&["generated/cilium/pools.yaml"]);
    lab.hl("platform bootstrap --yes")
        .exits(65)
        .says(&["changed since the platform was rendered"]);
    lab.hl("platform render").exits(0);
    lab.hl("platform validate").exits(0);
}

#[test]
fn two_adapters_cannot_write_one_path() {
    let lab = lab(&[SOPS, "  small: {}\n"]);
    small(
        &lab,
        "#!/bin/sh\n",
        "[[file]]\ntemplate = \"templates/color.txt\"\npath = \".sops.yaml\"\nroot = true\n",
    );
    let ran = lab.hl("platform render").exits(65);
    ran.says(&[
        "adapters `sops` and `small` both write `.sops.yaml`",
        "adapters/small/adapter.toml:",
    ]);
    small(
        &lab,
        "#!/bin/sh\n",
        "[[file]]\ntemplate = \"templates/color.txt\"\npath = \"sops/x\"\nroot = true\n",
    );
    lab.hl("platform render")
        .exits(65)
        .says(&["into the folder of adapter `sops`"]);
    small(
        &lab,
        "#!/bin/sh\n",
        "[[file]]\ntemplate = \"templates/color.txt\"\npath = \"{{ '../' }}x\"\n",
    );
    lab.hl("platform render")
        .exits(65)
        .says(&["no path below `generated`"]);
}

/// Templates read nothing but what they are told.
#[test]
fn an_adapter_reaches_nothing_outside() {
    let lab = lab(&["  small: {}\n"]);
    lab.write("secret.txt", "canary\n");
    for template in [
        "{% include '../../../secret.txt' %}",
        "{% include '/etc/passwd' %}",
        "{{ now() }}",
        "{{ env('HOME') }}",
        "{{ range(100001) | length }}",
        "{{ capabilities.cni.manifests }}",
    ] {
        small(&lab, "#!/bin/sh\n", "");
        lab.write("platform/adapters/small/templates/color.txt", template);
        let ran = lab.hl("platform render").exits(65);
        assert!(!ran.stderr.contains("canary\n"), "{}", ran.stderr);
    }
    small(&lab, "#!/bin/sh\n", "");
    let link = lab.path("platform/adapters/small/templates/link");
    std::os::unix::fs::symlink(lab.path("secret.txt"), link).unwrap();
    lab.hl("platform render")
        .exits(65)
        .says(&["an adapter holds no links"]);
}

#[test]
fn the_environment_is_that_of_the_lock() {
    let lab = lab(&["  small: {}\n"]);
    small(&lab, "#!/bin/sh\n", "");
    lab.write(
        "platform/adapters/small/templates/color.txt",
        "{{ environment }}\n",
    );
    lab.hl("platform render --env ../staging")
        .exits(2)
        .says(&["expected lower-case letters"]);
    lab.hl("platform render --env staging").exits(0);
    assert_eq!(lab.read("platform/generated/small/color.txt"), "staging\n");
    // It is what was rendered, so validate asks nobody.
    lab.hl("platform validate").exits(0);
    let ran = lab.hl("platform bootstrap --yes").exits(65);
    ran.says(&[
        "rendered for environment `staging`, not for `production`",
        "hl platform render --env production",
    ]);
    lab.hl("platform eject").exits(65);
    lab.hl("platform bootstrap --env staging --yes").exits(0);
}

#[test]
fn an_adapter_of_the_lab_takes_the_place_of_a_shipped_one() {
    let lab = lab(&["  sops: {}\n"]);
    lab.write("platform/adapters/sops/adapter.toml", "[adapter]\nname = \"sops\"\nversion = \"9.0.0\"\nphase = \"secrets\"\n[[file]]\ntemplate = \"x\"\npath = \"own\"\n");
    lab.write("platform/adapters/sops/x", "own\n");
    lab.hl("platform render").exits(0);
    assert_eq!(lab.read("platform/generated/sops/own"), "own\n");
    assert!(lab.read("platform/lock.json").contains("\"9.0.0\""));
}
