//! The SSH key that new machines are given.

use std::fs;

use super::scene::{KEY, Scene, scene, seed};

fn keyless() -> Scene {
    let scene = scene(&seed());
    fs::remove_file(scene.lab.path(".ssh/id_ed25519")).unwrap();
    fs::remove_file(scene.lab.path(".ssh/id_ed25519.pub")).unwrap();
    scene
}

#[test]
fn without_a_key_it_is_not_cleared() {
    let scene = keyless();
    let report = scene.not_cleared();
    report.only(
        "ssh-key",
        &["no SSH key to give to new machines"],
        &["`ssh-keygen -t ed25519`", "`[ssh]` of `hl.toml`"],
    );
    // A plan is worth reading all the same.
    let ran = scene.runway().cmd("--dry-run").exits(0);
    ran.says(&["cleared with warnings", "`ssh-keygen -t ed25519`"]);
}

#[test]
fn what_is_named_in_the_lab_is_looked_at() {
    let scene = keyless();
    let lab = |text: &str| scene.lab.write("hl.toml", text);
    lab("[ssh]\npublic_keys = [\"keys/lab.pub\"]\n");
    scene
        .not_cleared()
        .only("ssh-key", &["keys/lab.pub"], &["public_keys"]);
    lab("[ssh]\nidentity = \"~/.ssh/lab\"\n");
    scene
        .not_cleared()
        .only("ssh-key", &["no private key", ".ssh/lab"], &["ssh-keygen"]);
    scene.lab.write(".ssh/lab", "");
    scene.lab.write(".ssh/lab.pub", &format!("{KEY}\n"));
    let report = scene.cleared("cleared");
    let said = report.step("ssh-key")["message"].as_str().unwrap();
    assert_eq!(said, "1 public key for `ops`");
}

#[test]
fn a_key_that_nobody_can_log_in_with_is_warned_about() {
    let scene = keyless();
    let keys = format!("[ssh]\npublic_keys = [\"{KEY}\"]\n");
    scene.lab.write("hl.toml", &keys);
    let report = scene.cleared("cleared with warnings");
    assert!(report.step("ssh-key").to_string().contains("ssh-add"));
    scene
        .runway()
        .env("SSH_AUTH_SOCK", "agent.sock")
        .exits(0)
        .says(&[": cleared"]);
}
