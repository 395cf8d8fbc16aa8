//! Limits of steps that say none, of steps that mean none, and of a whole run.

use std::io::{BufRead, BufReader};

use hl::runs::{Ending, Run, read};

use crate::support::TestLab;

/// `own` runs until the file `told` is there, `meant` until `go` is.
const LAYER: &str = r#"
[layer]
id = "l2"
name = "Test"

[[recipe]]
name = "own"
[[recipe.step]]
id = "wait"
use = "command"
with = { argv = ["sh", "-c", "until [ -e told ]; do sleep 0.05; done"] }

[[recipe]]
name = "meant"
[[recipe.step]]
id = "wait"
use = "command"
with = { argv = ["sh", "-c", "echo begun; sleep 3"] }
timeout = "none"

[[recipe]]
name = "dead"
[[recipe.step]]
id = "wait"
use = "ssh.wait"
with = { inventory = "inventory.json" }

[[recipe]]
name = "two"
[[recipe.step]]
id = "first"
use = "command"
with = { argv = ["sh", "-c", "[ -e go ] || exec sleep 600"] }
[[recipe.step]]
id = "second"
use = "command"
with = { argv = ["sh", "-c", "echo second >> log"] }
[[recipe.step]]
id = "tidy"
use = "command"
with = { argv = ["sh", "-c", "echo tidy >> log"] }
finally = true
"#;

/// A lab whose default limit is a second.
fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write("hl.toml", "[timeouts]\nlong = \"1s\"\n");
    lab.write("layers/l2-test/layer.toml", LAYER);
    let host = r#"{"all": {"vars": {}, "hosts": {"web-1": {"ansible_host": "127.0.0.1", "ansible_port": 9}}}}"#;
    lab.write("inventory.json", host);
    lab
}

fn only_run(lab: &TestLab) -> Run {
    let mut files: Vec<_> = std::fs::read_dir(lab.path("state/runs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "yaml"))
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    read(&camino::Utf8PathBuf::from_path_buf(files.remove(0)).unwrap()).unwrap()
}

#[test]
fn a_program_without_a_limit_goes_on_and_is_told_of() {
    let lab = lab();
    let mut hl = lab.hl("own").spawn();
    let lines = BufReader::new(hl.stderr.take().unwrap()).lines();
    let mut told = None;
    // The program ends only when this has been read.
    for line in lines.map_while(Result::ok) {
        if line.contains("has no limit") {
            lab.write("told", "");
            told = Some(line);
        }
    }
    assert!(hl.wait().unwrap().success());
    let told = told.unwrap();
    for part in [
        "`own/wait` has run for 1.0s",
        "timeout = \"30m\"",
        "timeout = \"none\"",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let ran = lab.hl("meant").exits(0);
    assert!(!ran.stderr.contains("has no limit"), "{}", ran.stderr);
    lab.hl("show own").exits(0).says(&["(command, no limit)"]);
    // The command line's wins over all.
    let ran = lab.hl("meant --timeout 1s").exits(124);
    ran.says(&["took longer than its timeout"]);
}

#[test]
fn an_action_of_hl_without_a_limit_has_the_default_one() {
    let lab = lab();
    lab.hl("show dead")
        .exits(0)
        .says(&["(ssh.wait, at most 1.0s)"]);
    lab.hl("dead").exits(124).says(&["timeout of 1.0s"]);
    let shipped = TestLab::shipped();
    let shown = shipped.hl("show l2-apply dev").exits(0);
    shown.says(&[
        "(tofu.validate, at most 10m 00s)",
        "(tofu.apply, at most 1h 00m",
    ]);
    assert!(!shown.stdout.contains("no limit"), "{}", shown.stdout);
}

#[test]
fn none_is_a_word_and_no_tier() {
    let lab = lab();
    lab.write("hl.toml", "[timeouts]\nnone = \"1h\"\n");
    lab.hl("own")
        .exits(65)
        .says(&["`none` cannot be the name of a tier"]);
}

#[test]
fn a_run_over_its_limit_stops_as_by_ctrl_c_and_can_go_on() {
    let lab = lab();
    let ran = lab.hl("two --run-timeout 2s").exits(124);
    ran.says(&[
        "the run's limit of 2.0s was over",
        "the run's limit of 2.0s was over before it started",
        "to continue: `hl resume",
    ]);
    assert_eq!(lab.read("log"), "tidy\n", "clean-up runs, nothing else");
    let run = only_run(&lab);
    assert_eq!(run.header.flags["run_timeout"], "2s");
    assert!(matches!(run.ending, Ending::Finished { exit: 124, .. }));
    lab.hl("runs").exits(0).says(&["--run-timeout 2s"]);
    lab.write("go", "");
    lab.hl("resume").env("HL_RUN_TIMEOUT", "10m").exits(0);
    assert_eq!(lab.read("log"), "tidy\nsecond\n");
    lab.hl("two --run-timeout soon")
        .exits(2)
        .says(&["`soon` is not a value of `--run-timeout`"]);
}
