//! What a run was asked for and what it does, read back from disk: by another
//! version, without the secrets, and where the lab was moved.

use std::fs;
use std::path::{Path, PathBuf};

use hl::plan::Plan;
use hl::runs::{SavedRequest, read};

use super::kept::{lab, ran};
use super::terminal::on_terminal;
use crate::support::{Hl, TestLab};

const CANARY: &str = "canary-8c41";

/// Says what it was given, and needs the file `go`.
const SCRIPT: &str = "echo token $API_TOKEN; echo $NOTE${API_TOKEN:+,given} >> ran; test -f go";

/// A lab whose only run failed; two variables were set for it.
fn failed() -> TestLab {
    let lab = lab(SCRIPT, "");
    let hl = lab.hl("job --set NOTE=then --set");
    hl.arg(format!("API_TOKEN={CANARY}")).exits(1);
    assert_eq!(ran(&lab), "then,given");
    lab
}

/// The only file with that ending in a directory of the lab.
fn only(lab: &TestLab, dir: &str, ending: &str) -> PathBuf {
    let files = fs::read_dir(lab.path(dir)).unwrap().flatten();
    let files = files.map(|file| file.path());
    let found: Vec<PathBuf> = files
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

fn journal(lab: &TestLab) -> PathBuf {
    only(lab, "state/runs", ".yaml")
}

fn saved(lab: &TestLab) -> SavedRequest {
    let run = read(journal(lab).to_str().unwrap().into()).unwrap();
    run.header.request.unwrap()
}

/// Files below a directory that hold the canary.
fn holding(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(holding(&path));
        } else if String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).contains(CANARY) {
            found.push(path);
        }
    }
    found
}

#[track_caller]
fn holds_no_secret(lab: &TestLab) {
    assert_eq!(holding(lab.root()), Vec::<PathBuf>::new());
    let log = fs::read_to_string(only(lab, "state/logs", "").join("job-work.log")).unwrap();
    assert!(log.contains("token (secret)"), "{log}");
}

#[test]
fn a_secret_that_was_set_is_on_no_disk_and_has_to_be_given_again() {
    let lab = failed();
    let request = saved(&lab);
    assert_eq!(request.set, [("NOTE".to_owned(), "then".to_owned())].into());
    assert_eq!(request.secrets, ["API_TOKEN".to_owned()].into());
    holds_no_secret(&lab);
    for words in [
        "resume",
        "resume --explain",
        "resume --detach",
        "replay --from start --yes",
    ] {
        let refused = lab.hl(words).exits(77);
        refused.says(&["needs `API_TOKEN`", "--set API_TOKEN=..."]);
    }
    assert_eq!(ran(&lab), "then,given");
    let given = format!("API_TOKEN={CANARY}");
    lab.hl("resume --set").arg(&given).exits(1);
    lab.hl("resume --set NOTE=now")
        .env("API_TOKEN", CANARY)
        .exits(1);
    assert_eq!(ran(&lab), "then,given then,given now,given");
    lab.write("go", "");
    lab.hl("resume --set").arg(&given).exits(0);
    holds_no_secret(&lab);
    lab.hl("replay --from start --yes --set")
        .arg(&given)
        .exits(0);
    assert!(
        ran(&lab).ends_with("then,given then,given"),
        "{}",
        ran(&lab)
    );
    assert_eq!(holding(lab.root()), Vec::<PathBuf>::new());
}

#[test]
fn on_a_terminal_the_secret_is_asked_for() {
    let lab = failed();
    lab.write("go", "");
    let (said, code) = on_terminal(&lab.hl("resume").command(), &[("API_TOKEN:", CANARY)]);
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains(CANARY), "{said}");
    assert_eq!(ran(&lab), "then,given then,given");
    holds_no_secret(&lab);
}

#[test]
fn a_request_without_a_version_is_resumed_and_a_newer_one_is_refused() {
    let lab = lab("echo B >> ran; test -f go", "");
    lab.hl("job").exits(1);
    let file = journal(&lab);
    let text = fs::read_to_string(&file).unwrap();
    let version = "\"version\":1}";
    assert_eq!(text.matches(version).count(), 1, "{text}");
    fs::write(&file, text.replace(version, "\"version\":2}")).unwrap();
    let said = "its request is in format 2, this hl reads up to 1";
    lab.hl("resume").exits(76).says(&[said]);
    lab.hl("runs").exits(0).says(&[said]);
    // As it was written before there were versions.
    fs::write(&file, text.replace(&format!(",{version}"), "}")).unwrap();
    assert_eq!(saved(&lab).version, 0);
    lab.write("go", "");
    lab.hl("resume").exits(0);
    assert_eq!(ran(&lab), "B B");
}

#[test]
fn a_plan_is_read_back_where_the_lab_was_moved() {
    let lab = lab("echo {{ lab.root }}/x >> ran", "");
    lab.hl("job").exits(0);
    let moved = PathBuf::from(format!("{}-moved", lab.root().display()));
    fs::rename(lab.root(), &moved).unwrap();
    let followed = Hl::new(&moved).cmd("runs follow").run();
    let back = fs::rename(&moved, lab.root());
    assert_eq!(followed.code, 0, "{followed:?}");
    followed.says(&["job/work"]);
    back.unwrap();
    let file = only(&lab, "state/logs", "").join("plan.json");
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(lab.root().to_str().unwrap()), "{text}");
    let plan = Plan::parse(&text).unwrap();
    assert_eq!(plan.steps[0].with["argv"][2], "echo x >> ran");
    fs::write(&file, text.replace("\"version\":1", "\"version\":2")).unwrap();
    let said = "a plan in format 2, this hl reads up to 1";
    lab.hl("runs follow").exits(76).says(&[said]);
}
