//! The shipped templates in a rehearsal: real packer, over SSH, in real guests.

use std::path::PathBuf;

use rustix::process::Signal;

use super::stage::{has_packer, signal, tools};
use crate::support::{Hl, TestLab};

/// Root makes namespaces, and packages come from `scripts/tools`.
#[expect(clippy::print_stderr, reason = "a skip is said")]
fn possible() -> bool {
    if !has_packer() {
        return false;
    }
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(
            std::env::var_os("HL_TESTS_NEED_ALL").is_none() && std::env::var_os("CI").is_none(),
            "this test needs root"
        );
        eprintln!("skipped: namespaces need root");
    }
    root
}

fn hl(lab: &TestLab, words: &str) -> Hl {
    let mut hl = lab.hl(words);
    for (name, value) in tools() {
        hl = hl.env(name, value);
    }
    hl
}

/// The disk of the rehearsed world's only template.
fn disk(lab: &TestLab) -> PathBuf {
    let disks = lab.path("state/rehearsal/world/disks");
    let all: Vec<PathBuf> = std::fs::read_dir(disks)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("base-"))
        .collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().unwrap()
}

#[test]
fn a_shipped_template_is_built_over_ssh_and_clean() {
    if !possible() {
        return;
    }
    let lab = TestLab::shipped();
    hl(&lab, "rehearse l1-template debian-13")
        .exits(0)
        .says(&["download simulated", "now stable"]);
    let disk = disk(&lab);
    let size = |path: &str| {
        std::fs::metadata(disk.join(path))
            .map(|meta| meta.len())
            .ok()
    };
    assert_eq!(size("etc/machine-id"), Some(0));
    let names = |path: &str| -> Vec<String> {
        std::fs::read_dir(disk.join(path))
            .map(|entries| {
                entries
                    .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
                    .collect()
            })
            .unwrap_or_default()
    };
    assert!(
        !names("etc/ssh")
            .iter()
            .any(|name| name.starts_with("ssh_host_"))
    );
    assert!(
        !names("etc/sudoers.d")
            .iter()
            .any(|name| name.contains("cloud-init"))
    );
    assert_eq!(names("home"), ["debian"]);
    assert!(matches!(
        size("home/debian/.ssh/authorized_keys"),
        None | Some(0)
    ));
    let installed = std::fs::read_to_string(disk.join("var/lib/dpkg/status")).unwrap();
    assert!(installed.contains("Package: qemu-guest-agent"));
    let pin = lab.read("state/rehearsal/templates/debian-13/image.lock");
    assert!(pin.contains("algorithm = \"simulated\""), "{pin}");
    assert!(
        !lab.path("templates").exists(),
        "the live lab knows nothing of it"
    );
    // A rehearsal goes on where the last one ended.
    hl(&lab, "rehearse l1-ensure debian-13")
        .exits(0)
        .says(&["up to date: VM"]);
}

#[test]
fn an_interrupt_while_packer_provisions_leaves_no_machine() {
    if !possible() {
        return;
    }
    let lab = TestLab::shipped();
    let script = "#!/bin/sh\necho provisioning\nsleep 60\n";
    lab.write("layers/l1-templates/debian-13/scripts/prepare.sh", script);
    let mut child = hl(&lab, "rehearse l1-template debian-13").spawn();
    let begun = std::time::Instant::now();
    let logs = lab.path("state/rehearsal/state/logs");
    let provisioning = || {
        let runs = std::fs::read_dir(&logs).into_iter().flatten();
        runs.flatten().any(|run| {
            let log = run.path().join("l1-ensure-build.log");
            std::fs::read_to_string(log).is_ok_and(|text| text.contains("Provisioning with shell"))
        })
    };
    while !provisioning() {
        assert!(begun.elapsed().as_secs() < 300, "packer does not get in");
        assert!(child.try_wait().unwrap().is_none(), "ended early");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    let world = lab.read("state/rehearsal/world/world.json");
    let world: serde_json::Value = serde_json::from_str(&world).unwrap();
    assert_eq!(
        world["vms"].as_object().unwrap().len(),
        0,
        "{said}\n{}",
        world["vms"]
    );
    assert!(
        !lab.path("state/rehearsal/templates/debian-13/artifacts")
            .exists()
    );
}
