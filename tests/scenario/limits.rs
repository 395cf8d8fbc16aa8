//! The limit of a run: a given one interrupts, the default spares what runs.

use super::lab::{lab, log};

/// Two phases, of which the first takes longer than four times the estimate.
const SLOW: &str = r#"
[scenario]
doc = "take longer than it says"
runtime = "1s"

[[phase]]
id = "take_long"
use = "command"
with = { argv = ["sh", "-c", "sleep 6; echo done >> log"] }

[[phase]]
id = "come_after"
use = "command"
with = { argv = ["sh", "-c", "echo after >> log"] }
"#;

#[test]
fn no_phase_begins_after_the_default_limit_and_none_is_interrupted() {
    let lab = lab();
    lab.write("scenarios/time-take.toml", SLOW);
    lab.hl("scenario time-take")
        .exits(124)
        .says(&["the run's limit of 4.0s was over", "goes on to its end"]);
    assert_eq!(log(&lab), ["done"]);
    // Where it was the last phase, all is done.
    let one = SLOW.split("[[phase]]\nid = \"come_after\"").next().unwrap();
    lab.write("scenarios/time-take.toml", one);
    lab.hl("scenario time-take").exits(0);
    assert_eq!(log(&lab), ["done", "done"]);
}

#[test]
fn a_limit_that_is_given_interrupts() {
    let lab = lab();
    lab.write("scenarios/time-take.toml", SLOW);
    lab.hl("scenario time-take --timeout 1").exits(124);
    lab.hl("-S time-take -t 1s").exits(124);
    assert!(log(&lab).is_empty());
    // The limit of a step is another one.
    lab.hl("scenario time-take --step-timeout 1s")
        .exits(124)
        .says(&["took longer than its timeout"]);
    assert!(log(&lab).is_empty());
}
