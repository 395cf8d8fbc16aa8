//! A follower: it shows what the run's own terminal would, and ends when nobody reads
//! it any more.

use std::process::Command;

use super::answers::question;
use super::detached::{begun, ended, exit, journal};
use super::kept::{lab, ran};
use super::processes::wait_for;
use super::unknown::lost;
use crate::support::{Hl, TestLab};
use hl::runs::Ending;

#[test]
fn its_advice_is_that_of_the_run() {
    let lab = lab("echo said; exit 3", "");
    let own = lab.hl("job").exits(3);
    let advice = |said: &str| {
        let line = said.lines().find(|line| line.contains("help:")).unwrap();
        line.to_owned()
    };
    assert!(advice(&own.stderr).contains("`hl resume "), "{own:?}");
    let followed = lab.hl("runs follow").exits(3);
    assert_eq!(advice(&followed.stderr), advice(&own.stderr));
}

/// Ends within a minute, whatever becomes of the run.
fn first_line(hl: &Hl, script: &str) -> String {
    let template = hl.command();
    let mut shell = Command::new("timeout");
    shell.args(["60", "sh", "-c", script]);
    shell.current_dir(template.get_current_dir().unwrap());
    shell.env_clear();
    shell.envs(
        template
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    shell.env("HL", env!("CARGO_BIN_EXE_hl"));
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn it_ends_with_who_reads_it() {
    let script =
        "echo B >> ran; n=0; until [ -e go ] || [ $n -gt 1200 ]; do sleep 0.1; n=$((n+1)); done";
    let lab: TestLab = lab(script, "");
    let id = begun(&lab.hl("job --detach"));
    wait_for("the child works", || (!ran(&lab).is_empty()).then_some(()));
    let hl = lab.hl("");
    let line = first_line(&hl, "\"$HL\" runs follow --events json | head -n 1");
    assert!(line.contains("run_started"), "{line}");
    let line = first_line(&hl, "\"$HL\" runs follow 2>&1 | head -n 1");
    assert!(line.contains(&id), "{line}");
    assert_eq!(journal(&lab, &id).ending, Ending::Running);
    lab.write("go", "");
    assert_eq!(exit(ended(&lab, &id)), 0);
}

#[test]
fn it_shows_what_the_run_asks() {
    let lab = lost("");
    let id = begun(&lab.hl("resume --detach"));
    question(&lab.hl("status --json"));
    let script = "\"$HL\" runs follow 2>&1 | sed '/Answer/q'";
    let said = first_line(&lab.hl(""), script);
    for part in [
        "run `job/work` again?",
        "`hl approve`, `hl reject` or `hl stop`",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    lab.hl("reject").exits(0);
    assert_eq!(exit(ended(&lab, &id)), 77);
    // Nobody is asked any more.
    let over = lab.hl("runs follow").exits(77);
    assert!(!over.stderr.contains("hl approve"), "{}", over.stderr);
}

#[test]
fn two_steps_whose_names_are_alike_say_each_their_own() {
    let lab = TestLab::empty();
    let recipe = |name: &str, step: &str, more: &str| {
        format!(
            "\n[[recipe]]\nname = \"{name}\"\ndoc = \"d\"\n{more}\n[[recipe.step]]\nid = \"{step}\"\n\
             use = \"command\"\nwith = {{ argv = [\"echo\", \"{name} says\"] }}\n"
        )
    };
    let layer = "[layer]\nid = \"l1\"\nname = \"T\"\ndoc = \"d\"\n".to_owned()
        + &recipe("a", "b-c", "")
        + &recipe("a-b", "c", "deps = [\"a\"]\n");
    lab.write("layers/l1-test/layer.toml", &layer);
    lab.hl("a-b").exits(0);
    let said = lab.hl("runs follow --output prefix").exits(0).stderr;
    for line in ["a/b-c │ a says", "a-b/c │ a-b says"] {
        assert_eq!(said.matches(line).count(), 1, "{line}: {said}");
    }
    assert_eq!(said.matches(" says").count(), 2, "{said}");
}
