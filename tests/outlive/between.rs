//! Between a child that was cut off and the part of the run that takes its result
//! are parts that do not come to it, or that run it again.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::kept::{lab, ran};
use super::processes::{fence, kill, kill_hl, wait_for};
use crate::support::TestLab;

const LAYER: &str = r#"
[layer]
id = "l1"
name = "Test"
doc = "a gate and a child"
default = "job"

[[recipe]]
name = "job"
doc = "a gate and a child"

[[recipe.step]]
id = "gate"
use = "script"
with = { file = "gate.sh" }

[[recipe.step]]
id = "work"
use = "command"
with = { argv = ["sh", "-c", "echo B >> ran; sleep 0.5; echo E >> ran"] }
"#;

/// What the gate says; it runs whenever it says something else.
fn gate(lab: &TestLab, code: u8, why: &str) {
    let path = "layers/l1-test/gate.sh";
    lab.write(path, &format!("#!/bin/sh\n# {why}\nexit {code}\n"));
    fs::set_permissions(lab.path(path), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_is_blocked_meanwhile_is_taken_over_later() {
    let lab = TestLab::empty();
    lab.write("layers/l1-test/layer.toml", LAYER);
    gate(&lab, 0, "first");
    let running = lab.hl("job").spawn();
    wait_for("the child works", || (!ran(&lab).is_empty()).then_some(()));
    kill_hl(running);
    gate(&lab, 3, "closed");
    lab.hl("resume").exits(3).says(&["job/work"]);
    gate(&lab, 0, "open again");
    let explained = lab.hl("resume --explain").exits(0);
    explained.says(&["its child ended while nobody watched, exit 0"]);
    let resumed = lab.hl("resume").exits(0);
    resumed.says(&["done while nobody watched, exit 0 at "]);
    assert_eq!(ran(&lab), "B E");
}

#[test]
fn what_failed_and_runs_again_is_taken_over_too() {
    let script = "test -f go; go=$?; echo B >> ran; \
        test $go = 0 || { sleep 0.3; exit 7; }; sleep 0.7; echo E >> ran";
    let lab = lab(script, "");
    let running = lab.hl("job").spawn();
    wait_for("the child works", || (!ran(&lab).is_empty()).then_some(()));
    kill_hl(running);
    lab.write("go", "");
    let running = lab.hl("resume").spawn();
    wait_for("it runs again", || (ran(&lab) == "B B").then_some(()));
    kill_hl(running);
    let resumed = lab.hl("resume").exits(0);
    resumed.says(&["done while nobody watched, exit 0 at "]);
    assert_eq!(ran(&lab), "B B E");
}

/// Nobody reads how the child ends; it is waited for all the same, and its end is as
/// unknown as if `hl` had not been there.
#[test]
fn a_child_whose_parent_alone_is_killed_is_waited_for() {
    let lab = lab("echo B >> ran; sleep 1; echo E >> ran", "");
    let running = lab.hl("job").spawn();
    let keeper = fence(&lab).keeper.pid;
    wait_for("the child works", || (!ran(&lab).is_empty()).then_some(()));
    kill(keeper);
    let output = running.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("nobody knows how `sh` ended"), "{said}");
    assert_eq!(ran(&lab), "B E");
    lab.hl("resume").exits(77).says(&["--from job/work`"]);
    assert_eq!(ran(&lab), "B E");
    lab.hl("resume --from job/work").exits(0);
    assert_eq!(ran(&lab), "B E B E");
}
