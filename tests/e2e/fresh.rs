//! A fresh lab against a node that is empty: what a careful user types first.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout};

use rustix::process::{Pid, Signal, kill_process};

use super::{ready, tree};
use crate::support::{Hl, TestLab};

/// A running `hl sim`, and what it told a shell to export.
struct Sim {
    child: Child,
    exports: Vec<(String, String)>,
    _out: BufReader<ChildStdout>,
}

impl Sim {
    fn start(world: &Path) -> Self {
        let mut child = Hl::new(world)
            .cmd("sim --listen 127.0.0.1:0 --world .")
            .spawn();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut exports = Vec::new();
        loop {
            let mut line = String::new();
            assert!(out.read_line(&mut line).unwrap() > 0, "{exports:?}");
            let set = line.trim().strip_prefix("export ").unwrap();
            let (name, value) = set.split_once('=').unwrap();
            exports.push((name.to_owned(), value.trim_matches('\'').to_owned()));
            if name == "DOPPLER" {
                break;
            }
        }
        Self {
            child,
            exports,
            _out: out,
        }
    }

    fn hl(&self, lab: &TestLab, words: &str) -> Hl {
        let hl = lab
            .hl(words)
            .env("PVE_BUILD_ADDRESS", "127.0.0.9/8,gw=127.0.0.1");
        self.exports
            .iter()
            .fold(hl, |hl, (name, value)| hl.env(name, value))
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        self.child.wait().ok();
    }
}

#[test]
fn everything_is_planned_that_can_be_and_nothing_is_written() {
    if !ready(false, &["packer", "tofu", "ansible-playbook"]) {
        return;
    }
    let world = tempfile::tempdir().unwrap();
    let sim = Sim::start(world.path());
    let lab = TestLab::shipped();
    let env = lab
        .read("site/envs/dev.yaml")
        .replace("192.168.1.", "127.0.0.");
    lab.write("site/envs/dev.yaml", &env);
    let before = tree::hashes(lab.root(), &[]);
    let node = tree::hashes(world.path(), &[]);

    // L0 leaves no trace at all. All that a new machine lacks is a key.
    let runway = sim.hl(&lab, "l0-runway").exits(69);
    runway.says(&["1 failed", "not cleared", "`ssh-keygen -t ed25519`"]);
    assert_eq!(before, tree::hashes(lab.root(), &[]));
    assert!(!lab.path("state").exists());

    // A machine without a key can be planned on; it is told.
    let planned = sim.hl(&lab, "plan up").exits(0);
    planned.says(&[
        "packer's files of `debian-13` are valid",
        "packer's files of `ubuntu-24.04` are valid",
        "needs templates debian-13, ubuntu-24.04, which L1 would build",
        "there is no SSH key",
        "ssh-keygen -t ed25519",
        "L0 cleared with warnings",
        "nothing was changed",
    ]);
    let syntax = planned.stderr.matches("syntax is fine").count();
    assert_eq!(syntax, 2, "{}", planned.stderr);
    let files = |lab: &TestLab| tree::hashes(lab.root(), &["state", ".build"]);
    assert_eq!(before, files(&lab));
    let (name, secret) = &sim.exports[3];
    assert!(name == "PM_TOKEN_SECRET" && !planned.stderr.contains(secret));
    tree::holds_none(lab.root(), &[], std::slice::from_ref(secret));

    // With one it is cleared. As a document:
    lab.write(".ssh/id_ed25519.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFG7YvXM6cXkAyOfyLKgJ2tQ8Ll9UqtRz2Pss2V1n4Yb me@desk\n");
    let document = sim.hl(&lab, "up --dry-run --json").exits(0).json();
    assert_eq!(document["dry_run"], true);
    let phase = |name: &str| {
        let phases = document["phases"].as_array().unwrap().iter();
        let named: Vec<_> = phases.filter(|p| p["name"] == name).collect();
        assert_eq!(named.len(), 1, "{name}: {document:#}");
        named[0]["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(phase("l2-apply/validate"), "succeeded");
    for name in ["l2-apply/resolve", "l2-apply/plan", "l2-apply/apply"] {
        assert_eq!(phase(name), "not_planned");
    }
    for name in ["l3-converge/converge", "l4-converge/converge"] {
        assert_eq!(phase(name), "succeeded");
    }
    assert!(!document.to_string().contains("no SSH key"), "{document:#}");
    std::fs::remove_dir_all(lab.path(".ssh")).unwrap();
    assert_eq!(before, files(&lab));
    // The node was asked, and told nothing.
    assert_eq!(node, tree::hashes(world.path(), &[]));
}
