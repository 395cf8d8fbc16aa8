//! `hl status`: where the lab stands.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use super::{ids, lab, tail};
use crate::support::{TestLab, conforms};

/// The same lab with a recipe that waits until it is told to go on.
fn waiting() -> TestLab {
    let lab = lab();
    let layer = lab.read("layers/l2-things/layer.toml");
    let nap = r#"
[[recipe]]
name = "nap"
doc = "Wait"

[[recipe.step]]
id = "first"
use = "command"
with = { argv = ["true"] }

[[recipe.step]]
id = "wait"
use = "command"
with = { argv = ["sh", "-c", "echo > began; for i in $(seq 6000); do [ -e end ] && exit; sleep 0.05; done"] }

[[recipe.step]]
id = "last"
use = "command"
with = { argv = ["true"] }
"#;
    lab.write("layers/l2-things/layer.toml", &format!("{layer}{nap}"));
    lab
}

fn begun(lab: &TestLab) -> Child {
    let child = lab.hl("nap").spawn();
    let until = Instant::now() + Duration::from_mins(1);
    while !lab.path("began").exists() {
        assert!(Instant::now() < until, "it did not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// All files of the lab with their content and times.
fn snapshot(lab: &TestLab) -> Vec<(String, Vec<u8>, std::time::SystemTime)> {
    let mut files = Vec::new();
    let mut dirs = vec![lab.root().to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let time = path.metadata().unwrap().modified().unwrap();
                files.push((path.display().to_string(), fs::read(&path).unwrap(), time));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn an_empty_lab_has_a_first_command() {
    let lab = lab();
    let ran = lab.hl("status").exits(0);
    ran.says(&["Nothing was run here yet", "Next `hl up`"]);
    assert!(!lab.path("state").exists());
    let document = lab.hl("status --json --history").exits(0).json();
    conforms(&document, "status");
    assert_eq!(document["current"], serde_json::Value::Null);
    let shipped = TestLab::shipped();
    shipped.hl("status").exits(0).says(&["Next `hl l0-runway`"]);
}

#[test]
fn after_a_failure_it_names_the_step_what_is_outstanding_and_how_to_go_on() {
    let lab = lab();
    lab.hl("make").exits(0);
    let made = ids(&lab).pop().unwrap();
    lab.hl("status")
        .exits(0)
        .says(&["Succeeded `make` as run", "Next `hl up`"]);
    lab.hl("break").exits(7);
    let broken = ids(&lab).into_iter().find(|id| *id != made).unwrap();
    let before = snapshot(&lab);
    lab.hl("status").exits(0).says(&[
        &format!("Failed `break` as run {broken}"),
        "At break/fail: ",
        "Outstanding break/fail, break/after of 3",
        &format!("Last success `make` as run {made}"),
        &format!("Next `hl resume {}`", tail(&broken)),
    ]);
    let document = lab.hl("status --json --history").exits(0).json();
    conforms(&document, "status");
    assert_eq!(document["current"]["id"], broken.as_str());
    assert_eq!(document["current"]["done"], 1);
    assert_eq!(document["last_success"]["id"], made.as_str());
    assert_eq!(document["history"].as_array().unwrap().len(), 2);
    let history = lab.hl("status --history").exits(0);
    history.says(&[
        "`make` succeeded after",
        "make/polish",
        "`break` failed after",
        "break/after",
    ]);
    // A dry run is not where the lab stands.
    assert_eq!(snapshot(&lab), before, "status changed something");
    lab.hl("plan make").exits(0);
    lab.hl("status").exits(0).says(&["Failed `break`"]);
}

#[test]
fn a_run_that_goes_on_is_seen_without_waiting_and_a_killed_one_is_interrupted() {
    let lab = waiting();
    let mut child = begun(&lab);
    let id = ids(&lab).pop().unwrap();
    lab.hl("status").exits(0).says(&[
        &format!("Running `nap` as run {id}, for "),
        &format!("process {}", child.id()),
        "At nap/wait",
        "Outstanding nap/wait and 1 more of 3",
    ]);
    // What only reads never waits for the lock.
    for words in [
        "runs",
        "runs show",
        "runs logs",
        "status --history",
        "list",
        "show make",
        "graph make",
    ] {
        lab.hl(words).exits(0);
    }
    lab.hl("runs").exits(0).says(&["running"]);
    lab.hl("runs prune --keep 0 --yes").exits(75);
    // The run has gone on all the time.
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    lab.hl("status").exits(0).says(&[
        &format!("Interrupted `nap` as run {id}"),
        "At nap/wait",
        &format!("Next `hl resume {}`", tail(&id)),
    ]);
    let shown = lab.hl("runs show --json").exits(0).json();
    conforms(&shown, "run");
    assert_eq!(shown["outcome"], "interrupted");
    assert_eq!(shown["steps"][1]["status"], "interrupted");
    // The kernel let go of the lock; what was left running is waited for.
    lab.write("end", "");
    lab.hl("make").exits(0);
}

#[test]
fn what_cannot_be_read_is_a_warning() {
    let lab = lab();
    lab.hl("make").exits(0);
    lab.write("state/runtime.yaml", "version: 99\n");
    lab.write("state/runs/20200101-000000-0001.yaml", "nonsense\n");
    let ran = lab.hl("status").exits(0);
    ran.says(&[
        "Succeeded `make`",
        "Warning",
        "it has no `events:`",
        "is in format 99",
    ]);
    assert_eq!(lab.read("state/runtime.yaml"), "version: 99\n");
}
