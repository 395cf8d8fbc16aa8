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
with = { argv = ["sh", "-c", "echo > ${HL_REHEARSAL:+state/rehearsal/}began; until [ -e end ]; do sleep 0.05; done"] }
timeout = "2m"
"#,
    );
    lab
}

fn begun(lab: &TestLab, hl: &Hl) -> Child {
    let child = hl.spawn();
    let until = Instant::now() + Duration::from_mins(1);
    let there = ["began", "state/rehearsal/began"];
    while !there.iter().any(|file| lab.path(file).exists()) {
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
    assert!(lab.path("state/runs").exists());
    lab.hl("clean --history --yes").exits(0);
    assert!(!lab.path("state/runs").exists());
}

#[test]
fn of_fifty_at_once_one_runs_and_the_others_name_it() {
    let lab = lab();
    let all: Vec<Child> = (0..50).map(|_| lab.hl("nap").spawn()).collect();
    let pids: Vec<u32> = all.iter().map(Child::id).collect();
    let mut ran = Vec::new();
    let mut turned_away = Vec::new();
    // The one that runs waits for this, and the others do not wait for it.
    let until = Instant::now() + Duration::from_mins(2);
    let mut left = all;
    while left.len() > 1 {
        assert!(Instant::now() < until, "{} did not end", left.len());
        std::thread::sleep(Duration::from_millis(20));
        let (over, open): (Vec<Child>, Vec<Child>) = left
            .into_iter()
            .map(|mut child| (child.try_wait().unwrap().is_some(), child))
            .fold(
                (Vec::new(), Vec::new()),
                |(mut over, mut open), (ended, child)| {
                    if ended {
                        over.push(child);
                    } else {
                        open.push(child);
                    }
                    (over, open)
                },
            );
        turned_away.extend(over);
        left = open;
    }
    let one = left.pop().unwrap();
    let holder = one.id();
    // It may not have come to its step yet.
    while !lab.path("began").exists() {
        assert!(Instant::now() < until, "it did not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    lab.write("end", "");
    ran.push(one.wait_with_output().unwrap());
    assert_eq!(ran[0].status.code(), Some(0));
    let runs: Vec<String> = std::fs::read_dir(lab.path("state/runs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
        .collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    let id = runs[0].as_str();
    assert!(pids.contains(&holder));
    for child in turned_away {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(75), "{said}");
        let named = format!("run `{id}` holds the lab (process {holder}, for ");
        assert!(said.contains(&named), "{said}");
    }
    let list = lab.hl("runs --json").exits(0).json();
    assert_eq!(list["unreadable"].as_array().unwrap().len(), 0);
    assert_eq!(list["runs"][0]["outcome"], "succeeded");
    lab.hl("status").exits(0).says(&["Succeeded `nap`"]);
}

#[test]
fn a_killed_run_lets_go_of_the_lab() {
    let lab = lab();
    let mut first = begun(&lab, &lab.hl("nap"));
    first.kill().unwrap();
    first.wait().unwrap();
    lab.write("end", "");
    lab.hl("nap").exits(0);
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
        .says(&["`clean` cannot be rehearsed"]);
    assert!(lab.path(".build/live").exists());
    lab.hl("clean").exits(0);
    assert!(!lab.path(".build").exists() && !lab.path("state/rehearsal/world").exists());
    lab.hl("rehearse nap").exits(0);
}
