//! A rehearsal where no sealed network can be made: less, and it is said.

use std::process::Command;

use super::{ready, tree};
use crate::support::TestLab;

/// Root without the capability that namespaces want, in a network of loopback
/// alone: nothing else can be reached from here either.
fn confined(hl: &Command) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--", "sh", "-ec"])
        .arg("ip link set lo up; exec setpriv --bounding-set -sys_admin -- \"$@\"")
        .arg("sh")
        .arg(hl.get_program())
        .args(hl.get_args())
        .current_dir(hl.get_current_dir().unwrap())
        .env_clear();
    for (name, value) in hl.get_envs() {
        command.env(name, value.unwrap());
    }
    command
}

#[test]
fn without_namespaces_it_is_a_dry_run_against_a_simulator_on_loopback() {
    let tools = ["unshare", "setpriv", "packer", "tofu", "ansible-playbook"];
    if !ready(true, &tools) {
        return;
    }
    let lab = TestLab::shipped();
    let hashes = || tree::hashes(lab.root(), &["state", "layers/l3-system/ansible"]);
    let before = hashes();
    let rehearse = |words: &str, code: i32| {
        let output = confined(&lab.hl(words).command()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    };
    let said = rehearse("rehearse", 0);
    for part in [
        "Limited rehearsal: this machine does not allow network namespaces",
        "a dry run against a simulator on loopback",
        "L0 cleared",
        "packer's files of `debian-13` are valid",
        "syntax is fine",
        "nothing was changed",
    ] {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    // The way on is one that can be typed.
    lab.write("layers/l3-system/ansible/system.yml", "- nonsense\n");
    let said = rehearse("-k rehearse l3-converge", 4);
    assert!(said.contains("`hl rehearse -k l3-converge`"), "{said}");
    assert_eq!(before, hashes());
}
