//! `ansible.playbook` in a recipe of one's own, over a stand-in for ansible.

use std::os::unix::fs::PermissionsExt;

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
