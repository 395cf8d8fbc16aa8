//! `ansible.playbook` in a recipe of one's own, over a stand-in for ansible.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::e2e::ready;
use crate::support::TestLab;

const LAYER: &str = r#"
[layer]
id = "l4"
name = "Own"
doc = "A playbook of one's own"

[[recipe]]
name = "own"
doc = "Run it"

[[recipe.step]]
id = "play"
use = "ansible.playbook"
with = { playbook = "own.yml", inventory = "{{ lab.root }}/inventory.json" }
"#;

/// What ansible ends with when `web-1` cannot be reached and `app-1` failed.
const UNREACHABLE: &str = r#"#!/bin/sh
echo 'web-1 | UNREACHABLE! => No ED25519 host key is known for 192.0.2.51'
echo '{"event":"stats","hosts":{"web-1":{"unreachable":1},"app-1":{"failures":1}}}' >>"$HL_ANSIBLE_EVENTS"
exit 4
"#;

#[test]
fn a_host_without_a_known_key_needs_a_wait_first() {
    let lab = TestLab::empty();
    lab.write("layers/l4-own/layer.toml", LAYER)
        .write("own.yml", "[]")
        .write(
            "inventory.json",
            r#"{"all":{"hosts":{"web-1":{"ansible_host":"192.0.2.51"},"app-1":{"ansible_host":"192.0.2.52"}}}}"#,
        )
        .write("bin/ansible-playbook", UNREACHABLE);
    let program = lab.path("bin/ansible-playbook");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        lab.path("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let own = || lab.hl("own").env("PATH", &path).exits(4);
    let ran = own();
    ran.says(&[
        "not converged: app-1 (1 failed), web-1 (unreachable)",
        "no host key of `web-1` is known",
        "`use = \"ssh.wait\"`",
    ]);
    // One whose key is known is unreachable for another reason.
    lab.write("state/known_hosts", "192.0.2.51 ssh-ed25519 AAAA\n");
    let ran = own();
    assert!(!ran.stderr.contains("ssh.wait"), "{}", ran.stderr);
}

/// L3's part about the time zone, in check mode on this machine: nothing is changed.
const ZONE: &str = "\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.import_tasks: ROOT/layers/l3-system/ansible/tasks/zone.yml
";

#[test]
fn a_time_zone_that_is_not_there_fails_as_it_does_by_pull() {
    if !ready(false, &["ansible-playbook"]) {
        return;
    }
    let lab = TestLab::empty();
    lab.write(
        "zone.yml",
        &ZONE.replace("ROOT", env!("CARGO_MANIFEST_DIR")),
    );
    let play = |zone: &str| {
        let output = Command::new("ansible-playbook")
            .args(["-i", "localhost,", "-c", "local", "--check", "-e"])
            .arg("ansible_python_interpreter={{ ansible_playbook_python }}")
            .arg("-e")
            .arg(format!("system_timezone={zone}"))
            .arg(lab.path("zone.yml"))
            .env("HOME", lab.root())
            .env("ANSIBLE_NOCOLOR", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), said)
    };
    // A directory is none, and UTC is what a machine without zones has.
    for zone in ["Nowhere/Atlantis", "Europe"] {
        let (went_well, said) = play(zone);
        assert!(!went_well, "{said}");
        let why = format!("there is no time zone `{zone}`");
        assert!(said.contains(&why), "{said}");
    }
    let (went_well, said) = play("Etc/UTC");
    assert!(went_well, "{said}");
    let program = include_str!("../src/action/pull/apply.py");
    assert!(program.contains("f\"there is no time zone `{zone}`\""));
}
