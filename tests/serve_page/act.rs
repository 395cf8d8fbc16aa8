//! What operators do: answer, stop, start. Everything else is refused.

use serde_json::Value;

use super::daemon::{Daemon, between};
use crate::e2e::ready;
use crate::outlive::{lab_with_a_plan, lost, wait_for};
use crate::support::TestLab;

/// Where runs are, live ones and those of rehearsals.
const LIVE: &str = "state";
const REHEARSED: &str = "state/rehearsal/state";

fn journal(lab: &TestLab, state: &str, id: &str) -> Vec<Value> {
    let path = lab.path(&format!("{state}/runs/{id}.yaml"));
    let run = hl::runs::read(path.to_str().unwrap().into()).unwrap();
    let events = run.events.iter();
    events
        .map(|event| serde_json::to_value(event).unwrap())
        .collect()
}

/// The exit code of a run, once it has ended.
fn exit(lab: &TestLab, id: &str) -> u64 {
    exit_in(lab, LIVE, id)
}

fn exit_in(lab: &TestLab, state: &str, id: &str) -> u64 {
    wait_for("the run ends", || {
        let events = journal(lab, state, id);
        let end = events
            .iter()
            .rfind(|event| event["event"] == "run_finished");
        end.map(|end| end["exit"].as_u64().unwrap())
    })
}

/// A run that asks, begun in the lab's daemon's own runtime directory.
fn asking(daemon: &Daemon<'_>) -> (String, String) {
    let reader = daemon.session(false);
    let said = daemon.run("resume --detach").exits(0).stdout;
    let id = said.trim().to_owned();
    let page = wait_for("it asks", || {
        let page = daemon.get(&format!("/runs/{id}"), &reader).body;
        page.contains("It waits for an answer").then_some(page)
    });
    (id, page)
}

#[test]
fn an_approval_in_the_page_is_for_what_it_shows() {
    let lab = lost("");
    let daemon = Daemon::start(&lab);
    let operator = daemon.session(true);
    let (id, page) = asking(&daemon);
    assert!(page.contains("run `job/work` again?"), "{page}");
    // A reader sees what is asked, and no button.
    assert!(!page.contains("/approve") && page.contains("This session only reads"));
    let path = format!("/runs/{id}");
    let page = daemon.get(&path, &operator).body;
    let digest = between(&page, "name=\"digest\" value=\"", "\"").to_owned();
    let home = daemon.get("/", &operator).body;
    assert!(home.contains("It waits for an answer") && home.contains(&digest));
    let send = |what: &str, digest: &str| {
        let fields = [("digest", digest)];
        daemon.send(&path, &format!("{path}/{what}"), &operator, &fields)
    };
    for wrong in ["", "0000"] {
        let answer = send("approve", wrong);
        assert_eq!(answer.status, 409);
        assert!(answer.body.contains("not what you were shown"));
        assert_eq!(send("reject", wrong).status, 409);
    }
    let answer = send("approve", &digest);
    assert_eq!(
        (answer.status, answer.headers["location"].to_str().unwrap()),
        (303, path.as_str())
    );
    assert_eq!(exit(&lab, &id), 0);
    let events = journal(&lab, LIVE, &id);
    let given = events
        .iter()
        .find(|event| event["event"] == "approval_given");
    let given = given.unwrap();
    assert_eq!(
        (&given["approved"], &given["by"]),
        (&true.into(), &"page, 127.0.0.1".into())
    );
    // There is nothing to answer any more.
    assert_eq!(send("approve", &digest).status, 409);
    assert!(
        !daemon
            .get(&path, &operator)
            .body
            .contains("It waits for an answer")
    );
}

#[test]
fn a_no_in_the_page_ends_the_run() {
    let lab = lost("");
    let daemon = Daemon::start(&lab);
    let operator = daemon.session(true);
    let (id, _) = asking(&daemon);
    let path = format!("/runs/{id}");
    let page = daemon.get(&path, &operator).body;
    let digest = between(&page, "name=\"digest\" value=\"", "\"").to_owned();
    let fields = [("digest", digest.as_str())];
    let answer = daemon.send(&path, &format!("{path}/reject"), &operator, &fields);
    assert_eq!(answer.status, 303);
    assert_eq!(exit(&lab, &id), 77);
}

/// What a yes would do is shown before it is given: here by a plan of the real tofu.
#[test]
fn a_plan_of_a_rehearsal_is_approved_in_the_page() {
    if !ready(true, &["unshare", "ssh-keygen", "tofu"]) {
        return;
    }
    let lab = lab_with_a_plan();
    let daemon = Daemon::start(&lab);
    let operator = daemon.session(true);
    let started = daemon.run("rehearse --ask --detach make").exits(0);
    let id = started.stdout.trim().to_owned();
    let path = format!("/runs/{id}");
    let page = wait_for("it asks", || {
        let page = daemon.get(&path, &operator).body;
        page.contains("It waits for an answer").then_some(page)
    });
    for part in ["terraform_data.label", "1 to add", ">rehearsal<"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let digest = between(&page, "name=\"digest\" value=\"", "\"").to_owned();
    let fields = [("digest", digest.as_str())];
    let answer = daemon.send(&path, &format!("{path}/approve"), &operator, &fields);
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(exit_in(&lab, REHEARSED, &id), 0);
    let events = journal(&lab, REHEARSED, &id);
    let given = events
        .iter()
        .find(|event| event["event"] == "approval_given");
    assert_eq!(given.unwrap()["by"], "page, 127.0.0.1");
    let page = daemon.get(&path, &operator).body;
    assert!(page.contains("succeeded") && !page.contains("/approve"));
}

const LAYER: &str = r#"[layer]
id = "l1"
name = "Test"

[[recipe]]
name = "waits"
remote = true
params = [{ name = "word", default = "none" }, { name = "loud", option = true, type = "bool", default = false }]

[[recipe.step]]
id = "work"
use = "command"
with = { argv = ["sh", "-c", '''trap 'echo INT >> ran; exit 0' INT; echo "B $0 $1" >> ran; n=0; while [ $n -lt 1200 ]; do sleep 0.05; n=$((n+1)); done''', "{{ word }}", "loud={{ loud }}"] }

[[recipe]]
name = "local"

[[recipe.step]]
id = "work"
use = "command"
with = { argv = ["sh", "-c", "echo local >> ran"] }

[[recipe]]
name = "hidden"
private = true
remote = true

[[recipe.step]]
id = "work"
use = "command"
with = { argv = ["sh", "-c", "echo hidden >> ran"] }
"#;

fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write("layers/l1-test/layer.toml", LAYER);
    lab
}

fn ran(lab: &TestLab) -> String {
    std::fs::read_to_string(lab.path("ran")).unwrap_or_default()
}

/// The run that an answer leads to.
fn begun(answer: &super::daemon::Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.body);
    let location = answer.headers["location"].to_str().unwrap();
    location.strip_prefix("/runs/").unwrap().to_owned()
}

#[test]
fn a_remote_recipe_is_started_and_stopped_and_outlives_the_daemon() {
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let operator = daemon.session(true);
    let path = "/recipes/waits";
    let page = daemon.get(path, &operator).body;
    assert!(page.contains("Run it") && page.contains("Start a dry run"));
    let fields = [("how", "live"), ("p-word", "--yes")];
    assert_eq!(daemon.send(path, path, &operator, &fields).status, 400);
    assert_eq!(ran(&lab), "");
    let fields = [("how", "live"), ("p-word", "a b;$(id)"), ("p-loud", "true")];
    let id = begun(&daemon.send(path, path, &operator, &fields));
    wait_for("it works", || (!ran(&lab).is_empty()).then_some(()));
    assert_eq!(ran(&lab), "B a b;$(id) loud=true\n");
    // The lab is held: what is started meanwhile says so.
    let busy = daemon.send(path, path, &operator, &fields);
    assert_eq!(busy.status, 200);
    assert!(busy.body.contains("exit code 75"), "{}", busy.body);
    // The daemon ends and says what goes on; another one comes, is killed, and one more.
    let log = daemon.stop();
    let short = id.rsplit('-').next().unwrap();
    assert!(log.contains(&format!("run `{short}` goes on")), "{log}");
    drop(Daemon::start(&lab));
    let daemon = Daemon::start(&lab);
    let operator = daemon.session(true);
    let page = daemon.get(&format!("/runs/{id}"), &operator).body;
    assert!(page.contains("Stop the run"), "{page}");
    let run = format!("/runs/{id}");
    let other = format!("/runs/{}/stop", "20200101-000000-0000");
    assert_eq!(daemon.send(&run, &other, &operator, &[]).status, 404);
    let stopped = daemon.send(&run, &format!("{run}/stop"), &operator, &[]);
    assert_eq!(stopped.status, 303);
    assert_eq!(exit(&lab, &id), 130);
    assert_eq!(ran(&lab), "B a b;$(id) loud=true\nINT\n");
    let page = daemon.get(&run, &operator).body;
    assert!(page.contains("cancelled") && !page.contains("Stop the run"));
}

#[test]
fn what_is_not_remote_runs_dry_only() {
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let operator = daemon.session(true);
    let path = "/recipes/local";
    let page = daemon.get(path, &operator).body;
    assert!(!page.contains("Run it") && page.contains("Start a dry run"));
    let refused = daemon.send(path, path, &operator, &[("how", "live")]);
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("remote = true"));
    let id = begun(&daemon.send(path, path, &operator, &[("how", "dry")]));
    assert_eq!(exit(&lab, &id), 0);
    assert_eq!(ran(&lab), "");
    let page = daemon.get(&format!("/runs/{id}"), &operator).body;
    assert!(page.contains("dry run"));
    // A word that nobody knows is a dry run, too.
    let id = begun(&daemon.send(path, path, &operator, &[("how", "LIVE")]));
    assert_eq!(exit(&lab, &id), 0);
    assert_eq!(ran(&lab), "");
    // What is private is not there, whatever it says.
    for how in ["live", "dry"] {
        let sent = daemon.send(path, "/recipes/hidden", &operator, &[("how", how)]);
        assert_eq!(sent.status, 404);
    }
    let listed = lab.hl("list --json").exits(0).json();
    let recipes = listed["layers"][0]["recipes"].as_array().unwrap();
    let remote: Vec<_> = recipes.iter().map(|recipe| &recipe["remote"]).collect();
    assert_eq!(remote, [&Value::Bool(true), &Value::Bool(false)]);
}
