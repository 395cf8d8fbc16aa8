//! Scenarios that make a machine what it is to be, in a rehearsal: a guest that L2 made
//! stands for a machine that only `site/hosts` knows.

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Hl, Ran, TestLab};

const AT: &str = "192.168.1.95";
const PROGRAMS: [&str; 5] = [
    "packer",
    "tofu",
    "ansible-playbook",
    "unshare",
    "ssh-keygen",
];

struct Room {
    lab: TestLab,
    home: TempDir,
}

impl Room {
    /// With the machine, which runs.
    fn new() -> Self {
        let lab = TestLab::shipped();
        lab.write(
            "site/envs/dev.yaml",
            &format!("vms:\n  - {{name: bare, image: debian-13, vmid: 7401, cores: 1, memory: 1024, disk: 10, ip: {AT}/24, gateway: 192.168.1.1}}\n"),
        )
        .write(
            "site/hosts/bare.yaml",
            &format!("host: bare\nip: {AT}\naccess: {{ssh_user: ops}}\n"),
        )
        .write("scripts/install.sh", include_str!("../../scripts/install.sh"));
        let room = Self {
            lab,
            home: TempDir::new().unwrap(),
        };
        room.hl("rehearse l1-ensure debian-13").exits(0);
        room.hl("rehearse l2-apply dev --yes").exits(0);
        room
    }

    fn hl(&self, words: &str) -> Hl {
        let home = self.home.path().display().to_string();
        self.lab.hl(words).env("HOME", home)
    }

    /// Runs a scenario of which every phase passes.
    fn scenario(&self, words: &str) -> Ran {
        let ran = self
            .hl(&format!("rehearse --json scenario {words}"))
            .exits(0);
        let document = ran.json();
        assert_eq!(document["success"], true, "{document:#}");
        let phases = document["phases"].as_array().unwrap().iter();
        let not_passed: Vec<&Value> = phases.filter(|phase| phase["status"] != "passed").collect();
        assert!(not_passed.is_empty(), "{document:#}");
        ran
    }
}

#[test]
fn a_machine_gets_hl_and_its_users_in_a_rehearsal() {
    if !crate::e2e::ready(true, &PROGRAMS) {
        return;
    }
    let room = Room::new();
    let install = "bootstrap-install -H bare --homestak-user ada";
    let first = room.scenario(install);
    let document = first.json();
    let phases = document["phases"].as_array().unwrap().iter();
    let names: Vec<&str> = phases
        .map(|phase| phase["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["run_bootstrap", "verify_install", "verify_user"]);
    room.hl(&format!("rehearse scenario {install}"))
        .exits(0)
        .says(&["nothing had to be changed", "`ada` is on `bare`"]);
    // Somebody who was never made is missed.
    let missed = room
        .hl("rehearse scenario bootstrap-install -H bare --homestak-user eve -s run_bootstrap")
        .run();
    assert_ne!(missed.code, 0, "{}", missed.stderr);
    missed.says(&["looking for the user and its sudo"]);

    let user = "user-setup -H bare --homestak-user eve";
    room.scenario(user);
    room.hl(&format!("rehearse scenario {user}"))
        .exits(0)
        .says(&["changed=0"]);
    room.hl("rehearse scenario bootstrap-install -H bare --homestak-user eve -s run_bootstrap")
        .exits(0);
}

/// From a machine of L2 to a node: what `hl rehearse scenario pve-setup` does.
#[test]
#[ignore = "takes minutes: scripts/proof hosts"]
fn a_rehearsed_machine_becomes_a_node() {
    if !crate::e2e::ready(true, &PROGRAMS) {
        return;
    }
    let room = Room::new();
    room.scenario("pve-setup -H bare");
    // The lab's own site is only read in a rehearsal.
    assert!(!room.lab.path("site/nodes/bare.yaml").exists());
    room.hl("rehearse scenario pve-setup -H bare")
        .exits(0)
        .says(&["is a node already", "changed=0"]);
    room.hl("rehearse l0-runway --node bare")
        .exits(0)
        .says(&["cleared"]);
}
