//! When nothing is moved, and what stops in between.

use std::fs;

use super::{files, fixture, lab, made, nothing_is_left_to_do, put, taken_over};

#[test]
fn a_dry_run_says_what_it_would_do_and_does_not() {
    let lab = lab();
    put(&lab, "", "l4");
    for words in ["make --dry-run", "plan make"] {
        lab.hl(words).exits(0).says(&[
            "would move `deployment-state.yaml` to `state/legacy/`",
            "would move `deployment-events.yaml` to `state/legacy/`",
        ]);
    }
    assert!(lab.path("deployment-state.yaml").is_file());
    assert!(!lab.path("state/legacy").exists());
    assert_eq!(taken_over(&lab).len(), 0);
}

#[test]
fn who_only_reads_mentions_them_and_moves_nothing() {
    let lab = lab();
    put(&lab, "", "l8");
    for words in ["status", "runs", "status --json"] {
        lab.hl(words)
            .exits(0)
            .says(&["`deployment-state.yaml`, `deployment-events.yaml` are of an older tool"]);
        assert!(!lab.path("state").exists(), "{words}");
    }
    for words in [
        "list",
        "show make",
        "plan make --json",
        "graph make",
        "look",
    ] {
        lab.hl(words).run();
        assert!(lab.path("deployment-state.yaml").is_file(), "{words}");
        assert!(!lab.path("state").exists(), "{words}");
    }
}

/// `hl clean` in a lab that no run has touched since the older tool.
#[test]
fn a_clean_leaves_them_before_and_after() {
    let lab = lab();
    put(&lab, "state/", "l8");
    lab.hl("clean").exits(0);
    assert_eq!(
        lab.read("state/deployment-state.yaml"),
        fixture("l8-state.yaml")
    );
    lab.hl("make").exits(0);
    lab.hl("clean").exits(0);
    let kept: Vec<_> = files(&lab.path("state/legacy"));
    assert_eq!(kept.len(), 2);
    assert_eq!(
        lab.read("state/legacy/deployment-state.yaml"),
        fixture("l8-state.yaml")
    );
}

/// Killed before the first file was moved, and between the two.
#[test]
fn what_was_cut_off_is_ended_and_makes_nothing_twice() {
    let lab = lab();
    put(&lab, "state/", "l8");
    lab.hl("make").exits(0);
    let whole = made(&lab);
    for names in [&["events"][..], &["state", "events"]] {
        for half in names {
            fs::rename(
                lab.path(&format!("state/legacy/deployment-{half}.yaml")),
                lab.path(&format!("state/deployment-{half}.yaml")),
            )
            .unwrap();
        }
        lab.hl("make")
            .exits(0)
            .says(&["failed at install_kof_mothership"]);
        assert_eq!(made(&lab), whole);
    }
    // Killed between a copy and the removal of what was copied.
    lab.write("state/deployment-state.yaml", &fixture("l8-state.yaml"));
    lab.hl("make").exits(0);
    assert_eq!(made(&lab), whole);
    nothing_is_left_to_do(&lab);
}

/// A second deployment under the same names gets numbers.
#[test]
fn what_comes_later_gets_a_number() {
    let lab = lab();
    put(&lab, "state/", "l4");
    lab.hl("make").exits(0);
    put(&lab, "state/", "l8");
    lab.hl("make").exits(0).says(&[
        "to `state/legacy/deployment-state-2.yaml`",
        "to `state/legacy/deployment-events-2.yaml`",
    ]);
    assert_eq!(taken_over(&lab).len(), 2);
    nothing_is_left_to_do(&lab);
}

/// The run files cannot be written: nothing is moved, and the exit says so.
#[test]
fn without_room_for_what_is_derived_nothing_is_moved() {
    let lab = lab();
    put(&lab, "state/", "l4");
    lab.write("state/runs", "in the way");
    lab.hl("make").exits(73);
    assert!(lab.path("state/deployment-state.yaml").is_file());
    assert!(lab.path("state/deployment-events.yaml").is_file());
}

/// A snapshot that a newer `hl` wrote: nothing is touched.
#[test]
fn a_newer_snapshot_stops_it_before_anything_is_touched() {
    let lab = lab();
    put(&lab, "state/", "l8");
    lab.write("state/runtime.yaml", "version: 99\n");
    lab.hl("make").exits(76);
    assert!(lab.path("state/deployment-state.yaml").is_file());
    assert!(!lab.path("state/legacy").exists());
    assert_eq!(taken_over(&lab).len(), 0);
    assert_eq!(lab.read("state/runtime.yaml"), "version: 99\n");
}

/// What was taken over is shown like any other run, and is not gone on with.
#[test]
fn a_run_that_was_taken_over_is_listed_and_not_resumed() {
    let lab = lab();
    put(&lab, "", "l8");
    lab.hl("make").exits(0);
    let id = taken_over(&lab).remove(0).header.id;
    lab.hl("runs")
        .exits(0)
        .says(&["legacy k0rdent-p3zq8w1m", "--with kof", "failed"]);
    let show = |words: &str| lab.hl(words).arg(&id);
    show("runs show")
        .exits(0)
        .says(&["legacy/install_kof_mothership", "after 3 attempts"]);
    let logs = show("runs logs").exits(0);
    assert_eq!(logs.stdout.lines().count(), 11, "{}", logs.stdout);
    logs.says(&["2025-12-11T06:34:02.000Z  vm_creation_started: Started creating VM"]);
    show("resume")
        .exits(65)
        .says(&["cannot be resumed: it was made by an older tool"]);
    lab.hl("resume").exits(0).says(&["nothing to resume"]);
    let before = made(&lab);
    lab.hl("up").exits(0);
    assert_eq!(made(&lab), before);
}
