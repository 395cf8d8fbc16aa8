//! One child, `hl` killed while it runs.

use std::fs;

use super::processes::{children, fence, kill, kill_hl, wait_for};
use crate::support::TestLab;

/// A lab with a recipe `job` of one step; `more`: further keys of the step.
pub(super) fn lab(script: &str, more: &str) -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "layers/l1-test/layer.toml",
        &format!(
            "[layer]\nid = \"l1\"\nname = \"Test\"\ndoc = \"one child\"\ndefault = \"job\"\n\n\
             [[recipe]]\nname = \"job\"\ndoc = \"one child\"\n\n\
             [[recipe.step]]\nid = \"work\"\nuse = \"command\"\n{more}\n\
             with = {{ argv = [\"sh\", \"-c\", '''{script}'''] }}\n"
        ),
    );
    lab
}

/// What the children of a lab wrote down.
pub(super) fn ran(lab: &TestLab) -> String {
    let text = fs::read_to_string(lab.path("ran")).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Starts `hl job` and kills it when the child has begun its work.
fn cut(lab: &TestLab) {
    let running = lab.hl("job").spawn();
    wait_for("the child works", || (!ran(lab).is_empty()).then_some(()));
    kill_hl(running);
}

#[test]
fn what_ended_while_nobody_watched_is_not_done_again() {
    let lab = lab("echo B >> ran; sleep 0.7; echo E >> ran", "");
    cut(&lab);
    let resumed = lab.hl("resume").exits(0);
    assert_eq!(ran(&lab), "B E");
    resumed.says(&["done while nobody watched, exit 0 at "]);
    // The end is in the journal now, and nothing is left to go on with.
    lab.hl("resume").exits(0).says(&["nothing to resume"]);
    lab.hl("runs logs latest work")
        .exits(0)
        .says(&["done while nobody watched"]);
}

#[test]
fn what_failed_while_nobody_watched_runs_again_as_after_any_failure() {
    let script = "echo B >> ran; test -f go && exit 0; sleep 0.5; exit 7";
    let lab = lab(script, "");
    cut(&lab);
    // Whether it comes before or after the end: the look ahead knows.
    lab.hl("resume --explain")
        .exits(0)
        .says(&["job/work", "its child"]);
    wait_for("the child ends", || {
        let said = lab.hl("resume --explain").exits(0).stdout;
        said.contains("failed while nobody watched, exit 7")
            .then_some(())
    });
    lab.write("go", "");
    let resumed = lab.hl("resume").exits(0);
    resumed.says(&["failed while nobody watched, exit 7 at "]);
    assert_eq!(ran(&lab), "B B");
}

#[test]
fn what_rests_on_something_else_by_now_runs_again() {
    let lab = lab("echo B >> ran; sleep 0.3", "");
    cut(&lab);
    let file = lab.read("layers/l1-test/layer.toml");
    lab.write(
        "layers/l1-test/layer.toml",
        &file.replace("sleep 0.3", "true"),
    );
    lab.hl("resume").exits(0);
    assert_eq!(ran(&lab), "B B");
}

#[test]
fn a_child_that_only_reads_runs_again_and_leaves_no_fence() {
    let lab = TestLab::empty();
    let layer = "[layer]\nid = \"l1\"\nname = \"Test\"\ndoc = \"d\"\ndefault = \"job\"\n\n\
        [[recipe]]\nname = \"job\"\ndoc = \"d\"\n\n[[recipe.step]]\nid = \"look\"\nuse = \"command\"\n\
        with = { argv = [\"sh\", \"-c\", \"echo B >> ran; sleep 0.3\"], reads = true }\n";
    lab.write("layers/l1-test/layer.toml", layer);
    cut(&lab);
    lab.hl("resume").exits(0);
    assert_eq!(ran(&lab), "B B");
    let logs = lab.path("state/logs").read_dir().unwrap().flatten();
    let mut files = logs.flat_map(|run| run.path().read_dir().unwrap().flatten());
    assert!(!files.any(|file| file.path().extension().is_some_and(|end| end == "fence")));
}

#[test]
fn a_child_is_over_when_nothing_of_its_group_lives() {
    // The leader of the group and its parent are killed; what the leader had
    // started goes on.
    let script = "sh -c 'echo B >> ran; sleep 1; echo E >> ran' & wait";
    let lab = lab(script, "");
    let running = lab.hl("job").spawn();
    let keeper = fence(&lab).keeper.pid;
    wait_for("the child works", || (!ran(&lab).is_empty()).then_some(()));
    kill_hl(running);
    let leader = children(keeper);
    kill(keeper);
    leader.into_iter().for_each(kill);
    // It is waited for, and then nobody knows what to make of it.
    lab.hl("resume").exits(77);
    assert_eq!(ran(&lab), "B E");
}

#[test]
fn children_start_with_the_usual_meaning_of_signals_and_leave_on_the_first() {
    // As a shell starts what it puts into the background.
    let lab = lab(
        "trap 'echo INT >> ran; exit 3' INT; echo B >> ran; while :; do sleep 0.05; done",
        "",
    );
    let hl = lab.hl("job");
    let mut shell = std::process::Command::new("sh");
    shell.args([
        "-c",
        "trap '' INT HUP; exec \"$@\"",
        "sh",
        env!("CARGO_BIN_EXE_hl"),
        "job",
    ]);
    let template = hl.command();
    shell.current_dir(lab.root()).env_clear();
    shell.envs(
        template
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let mut running = shell.spawn().unwrap();
    wait_for("the child works", || (!ran(&lab).is_empty()).then_some(()));
    let pid = rustix::process::Pid::from_child(&running);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    running.wait().unwrap();
    assert_eq!(ran(&lab), "B INT");
}
