//! A run as it happens: what a follower sees is the journal.

use std::io::{BufRead, BufReader};
use std::thread;

use serde_json::Value;

use super::daemon::Daemon;
use crate::outlive::wait_for;
use crate::support::TestLab;

/// A recipe of three steps, of which the second waits until it is let go.
pub(super) fn lab() -> TestLab {
    let lab = TestLab::empty();
    let step = |id: &str, script: &str| {
        format!(
            "[[recipe.step]]\nid = \"{id}\"\nuse = \"command\"\n\
             with = {{ argv = [\"sh\", \"-c\", '''{script}'''] }}\n"
        )
    };
    let wait = "n=0; while [ ! -e go ] && [ $n -lt 1200 ]; do sleep 0.05; n=$((n+1)); done";
    lab.write(
        "layers/l1-test/layer.toml",
        &format!(
            "[layer]\nid = \"l1\"\nname = \"Test\"\n\n[[recipe]]\nname = \"job\"\n\n{}{}{}",
            step("first", "echo one"),
            step("second", wait),
            step("third", "echo three"),
        ),
    );
    lab
}

fn detached(lab: &TestLab) -> String {
    lab.hl("job --detach").exits(0).stdout.trim().to_owned()
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    id: String,
    name: String,
    data: String,
}

/// The events of a stream up to its end, or as many as are wanted.
fn follow(
    daemon: &Daemon<'_>,
    session: &str,
    path: &str,
    last: Option<&str>,
    most: usize,
) -> Vec<Sent> {
    let mut request = daemon.request("GET", path).header("Cookie", session);
    if let Some(last) = last {
        request = request.header("Last-Event-ID", last);
    }
    let response = request.send().unwrap();
    assert_eq!(response.status(), 200, "{path}");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut all = Vec::new();
    let (mut id, mut name, mut data) = <(String, String, String)>::default();
    for line in BufReader::new(response).lines() {
        let line = line.unwrap();
        match line.split_once(": ") {
            Some(("id", value)) => value.clone_into(&mut id),
            Some(("event", value)) => value.clone_into(&mut name),
            Some(("data", value)) => value.clone_into(&mut data),
            _ if line.is_empty() && !data.is_empty() => {
                all.push(Sent {
                    id: std::mem::take(&mut id),
                    name: std::mem::take(&mut name),
                    data: std::mem::take(&mut data),
                });
                if all.len() == most {
                    break;
                }
            }
            _ => {}
        }
    }
    all
}

/// The journal's events, as JSON.
fn journal(lab: &TestLab, id: &str) -> Vec<Value> {
    let path = lab.path(&format!("state/runs/{id}.yaml"));
    let run = hl::runs::read(path.to_str().unwrap().into()).unwrap();
    let events = run.events.iter();
    events
        .map(|event| serde_json::to_value(event).unwrap())
        .collect()
}

fn events(sent: &[Sent]) -> Vec<Value> {
    let sent = sent.iter().filter(|sent| sent.name.is_empty());
    sent.map(|sent| serde_json::from_str(&sent.data).unwrap())
        .collect()
}

#[test]
fn followers_see_the_journal_and_come_back_where_they_were() {
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let reader = daemon.session(false);
    let id = detached(&lab);
    let path = format!("/runs/{id}/events");
    let streams = thread::scope(|scope| {
        let whole = || follow(&daemon, &reader, &path, None, usize::MAX);
        let many = [(); 5].map(|()| scope.spawn(whole));
        // Somebody comes and goes while the run works.
        wait_for("the second step runs", || {
            let page = daemon.get(&format!("/runs/{id}"), &reader).body;
            page.contains("data-step=\"job/second\" data-state=\"running\"")
                .then_some(())
        });
        let gone = follow(&daemon, &reader, &path, None, 2);
        assert_eq!(gone.len(), 2);
        lab.write("go", "");
        many.map(|stream| stream.join().unwrap())
    });
    let [one, ..] = &streams;
    assert!(streams.iter().all(|other| other == one));
    let over = one.last().unwrap();
    assert_eq!((over.name.as_str(), over.id.as_str()), ("over", ""));
    assert_eq!(events(one), journal(&lab, &id));
    // From behind every event, exactly the rest.
    for (cut, event) in one
        .iter()
        .enumerate()
        .filter(|(_, event)| !event.id.is_empty())
    {
        let rest = follow(&daemon, &reader, &path, Some(&event.id), usize::MAX);
        assert_eq!(rest, one[cut + 1..]);
    }
    let first = &one[0].id;
    let from = format!("{path}?from={first}");
    assert_eq!(follow(&daemon, &reader, &from, None, usize::MAX), one[1..]);
    // What the browser saw last counts more than where its page began.
    let last = &one[2].id;
    assert_eq!(
        follow(&daemon, &reader, &from, Some(last), usize::MAX),
        one[3..]
    );
    for wrong in ["7", "-1", "x"] {
        let request = daemon.request("GET", &path).header("Cookie", &reader);
        let answer = super::daemon::read(request.header("Last-Event-ID", wrong));
        assert_eq!(answer.status, 400, "{wrong}");
    }
}

#[test]
fn a_page_begins_where_its_stream_goes_on() {
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let reader = daemon.session(false);
    let id = detached(&lab);
    let page = wait_for("the second step runs", || {
        let page = daemon.get(&format!("/runs/{id}"), &reader).body;
        let runs = page.contains("data-step=\"job/second\" data-state=\"running\"");
        runs.then_some(page)
    });
    let source = super::daemon::between(&page, "data-events=\"", "\"");
    lab.write("go", "");
    let rest = follow(&daemon, &reader, source, None, usize::MAX);
    let all = journal(&lab, &id);
    let seen = events(&rest);
    assert!(!seen.is_empty() && all.ends_with(&seen));
    // What the page showed is what came before.
    let before = &all[..all.len() - seen.len()];
    let started = |step: &str| {
        before
            .iter()
            .any(|event| event["step"] == step && event["event"] == "step_started")
    };
    assert!(started("job/second") && !started("job/third"));
    let after = daemon.get(&format!("/runs/{id}"), &reader).body;
    assert!(after.contains("data-step=\"job/third\" data-state=\"succeeded\""));
    assert!(!after.contains("data-events"));
}

#[test]
fn a_stream_ends_with_its_session() {
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let reader = daemon.session(false);
    let id = detached(&lab);
    let path = format!("/runs/{id}/events");
    thread::scope(|scope| {
        let stream = scope.spawn(|| follow(&daemon, &reader, &path, None, usize::MAX));
        wait_for("the second step runs", || {
            let page = daemon.get(&format!("/runs/{id}"), &reader).body;
            page.contains("data-step=\"job/second\" data-state=\"running\"")
                .then_some(())
        });
        daemon.hl("serve logout").exits(0);
        let seen = stream.join().unwrap();
        assert!(seen.iter().all(|sent| sent.name != "over"));
    });
    // The run knows nothing of all that.
    lab.write("go", "");
    wait_for("the run ends", || {
        let runs = lab.hl("runs --json").exits(0).json();
        (runs["runs"][0]["outcome"] == "succeeded").then_some(())
    });
}
