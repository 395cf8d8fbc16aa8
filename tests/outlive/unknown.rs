//! `hl`, the parent and the child are all gone, and nobody wrote down the end.

use super::kept::{lab, ran};
use super::processes::{children, fence, kill, kill_hl, wait_for};
use crate::support::TestLab;

/// The first time it never ends by itself.
const SCRIPT: &str = "echo B >> ran; test -f go || sleep 600";

/// Kills all three between fence and exit file.
pub(super) fn lost(more: &str) -> TestLab {
    lost_in(SCRIPT, more)
}

fn lost_in(script: &str, more: &str) -> TestLab {
    let lab = lab(script, more);
    let running = lab.hl("job").spawn();
    let keeper = fence(&lab).keeper.pid;
    wait_for("the child works", || (!ran(&lab).is_empty()).then_some(()));
    kill_hl(running);
    let shells = children(keeper);
    let sleeps = shells.iter().flat_map(|shell| children(*shell));
    let all: Vec<u32> = sleeps.chain(shells.iter().copied()).collect();
    kill(keeper);
    all.into_iter().for_each(kill);
    lab.write("go", "");
    lab
}

#[test]
fn it_is_not_simply_run_again() {
    let lab = lost("");
    lab.hl("resume --explain")
        .exits(0)
        .says(&["nobody knows how its child ended"]);
    for flags in ["resume", "resume --yes", "resume --no-input"] {
        let resumed = lab.hl(flags).exits(77);
        resumed.says(&["nobody knows how it ended", "--from job/work`"]);
        assert_eq!(ran(&lab), "B", "{flags}");
    }
    lab.hl("resume --from job/work").exits(0);
    assert_eq!(ran(&lab), "B B");
}

#[test]
fn a_repeatable_step_runs_again_without_a_question() {
    let lab = lost("repeatable = true");
    lab.hl("resume").exits(0);
    assert_eq!(ran(&lab), "B B");
}

/// It runs again, and that run is cut off too: the result of the second counts.
#[test]
fn what_was_run_again_is_not_run_a_third_time() {
    let script = "echo B >> ran; test -f go || sleep 600; sleep 0.7; echo E >> ran";
    let lab = lost_in(script, "");
    let running = lab.hl("resume --from job/work").spawn();
    wait_for("it runs again", || (ran(&lab) == "B B").then_some(()));
    kill_hl(running);
    let resumed = lab.hl("resume").exits(0);
    resumed.says(&["done while nobody watched, exit 0 at "]);
    assert_eq!(ran(&lab), "B B E");
}

#[test]
fn the_question_and_its_answer_are_in_the_journal() {
    let lab = lost("");
    lab.hl("resume").exits(77);
    let file = lab.path("state/runs").read_dir().unwrap().flatten();
    let journal = file
        .filter(|file| file.path().extension().is_some_and(|end| end == "yaml"))
        .find_map(|file| std::fs::read_to_string(file.path()).ok());
    let journal = journal.unwrap();
    assert!(journal.contains(r#""again":true"#), "{journal}");
    assert!(journal.contains(r#""approved":false"#), "{journal}");
}
