//! The context file: what one scenario leaves for the next.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::lab::{lab, log};
use crate::support::TestLab;

fn context(lab: &TestLab) -> Value {
    serde_json::from_str(&lab.read("context.json")).unwrap()
}

fn names(context: &Value) -> Vec<&str> {
    let images = context["images"].as_array().unwrap();
    images
        .iter()
        .map(|image| image["name"].as_str().unwrap())
        .collect()
}

/// Three scenarios through one file: the second one is killed, and resumed.
#[test]
fn three_scenarios_are_chained_and_the_second_is_killed_and_resumed() {
    if !crate::e2e::ready(false, &["packer"]) {
        return;
    }
    let lab = lab();
    lab.hl("scenario packer-build --local --templates one -C context.json")
        .exits(0);
    let first = context(&lab);
    assert_eq!(names(&first), ["one"]);
    let mode = fs::metadata(lab.path("context.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    // The second takes `templates` from nowhere, and keeps what the first left.
    let second = lab
        .hl("scenario gate-pass --templates two -C context.json")
        .spawn();
    let limit = Instant::now() + Duration::from_mins(1);
    while log(&lab) != ["begun"] {
        assert!(Instant::now() < limit, "it does not begin");
        sleep(Duration::from_millis(20));
    }
    let pid = Pid::from_raw(i32::try_from(second.id()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    second.wait_with_output().unwrap();
    assert_eq!(
        context(&lab),
        first,
        "a run that was killed left the file as it was"
    );
    lab.write("go", "");
    lab.hl("resume").exits(0);
    assert_eq!(log(&lab), ["begun", "went", "over"]);
    let after = context(&lab);
    assert_eq!(names(&after), ["two"]);

    // The third begins behind its build: what it fetches is in the file.
    let third = lab
        .hl("scenario packer-build-fetch -s build -C context.json --json")
        .exits(0);
    let document = third.json();
    assert_eq!(document["phases"][0]["status"], "skipped");
    assert_eq!(document["phases"][1]["status"], "passed");
    assert_eq!(names(&document["context"]), ["two"]);
}

#[test]
fn flags_win_over_the_file_and_a_failed_run_writes_it_too() {
    if !crate::e2e::ready(false, &["packer"]) {
        return;
    }
    let lab = lab();
    lab.write("context.json", "{\"word\": \"kept\", \"other\": 1}\n");
    lab.hl("scenario word-tell -C context.json").exits(0);
    lab.hl("scenario word-tell -C context.json --word typed")
        .exits(0);
    assert_eq!(log(&lab), ["kept", "typed"]);
    assert_eq!(context(&lab)["other"], 1);
    lab.write(
        "scenarios/word-fail.toml",
        r#"
[scenario]
doc = "build, then fail"
runtime = "1s"

[[phase]]
id = "build_one"
use = "image.build"
with = { templates = "one" }

[[phase]]
id = "fail_now"
use = "command"
with = { argv = ["false"] }
"#,
    );
    lab.hl("scenario word-fail -C context.json").exits(1);
    assert_eq!(names(&context(&lab)), ["one"]);
    assert_eq!(context(&lab)["word"], "kept");
    // A dry run changes nothing.
    lab.write("context.json", "{}");
    lab.hl("scenario packer-build --local -C context.json --dry-run")
        .exits(0);
    assert_eq!(lab.read("context.json"), "{}");
}

#[test]
fn what_is_no_context_is_refused_and_what_is_missing_is_named() {
    let lab = lab();
    lab.write("context.json", "[1]");
    lab.hl("scenario word-tell -C context.json")
        .exits(65)
        .says(&["context.json", "expected a JSON object"]);
    lab.hl("scenario packer-build-fetch -s build -C none.json")
        .exits(2)
        .says(&["phase `fetch` uses `images` of phase `build`, which is skipped"]);
    assert!(!lab.path("none.json").exists());
}
