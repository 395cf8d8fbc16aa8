//! What a detached run asks is answered from elsewhere: a real plan of tofu, whose
//! file lives no longer than the question.

use std::fs;
use std::path::PathBuf;

use hl::plan::EventKind;
use hl::runs::Ending;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::detached::{answers, begun, ended, exit, journal};
use super::processes::wait_for;
use super::terminal::on_terminal;
use super::unknown::lost;
use crate::l2::stage::{Stage, is_sealed, mode};
use crate::support::{Hl, TestLab};

/// What the run in progress asks, once it does.
#[track_caller]
pub(super) fn question(status: &Hl) -> Value {
    wait_for("it asks", || {
        let document = status.exits(0).json();
        let question = &document["current"]["question"];
        question.is_object().then(|| question.clone())
    })
}

fn plans(stage: &Stage) -> Vec<PathBuf> {
    let mut files = stage.files();
    files.retain(|path| path.extension().is_some_and(|end| end == "tfplan"));
    files
}

/// A detached apply that asks.
fn asks(stage: &Stage) -> (String, Value) {
    let id = begun(&stage.hl("l2-apply dev --detach"));
    let question = question(&stage.hl("status --json"));
    let [plan]: [PathBuf; 1] = plans(stage).try_into().unwrap();
    assert_eq!(mode(&plan), 0o600);
    (id, question)
}

#[test]
fn the_plan_that_was_shown_is_approved_and_no_other() {
    let test = "outlive::answers::the_plan_that_was_shown_is_approved_and_no_other";
    if !is_sealed(test, "tofu") {
        return;
    }
    let stage = Stage::new();
    let (id, question) = asks(&stage);
    assert_eq!(question["step"], "l2-apply/apply");
    let digest = question["digest"].as_str().unwrap();
    stage.hl("status").exits(0).says(&[
        "apply to `dev` on `pve`: 2 to add?",
        "create VM 5101",
        digest,
        "`hl approve`  yes",
        "`hl reject`  no",
        "`hl stop`  stops the run",
    ]);
    // The lab is held meanwhile, and who is turned away is told why.
    let busy = stage.hl("l2-destroy dev").exits(75);
    busy.says(&[&id, "it waits for an answer", "`hl status`", "`hl approve`"]);
    stage.hl("approve").exits(2).says(&["--digest", digest]);
    let refused = stage.hl("approve --digest 00-00").exits(77);
    refused.says(&["what it asks about is not what you were shown"]);
    assert_eq!(stage.sim.write_count(), 0);
    let still = stage.hl("status --json").exits(0).json();
    assert_eq!(still["current"]["question"], question);
    let approve = stage.hl(&format!("approve {id} --digest {digest}"));
    approve.env("USER", "somebody").exits(0).says(&["Approved"]);
    assert_eq!(exit(ended(&stage.lab, &id)), 0);
    assert_eq!(stage.vms().len(), 2);
    let run = journal(&stage.lab, &id);
    let given = answers(&run);
    assert!(
        matches!(given.as_slice(), [(true, by)] if by.starts_with("somebody@")),
        "{given:?}"
    );
    let asked = run.events.iter().find_map(|event| {
        if let EventKind::ApprovalAsked { digest, .. } = &event.kind {
            return digest.clone();
        }
        None
    });
    assert_eq!(asked.as_deref(), Some(digest));
    stage.is_clean();
}

#[test]
fn without_a_yes_no_plan_is_left() {
    let test = "outlive::answers::without_a_yes_no_plan_is_left";
    if !is_sealed(test, "tofu") {
        return;
    }
    let stage = Stage::new();
    let (id, _) = asks(&stage);
    stage.hl("reject").exits(0).says(&["Rejected"]);
    assert_eq!(exit(ended(&stage.lab, &id)), 77);
    assert!(plans(&stage).is_empty());
    let given = answers(&journal(&stage.lab, &id));
    assert!(
        matches!(given.as_slice(), [(false, by)] if by.contains('@')),
        "{given:?}"
    );
    // Stopped.
    let (id, _) = asks(&stage);
    stage.hl("stop").exits(0);
    assert_eq!(exit(ended(&stage.lab, &id)), 130);
    assert!(plans(&stage).is_empty());
    // Killed: the next start of anything that changes the lab.
    let (id, _) = asks(&stage);
    let pid = i32::try_from(journal(&stage.lab, &id).header.pid).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    assert_eq!(ended(&stage.lab, &id), Ending::Interrupted);
    assert_eq!(plans(&stage).len(), 1);
    // It waits for no answer any more.
    stage.hl("approve --digest 00").exits(66);
    stage.lab.write(
        "layers/extra/layer.toml",
        "[layer]\nid = \"extra\"\nname = \"T\"\ndoc = \"t\"\n\n[[recipe]]\nname = \"nap\"\ndoc = \"d\"\n\n\
         [[recipe.step]]\nid = \"s\"\nuse = \"command\"\nwith = { argv = [\"true\"] }\n",
    );
    stage.hl("nap").exits(0);
    assert!(plans(&stage).is_empty());
    // Nobody answers in time.
    let toml = stage.lab.read("hl.toml") + "\n[approval]\ntimeout = \"1s\"\n";
    stage.lab.write("hl.toml", &toml);
    let id = begun(&stage.hl("l2-apply dev --detach"));
    assert_eq!(exit(ended(&stage.lab, &id)), 77);
    assert!(plans(&stage).is_empty());
    assert_eq!(stage.sim.write_count(), 0);
    stage.is_clean();
}

#[test]
fn on_a_terminal_the_question_is_asked_again() {
    let lab: TestLab = lost("");
    let id = begun(&lab.hl("resume --detach"));
    question(&lab.hl("status --json"));
    let ask = "run `job/work` again?";
    let (said, code) = on_terminal(&lab.hl("approve").command(), &[(ask, "n")]);
    assert_eq!(code, 77, "{said}");
    assert!(said.contains("still waits for an answer"), "{said}");
    assert_eq!(journal(&lab, &id).ending, Ending::Running);
    let (said, code) = on_terminal(&lab.hl("approve").command(), &[(ask, "y")]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(exit(ended(&lab, &id)), 0);
    let ran = fs::read_to_string(lab.path("ran")).unwrap();
    assert_eq!(ran.matches('B').count(), 2);
}
