//! Runs that no terminal ends: followed, answered and stopped from elsewhere.

use std::fs;
use std::thread;

use hl::plan::EventKind;
use hl::runs::{Ending, Run, read};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::Value;

use super::kept::{lab, ran};
use super::processes::{kill_hl, wait_for};
use super::unknown::lost;
use crate::support::{Hl, TestLab};

/// The id that `--detach` printed.
fn detached(lab: &TestLab, words: &str) -> String {
    begun(&lab.hl(words))
}

/// The id that it printed.
#[track_caller]
pub(super) fn begun(hl: &Hl) -> String {
    let ran = hl.exits(0);
    let id = ran.stdout.trim().to_owned();
    assert!(hl::runs::is_id(&id), "{ran:?}");
    id
}

pub(super) fn journal(lab: &TestLab, id: &str) -> Run {
    journal_in(lab, "state", id)
}

/// `state`: where runs are kept, in the lab.
pub(super) fn journal_in(lab: &TestLab, state: &str, id: &str) -> Run {
    let path = lab.path(&format!("{state}/runs/{id}.yaml"));
    read(path.to_str().unwrap().into()).unwrap()
}

/// How it ended, once the lab is free again.
pub(super) fn ended(lab: &TestLab, id: &str) -> Ending {
    ended_in(lab, "state", id)
}

pub(super) fn ended_in(lab: &TestLab, state: &str, id: &str) -> Ending {
    wait_for("the run ends", || {
        let ending = journal_in(lab, state, id).ending;
        let lock = fs::File::open(lab.path(&format!("{state}/lock"))).unwrap();
        (ending != Ending::Running && lock.try_lock().is_ok()).then_some(ending)
    })
}

/// Who gave which answers.
pub(super) fn answers(run: &Run) -> Vec<(bool, String)> {
    let kinds = run.events.iter().map(|event| &event.kind);
    let answers = kinds.filter_map(|kind| {
        if let EventKind::ApprovalGiven { approved, by } = kind {
            return Some((*approved, by.clone()));
        }
        None
    });
    answers.collect()
}

/// What the run said when it was stopped.
pub(super) fn stops(run: &Run) -> Vec<(String, String)> {
    let kinds = run.events.iter().map(|event| &event.kind);
    let stops = kinds.filter_map(|kind| {
        if let EventKind::Interrupted { signal, message } = kind {
            return Some((signal.clone(), message.clone()));
        }
        None
    });
    stops.collect()
}

#[track_caller]
pub(super) fn exit(ending: Ending) -> u8 {
    match ending {
        Ending::Finished { exit, .. } => exit,
        other @ (Ending::Running | Ending::Interrupted) => panic!("{other:?}"),
    }
}

#[test]
fn a_detached_run_goes_on_when_its_terminal_is_gone() {
    let lab = lab("echo B >> ran; sleep 1; echo E >> ran", "");
    let terminal = native_pty_system().openpty(PtySize::default()).unwrap();
    let hl = lab.hl("job --detach");
    let template = hl.command();
    let mut command = CommandBuilder::new(template.get_program());
    command.args(template.get_args());
    command.env_clear();
    for (name, value) in template.get_envs() {
        command.env(name, value.unwrap());
    }
    command.cwd(lab.root());
    let mut child = terminal.slave.spawn_command(command).unwrap();
    assert!(child.wait().unwrap().success());
    drop(terminal);
    let followed = lab.hl("runs follow").exits(0);
    followed.says(&["work"]);
    assert_eq!(ran(&lab), "B E");
}

#[test]
fn what_cannot_start_says_so_where_it_was_typed() {
    let lab = lab("echo B >> ran; sleep 2", "");
    lab.hl("jobs --detach").exits(66).says(&["jobs"]);
    let id = detached(&lab, "job --detach");
    // The lab is held, and who holds it is named.
    lab.hl("job --detach").exits(75).says(&[&id]);
    let document = lab.hl("job --detach --json").run();
    assert_eq!(document.code, 75);
    assert_eq!(document.json()["outcome"], "failed");
    assert_eq!(exit(ended(&lab, &id)), 0);
    let document = lab.hl("job --detach --json").exits(0).json();
    assert_eq!(document["schema"], "hl.detached/1");
    ended(&lab, document["run"].as_str().unwrap());
}

/// The lines of a follower, from its start or from behind one.
fn follow(lab: &TestLab, id: &str, from: Option<u64>) -> Vec<String> {
    let from = from.map_or_else(String::new, |from| format!(" --from {from}"));
    let words = format!("runs follow {id} --events json{from}");
    let out = lab.hl(&words).exits(0).stdout;
    out.lines().map(str::to_owned).collect()
}

fn offset(line: &str) -> u64 {
    let event: Value = serde_json::from_str(line).unwrap();
    event["offset"].as_u64().unwrap()
}

#[test]
fn followers_see_the_journal_and_whoever_comes_back_misses_nothing() {
    let lab = lab("for i in 1 2 3; do echo $i; sleep 0.2; done", "");
    let id = detached(&lab, "job --detach");
    let streams = thread::scope(|scope| {
        let two = [(); 2].map(|()| scope.spawn(|| follow(&lab, &id, None)));
        two.map(|stream| stream.join().unwrap())
    });
    let [one, other] = streams;
    assert_eq!(one, other);
    let events: Vec<Value> = one
        .iter()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            event.as_object_mut().unwrap().remove("offset").unwrap();
            event
        })
        .collect();
    let written = journal(&lab, &id).events;
    let written: Vec<Value> = written
        .iter()
        .map(|event| serde_json::to_value(event).unwrap())
        .collect();
    assert_eq!(events, written);
    for cut in 1..one.len() {
        let (before, after) = one.split_at(cut);
        assert_eq!(
            follow(&lab, &id, before.last().map(|line| offset(line))),
            after
        );
    }
    lab.hl(&format!("runs follow {id} --events json --from 7"))
        .exits(2);
}

#[test]
fn fifty_stops_are_one() {
    let script = "trap 'echo INT >> ran; sleep 0.3; exit 0' INT; echo B >> ran; while :; do sleep 0.05; done";
    let lab = lab(script, "");
    let id = detached(&lab, "job --detach");
    wait_for("the child works", || (!ran(&lab).is_empty()).then_some(()));
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| lab.hl("stop").run());
        }
    });
    assert_eq!(exit(ended(&lab, &id)), 130);
    assert_eq!(ran(&lab), "B INT");
    let stops = stops(&journal(&lab, &id));
    assert_eq!(stops.len(), 1, "{stops:?}");
    let (signal, message) = &stops[0];
    assert_eq!(signal, "stop");
    // Nobody sits at it who could type Ctrl-C.
    assert!(message.contains("`hl stop --now` to hurry"), "{message}");
    lab.hl(&format!("runs follow {id}"))
        .exits(130)
        .says(&["`hl stop --now` to hurry"]);
    wait_for("nothing is left", || {
        (lab.hl("stop").run().code == 66).then_some(())
    });
}

#[test]
fn a_run_waits_for_an_answer_from_anywhere() {
    let lab = lost("");
    let id = detached(&lab, "resume --detach");
    let status = wait_for("it asks", || {
        let status = lab.hl("status --json").exits(0).json();
        status["current"]["question"].is_object().then_some(status)
    });
    let question = &status["current"]["question"];
    let digest = question["digest"].as_str().unwrap();
    assert_eq!(question["step"], "job/work");
    lab.hl("status").exits(0).says(&[
        "run `job/work` again?",
        "hl approve",
        "hl reject",
        "hl stop",
    ]);
    lab.hl("job").exits(75).says(&["waits for an answer"]);
    lab.hl("approve").exits(2).says(&["--digest"]);
    lab.hl("approve --digest 0000").exits(77).says(&["refused"]);
    lab.hl(&format!("approve --digest {digest}")).exits(0);
    assert_eq!(exit(ended(&lab, &id)), 0);
    assert_eq!(ran(&lab), "B B");
    let answers = answers(&journal(&lab, &id));
    assert!(
        matches!(answers.as_slice(), [(true, by)] if by.contains('@')),
        "{answers:?}"
    );
}

#[test]
fn what_nobody_would_answer_does_not_wait() {
    let lab = lost("");
    for hl in [
        lab.hl("resume --detach --no-input"),
        lab.hl("resume --detach").env("CI", "true"),
    ] {
        let id = begun(&hl);
        assert_eq!(exit(ended(&lab, &id)), 77);
        let answers = answers(&journal(&lab, &id));
        let by = answers
            .last()
            .map(|(_, by)| by.as_str())
            .unwrap_or_default();
        assert!(by.ends_with("no --yes"), "{answers:?}");
    }
    assert_eq!(ran(&lab), "B");
}

#[test]
fn what_has_no_run_is_not_detached() {
    let lab = lab("true", "");
    lab.write(".build/live", "rendered");
    lab.hl("clean --detach")
        .exits(2)
        .says(&["nothing to detach", "leave `--detach` out"]);
    assert!(lab.path(".build/live").exists());
}

#[test]
fn what_a_killed_run_left_is_asked_to_stop_once() {
    let script = "trap 'echo INT >> ran' INT; echo B >> ran; n=0; until [ -e go ] || [ $n -gt 1200 ]; do sleep 0.1; n=$((n+1)); done; echo E >> ran";
    let lab = lab(script, "");
    let running = lab.hl("job").spawn();
    wait_for("the child works", || (!ran(&lab).is_empty()).then_some(()));
    kill_hl(running);
    let asked = thread::scope(|scope| {
        let all = [(); 20].map(|()| scope.spawn(|| lab.hl("stop").exits(0).stderr));
        all.map(|one| one.join().unwrap())
    });
    let asked = asked.iter().filter(|said| said.contains("Stopping"));
    assert_eq!(asked.count(), 1);
    wait_for("it was asked", || (ran(&lab) != "B").then_some(()));
    lab.write("go", "");
    wait_for("it ends", || ran(&lab).ends_with('E').then_some(()));
    assert_eq!(ran(&lab), "B INT E");
}

#[test]
fn a_no_ends_it_and_so_does_silence() {
    let lab = lost("");
    let id = detached(&lab, "resume --detach");
    wait_for("it asks", || {
        (lab.hl("reject").run().code == 0).then_some(())
    });
    assert_eq!(exit(ended(&lab, &id)), 77);
    let toml = lab.read("hl.toml");
    lab.write("hl.toml", &format!("{toml}[approval]\ntimeout = \"1s\"\n"));
    let id = detached(&lab, "resume --detach");
    assert_eq!(exit(ended(&lab, &id)), 77);
    let journal = fs::read_to_string(lab.path(&format!("state/runs/{id}.yaml"))).unwrap();
    assert!(journal.contains("no answer within 1.0s"), "{journal}");
    // An approval must be of a plan that is a day old at most.
    lab.write("hl.toml", &format!("{toml}[approval]\ntimeout = \"25h\"\n"));
    lab.hl("list").exits(65).says(&["at most a day"]);
}
