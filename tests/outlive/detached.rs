//! Runs that no terminal ends: followed, answered and stopped from elsewhere.

use std::fs;
use std::thread;

use hl::plan::EventKind;
use hl::runs::{Ending, read};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::Value;

use super::kept::{lab, ran};
use super::processes::wait_for;
use super::unknown::lost;
use crate::support::TestLab;

/// The id that `--detach` printed.
fn detached(lab: &TestLab, words: &str) -> String {
    let ran = lab.hl(words).exits(0);
    let id = ran.stdout.trim().to_owned();
    assert!(hl::runs::is_id(&id), "{ran:?}");
    id
}

fn journal(lab: &TestLab, id: &str) -> hl::runs::Run {
    let path = lab.path(&format!("state/runs/{id}.yaml"));
    read(path.to_str().unwrap().into()).unwrap()
}

/// How it ended, once the lab is free again.
fn ended(lab: &TestLab, id: &str) -> Ending {
    wait_for("the run ends", || {
        let ending = journal(lab, id).ending;
        let free = lab.read("state/lock").is_empty();
        (ending != Ending::Running && free).then_some(ending)
    })
}

fn exit(ending: Ending) -> u8 {
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
    let events = journal(&lab, &id).events;
    let stops = events.iter().filter(
        |event| matches!(&event.kind, EventKind::Interrupted { signal, .. } if signal == "stop"),
    );
    assert_eq!(stops.count(), 1);
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
    let answers: Vec<String> = journal(&lab, &id)
        .events
        .iter()
        .filter_map(|event| {
            if let EventKind::ApprovalGiven { approved: true, by } = &event.kind {
                return Some(by.clone());
            }
            None
        })
        .collect();
    assert!(
        matches!(answers.as_slice(), [by] if by.contains('@')),
        "{answers:?}"
    );
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
