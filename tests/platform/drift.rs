//! `hl platform validate`: what differs, file by file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::stage::{ON_PROXMOX, lab};

#[test]
fn what_differs_is_told_file_by_file() {
    let lab = lab(&ON_PROXMOX);
    lab.hl("platform validate")
        .exits(65)
        .says(&["nothing was rendered yet"]);
    lab.hl("platform render").exits(0);
    lab.hl("platform validate").exits(0).says(&["Valid"]);
    let changed = "platform/generated/argocd/root.yaml";
    let text = lab.read(changed).replace("prune: true", "prune: false");
    lab.write(changed, &text);
    lab.write("platform/generated/mine/x", "mine\n");
    fs::create_dir(lab.path("platform/generated/empty")).unwrap();
    fs::remove_file(lab.path("platform/generated/k3s/k3s.service")).unwrap();
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(lab.path("platform/generated/.sops.yaml"), mode).unwrap();
    let ran = lab.hl("platform validate").exits(1);
    for line in [
        "added generated/mine/x",
        "added generated/empty",
        "removed generated/k3s/k3s.service",
        "changed generated/.sops.yaml, mode 0644 -> 0755",
        "changed generated/argocd/root.yaml",
        "-      prune: true",
        "+      prune: false",
    ] {
        assert!(ran.stdout.contains(line), "{line}\n{}", ran.stdout);
    }
    let json = lab.hl("platform validate --json").exits(1).json();
    assert_eq!(json["schema"], "hl.platform-validate/1");
    assert_eq!(json["valid"], false);
    assert_eq!(json["platform_hash_match"], true);
    assert_eq!(json["errors"][0]["type"], "artifacts_modified");
    assert_eq!(json["errors"].as_array().unwrap().len(), 1);
    assert_eq!(json["artifacts_hash_match"], false);
    assert_eq!(json["changed"].as_array().unwrap().len(), 2);
    // It changed nothing.
    assert!(lab.path("platform/generated/mine/x").exists());
    lab.hl("platform bootstrap --yes").exits(65).says(&[
        "`platform/generated` is not as it was rendered",
        "`hl platform validate` says what differs",
    ]);
    lab.hl("platform render").exits(0);
    lab.hl("platform validate").exits(0);
}

#[test]
fn a_lock_is_looked_at_before_anything_runs() {
    let lab = lab(&ON_PROXMOX);
    lab.hl("platform bootstrap --yes")
        .exits(65)
        .says(&["nothing was rendered yet"]);
    lab.hl("platform render").exits(0);
    let lock = lab.read("platform/lock.json");
    for (from, to, code, said) in [
        (
            "\"version\": 1,",
            "\"version\": 2,",
            76,
            "in format 2, this hl reads up to 1",
        ),
        (
            "\"hl_version\": \"0.",
            "\"hl_version\": \"99.",
            76,
            "was rendered by hl 99.",
        ),
        (
            "\"environment\": \"production\"",
            "\"environment\": \"dev\"",
            65,
            "for environment `dev`",
        ),
        (
            "\"platform_hash\": \"",
            "\"platform_hash\": \"0",
            65,
            "`platform.yaml` was changed since",
        ),
        (
            "\"config_hash\": \"",
            "\"config_hash\": \"0",
            65,
            "`argocd` changed since",
        ),
        ("{\n", "{\n,", 65, "cannot read `platform/lock.json`"),
    ] {
        assert!(lock.contains(from), "{from}");
        lab.write("platform/lock.json", &lock.replacen(from, to, 1));
        lab.hl("platform bootstrap --yes").exits(code).says(&[said]);
    }
    // A newer one is let be by every verb, an older one is rendered anew.
    let by = |other: &str| {
        let own = format!("\"hl_version\": \"{}\"", env!("CARGO_PKG_VERSION"));
        assert!(lock.contains(&own), "{lock}");
        lock.replace(&own, &format!("\"hl_version\": \"{other}\""))
    };
    lab.write("platform/lock.json", &by("9.1.0"));
    for verb in [
        "bootstrap --yes",
        "render",
        "render --only sops",
        "validate",
        "validate --json",
        "eject",
        "init --no-input",
    ] {
        lab.hl(&format!("platform {verb}")).exits(76);
        assert_eq!(lab.read("platform/lock.json"), by("9.1.0"), "{verb}");
    }
    lab.write("platform/lock.json", &by("0.0.1"));
    lab.hl("platform bootstrap --yes").exits(65).says(&[
        "was rendered by hl 0.0.1, an older one",
        "`hl platform render --env production`",
    ]);
    let json = lab.hl("platform validate --json").exits(1).json();
    assert_eq!(json["artifacts_hash_match"], true);
    assert_eq!(json["errors"][0]["type"], "lock_modified");
    lab.hl("platform render").exits(0);
    assert_eq!(lab.read("platform/lock.json"), lock);
    let pipeline = lab.read("platform/pipeline.yaml");
    lab.write(
        "platform/pipeline.yaml",
        &pipeline.replace("timeout: 60", "timeout: 61"),
    );
    lab.hl("platform bootstrap --yes")
        .exits(65)
        .says(&["is not as it was rendered"]);
    assert!(!lab.path("state/runs").exists());
}
