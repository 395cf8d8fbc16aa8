//! The checks of the shipped adapters, run by themselves: each passes what it is for, and
//! nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::e2e::ready;

/// Runs a script of an adapter with that context; whether it passed, and what it said.
fn checked(script: &str, context: &Value) -> (bool, String) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("context.json");
    fs::write(&file, context.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("platform/adapters")
        .join(script);
    let output = Command::new("python3")
        .arg(script)
        .env("HL_PLATFORM_CONTEXT", file)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    (output.status.success(), said)
}

#[test]
fn a_k3s_program_of_another_version_is_refused() {
    if !ready(false, &["python3"]) {
        return;
    }
    let dir = TempDir::new().unwrap();
    let program = dir.path().join("k3s");
    let check = |says: &str, sha256: &str| {
        fs::write(
            &program,
            format!("#!/bin/sh\n[ \"$1\" = --version ] && {says}\n"),
        )
        .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        checked(
            "k3s/scripts/binary.py",
            &json!({ "binary": program, "version": "v1.36.4+k3s1", "sha256": sha256 }),
        )
    };
    let (passed, said) = check(
        "echo 'k3s version v1.36.4+k3s1 (a1b2c3d4)'; echo go version go1.26",
        "",
    );
    assert!(passed, "{said}");
    for says in [
        "echo 'k3s version v1.36.4+k3s2 (a1b2c3d4)'",
        "echo 'k3s version v1.36.4 (a1b2c3d4)'",
        "echo v1.36.4+k3s1",
        "true",
        "exit 3",
    ] {
        let (passed, said) = check(says, "");
        assert!(!passed && said.contains("version"), "{says}: {said}");
    }
    // What has another digest is not run at all.
    let mark = dir.path().join("ran");
    let (passed, said) = check(&format!("touch {}", mark.display()), &"0".repeat(64));
    assert!(!passed && said.contains("SHA-256"), "{said}");
    assert!(!mark.exists());
}

#[test]
fn a_machine_is_the_one_that_was_published() {
    if !ready(false, &["python3"]) {
        return;
    }
    let machine = json!({ "name": "cp01", "ip": "127.0.0.1", "vmid": 105, "role": "controlplane" });
    let check = |published: Value| {
        checked(
            "proxmox/scripts/published.py",
            &json!({ "machines": [machine], "published": published }),
        )
    };
    let one = |name: &str, vmid: u32, address: &str| json!({ "name": name, "vmid": vmid, "node": "pve", "address": address });
    // It is looked whether it answers, which nothing may do here.
    let (passed, said) = check(json!([
        one("other", 1, "127.0.0.2"),
        one("cp01", 105, "127.0.0.1")
    ]));
    assert!(
        passed || said.contains("does not answer on port 22"),
        "{said}"
    );
    for published in [
        json!([]),
        json!([one("other", 105, "127.0.0.1")]),
        json!([one("cp01", 106, "127.0.0.1")]),
        json!([one("cp01", 105, "127.0.0.2")]),
        // Its parts are those of three machines.
        json!([
            one("cp01", 1, "127.0.0.2"),
            one("a", 105, "127.0.0.3"),
            one("b", 2, "127.0.0.1")
        ]),
    ] {
        let (passed, said) = check(published);
        assert!(
            !passed && said.contains("L2 published no such machine"),
            "{said}"
        );
    }
}
