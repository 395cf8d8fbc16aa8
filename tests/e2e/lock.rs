//! One run at a time in a lab, and one rehearsal; `hl clean` goes between neither.

use std::process::Child;
use std::time::{Duration, Instant};

use super::ready;
use crate::support::{Hl, TestLab};

/// A lab whose recipe `nap` says that it began, and ends when it is told to.
fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write("env.example", "PVE_ACCESS_HOST=192.168.1.10\n");
    lab.write(
        "layers/l1-t/layer.toml",
        r#"
[layer]
id = "l1"
name = "T"
doc = "t"
[[recipe]]
name = "nap"
doc = "d"
[[recipe.step]]
id = "s"
use = "command"
with = { argv = ["sh", "-c", "echo > began; until [ -e end ]; do sleep 0.05; done"] }
timeout = "2m"
"#,
    );
    lab
}

fn begun(lab: &TestLab, hl: &Hl) -> Child {
    let child = hl.spawn();
    let until = Instant::now() + Duration::from_mins(1);
    while !lab.path("began").exists() {
        assert!(Instant::now() < until, "it did not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

#[track_caller]
fn end(lab: &TestLab, child: Child) {
    lab.write("end", "");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
}

#[test]
fn the_second_run_is_told_who_holds_the_lab() {
    let lab = lab();
    let first = begun(&lab, &lab.hl("nap"));
    let holder = format!("(process {}", first.id());
    let second = lab.hl("nap").exits(75);
    second.says(&["run `", &holder, "holds the lab", "`kill "]);
    // A dry run writes a journal too; reading does not wait.
    lab.hl("plan nap").exits(75).says(&[&holder]);
    lab.hl("show nap").exits(0);
    let process = format!("process {}", first.id());
    lab.hl("clean").exits(75).says(&[&process]);
    assert!(lab.path("state/runs").exists());
    end(&lab, first);
    lab.hl("nap").exits(0);
    lab.hl("clean").exits(0);
    assert!(!lab.path("state/runs").exists());
}

#[test]
fn a_rehearsal_keeps_others_and_a_clean_out() {
    if !ready(true, &["unshare", "ssh-keygen"]) {
        return;
    }
    let lab = lab();
    lab.write(".build/live", "rendered");
    // `--yes` is what a rehearsal says anyway.
    let first = begun(&lab, &lab.hl("rehearse nap --yes"));
    lab.hl("rehearse nap")
        .exits(75)
        .says(&["another rehearsal of this lab is running"]);
    for words in ["clean", "clean --dry-run"] {
        lab.hl(words)
            .exits(75)
            .says(&["another rehearsal of this lab is running"]);
    }
    assert!(lab.path("state/rehearsal/world/keys.json").exists());
    // The live lab is free meanwhile.
    lab.hl("plan nap").exits(0);
    end(&lab, first);

    // A recipe that calls it in a rehearsal would have the live lab cleaned.
    lab.hl("clean")
        .env("HL_REHEARSAL", "1")
        .exits(2)
        .says(&["`hl clean` cannot be rehearsed"]);
    assert!(lab.path(".build/live").exists());
    lab.hl("clean").exits(0);
    assert!(!lab.path(".build").exists() && !lab.path("state/rehearsal/world").exists());
    lab.hl("rehearse nap").exits(0);
}
