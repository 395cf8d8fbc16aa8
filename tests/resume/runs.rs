//! One failed run, gone on with in every way.

use std::fs;
use std::io::{BufRead, BufReader, Read};

use hl::plan::{EventKind, Outcome, Status};
use hl::runs::{Ending, Run};
use serde_json::Value;

use super::lab::{files, kill, lab, log, script, start, the_run, wait_for};
use crate::support::TestLab;

/// A lab whose only run failed at its third step.
fn failed() -> TestLab {
    let lab = lab();
    let ran = lab.hl("job").exits(7);
    let id = the_run(&lab).header.id;
    let short = id.rsplit('-').next().unwrap();
    let last = ran.stderr.lines().rev().find(|line| line.contains("help:"));
    assert!(
        last.unwrap().ends_with(&format!("`hl resume {short}`")),
        "{}",
        ran.stderr
    );
    assert_eq!(log(&lab), ["one", "two", "three x"]);
    lab
}

/// How each step ended in the last part of a run.
fn ends(run: &Run) -> Vec<(String, Status, String)> {
    let begins = |kind: &EventKind| kind.begins().is_some();
    let part = run.events.iter().rposition(|event| begins(&event.kind));
    run.events[part.unwrap()..]
        .iter()
        .filter_map(|event| {
            let EventKind::StepFinished(end) = &event.kind else {
                return None;
            };
            let step = event.step.as_ref()?.to_string();
            Some((step, end.status, end.summary.clone()))
        })
        .collect()
}

fn outcome(run: &Run) -> Option<Outcome> {
    match run.ending {
        Ending::Finished { outcome, .. } => Some(outcome),
        Ending::Running | Ending::Interrupted => None,
    }
}

#[test]
fn what_is_done_stays_done_and_the_rest_is_done() {
    let lab = failed();
    let before = fs::read(&files(&lab)[0]).unwrap();
    lab.write("go", "");
    lab.hl("resume")
        .exits(0)
        .says(&["Resuming", "failed at job/three"]);
    assert_eq!(log(&lab), ["one", "two", "three x", "three x", "four"]);
    let run = the_run(&lab);
    assert!(fs::read(&files(&lab)[0]).unwrap().starts_with(&before));
    assert_eq!(outcome(&run), Some(Outcome::Succeeded));
    let ends = ends(&run);
    for end in &ends[..2] {
        assert_eq!(end.1, Status::Skipped);
        assert!(end.2.starts_with("done before, 20"), "{}", end.2);
    }
    assert_eq!(ends[2].1, Status::Succeeded);
    lab.hl("resume").exits(0).says(&["nothing to resume"]);
    let id = run.header.id;
    lab.hl("resume")
        .arg(&id)
        .exits(0)
        .says(&["nothing to resume"]);
    assert_eq!(log(&lab).len(), 5);
}

/// The run began as `l2-reset`; the layer file that came with the upgrade calls the
/// recipe `l2-forget`.
#[test]
fn a_run_of_a_renamed_recipe_goes_on() {
    let lab = lab();
    let path = "layers/l1-test/layer.toml";
    let layer = lab.read(path);
    lab.write(path, &layer.replace("\"job\"", "\"l2-reset\""));
    lab.hl("l2-reset y").exits(7);
    lab.write(path, &layer.replace("\"job\"", "\"l2-forget\""));
    lab.write("go", "");
    let explained = lab.hl("resume --explain --json").exits(0).json();
    assert_eq!(explained["no_longer_apply"], serde_json::json!([]));
    lab.hl("resume").exits(0);
    assert_eq!(log(&lab), ["one", "two", "three y", "three y", "four"]);
    let run = the_run(&lab);
    let ends = ends(&run);
    let steps: Vec<&str> = ends.iter().map(|(step, _, _)| step.as_str()).collect();
    let names = ["one", "two", "three", "four"].map(|name| format!("l2-forget/{name}"));
    assert_eq!(steps, names);
    assert_eq!(ends[1].1, Status::Skipped);
    lab.hl("resume").exits(0).says(&["nothing to resume"]);
}

#[test]
fn a_step_runs_again_when_what_it_reads_has_changed() {
    let lab = failed();
    script(&lab, "two.sh", "echo two, corrected >> log");
    lab.write("go", "");
    let explained = lab.hl("resume --explain --json").exits(0).json();
    let expect = |step: &str| {
        let steps = explained["steps"].as_array().unwrap();
        let found = steps.iter().find(|s| s["step"] == step).unwrap();
        format!("{}: {}", found["expect"], found["reason"]).replace('"', "")
    };
    assert!(expect("job/one").starts_with("done: done before"));
    assert_eq!(expect("job/two"), "runs: a file that it reads has changed");
    assert_eq!(expect("job/three"), "runs: it failed");
    assert_eq!(expect("job/four"), "runs: it has not run yet");
    lab.hl("resume").exits(0);
    let wanted = ["one", "two", "three x", "two, corrected", "three x", "four"];
    assert_eq!(log(&lab), wanted);
}

#[test]
fn explaining_leaves_no_trace() {
    let lab = failed();
    let tree = || {
        let find = std::process::Command::new("find")
            .args([".", "-printf", "%p %s %T@\n"])
            .current_dir(lab.root())
            .output();
        let mut lines: Vec<String> = String::from_utf8(find.unwrap().stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    };
    let before = tree();
    lab.hl("resume --explain").exits(0).says(&[
        "job/one  done before",
        "job/three  it failed",
        "to continue: `hl resume",
    ]);
    assert_eq!(tree(), before);
}

#[test]
fn from_a_step_all_that_depends_on_it_runs() {
    let lab = failed();
    lab.write("go", "");
    lab.hl("resume --from two").exits(0);
    let wanted = ["one", "two", "three x", "two", "three x", "four"];
    assert_eq!(log(&lab), wanted);
    lab.hl("resume latest --from job/four").exits(0);
    assert_eq!(log(&lab).len(), 7);
    lab.hl("resume latest --from tow")
        .exits(66)
        .says(&["has no step `tow`"]);
    lab.hl("resume nope")
        .exits(66)
        .says(&["there is no run `nope`"]);
}

#[test]
fn a_step_that_is_not_in_the_plan_any_more_is_reported() {
    let lab = failed();
    let toml = lab.read("layers/l1-test/layer.toml");
    let renamed = toml.replace("id = \"three\"", "id = \"third\"");
    lab.write("layers/l1-test/layer.toml", &renamed);
    lab.write("go", "");
    let explained = lab.hl("resume --explain --json").exits(0).json();
    assert_eq!(
        explained["no_longer_apply"],
        serde_json::json!(["job/three"])
    );
    lab.hl("resume")
        .exits(0)
        .says(&["`job/three`", "no longer applies"]);
    let run = the_run(&lab);
    let told = run.events.iter().any(|event| {
        matches!(&event.kind, EventKind::Warning { message } if message.contains("`job/three`"))
    });
    assert!(told, "it is in the journal");
    assert_eq!(log(&lab).last().unwrap(), "four");
}

#[test]
fn the_arguments_are_those_of_the_run() {
    let lab = lab();
    lab.hl("job").arg("it's: #1").exits(7);
    lab.write("go", "");
    lab.hl("resume").exits(0);
    assert_eq!(log(&lab)[3], "three it's: #1");
}

#[test]
fn a_killed_run_is_interrupted_and_goes_on() {
    let lab = lab();
    script(
        &lab,
        "two.sh",
        "echo two begins >> log; for i in $(seq 1200); do [ -e end ] && break; sleep 0.05; done; echo two >> log",
    );
    lab.write("go", "");
    let hl = start(&lab.hl("job"));
    wait_for("the second step begins", || log(&lab).len() == 2);
    kill(hl);
    let before = fs::read(&files(&lab)[0]).unwrap();
    assert_eq!(the_run(&lab).ending, Ending::Interrupted);
    lab.hl("resume --explain")
        .exits(0)
        .says(&["job/two  its child"]);
    let mut resume = lab.hl("resume").spawn();
    let mut said = String::new();
    let mut stderr = BufReader::new(resume.stderr.take().unwrap());
    while !said.contains("Waiting") && stderr.read_line(&mut said).unwrap() > 0 {}
    // Only now, however long it took to come here, the survivor may end.
    lab.write("end", "");
    stderr.read_to_string(&mut said).unwrap();
    assert!(resume.wait().unwrap().success(), "{said}");
    assert!(
        said.contains("Waiting") && said.contains("was interrupted at job/two"),
        "{said}"
    );
    let wanted = ["one", "two begins", "two", "three x", "four"];
    assert_eq!(log(&lab), wanted);
    assert!(fs::read(&files(&lab)[0]).unwrap().starts_with(&before));
    assert_eq!(outcome(&the_run(&lab)), Some(Outcome::Succeeded));
}

#[test]
fn the_run_of_a_newer_hl_is_left_alone() {
    let lab = failed();
    let file = &files(&lab)[0];
    let newer = fs::read_to_string(file)
        .unwrap()
        .replace("version: 1\n", "version: 2\n");
    fs::write(file, &newer).unwrap();
    lab.hl("resume").exits(76);
    lab.hl("resume --explain").exits(76);
    lab.hl("job").exits(76);
    assert_eq!(fs::read_to_string(file).unwrap(), newer);
    assert_eq!(log(&lab).len(), 3);
}

#[test]
fn a_dry_run_goes_on_as_one_and_a_live_run_never_as_a_dry_one() {
    let lab = lab();
    fs::rename(lab.path("layers/l1-test/two.sh"), lab.path("two.sh")).unwrap();
    lab.hl("job --dry-run").run();
    assert_eq!(outcome(&the_run(&lab)), Some(Outcome::Failed));
    fs::rename(lab.path("two.sh"), lab.path("layers/l1-test/two.sh")).unwrap();
    lab.hl("resume").exits(0).says(&["was a dry run"]);
    assert_eq!(log(&lab), Vec::<String>::new());
    let first = the_run(&lab);
    assert_eq!(outcome(&first), Some(Outcome::Succeeded));

    lab.hl("job").exits(7);
    let live = files(&lab)
        .into_iter()
        .find(|f| !f.as_str().contains(&first.header.id));
    let live = live.unwrap();
    let before = fs::read(&live).unwrap();
    lab.hl("resume --dry-run")
        .exits(0)
        .says(&["as a dry run of its own"]);
    assert_eq!(fs::read(&live).unwrap(), before);
    assert_eq!(files(&lab).len(), 3);
    assert_eq!(log(&lab).len(), 3);
}

#[test]
fn with_nothing_to_resume_that_is_said() {
    let lab = lab();
    lab.hl("resume")
        .exits(0)
        .says(&["nothing to resume: there is no unfinished run"]);
    lab.write("go", "");
    lab.hl("job").exits(0);
    lab.hl("resume").exits(0).says(&["nothing to resume"]);
    // What failed and then went well is nothing to go on with either.
    fs::remove_file(lab.path("go")).unwrap();
    lab.hl("job").exits(7);
    lab.write("go", "");
    lab.hl("job").exits(0);
    lab.hl("resume").exits(0).says(&["nothing to resume"]);
    let value: Value = lab
        .hl("resume --explain --json latest --from one")
        .exits(0)
        .json();
    assert_eq!(value["steps"].as_array().unwrap().len(), 4);
}

#[test]
fn a_clean_leaves_what_would_be_resumed_unless_history_is_asked_for() {
    let lab = failed();
    lab.write(".build/x", "");
    lab.hl("clean").exits(0).says(&["`hl clean --history`"]);
    assert!(!lab.path(".build").exists());
    lab.hl("clean --dry-run").exits(0).says(&["state/runs"]);
    let names: Vec<_> = fs::read_dir(lab.path("state/logs")).unwrap().collect();
    assert_eq!(
        names.len(),
        1,
        "a clean leaves no log of its own: {names:?}"
    );
    let before = files(&lab);
    lab.hl("clean --history")
        .exits(77)
        .says(&["nothing was removed"]);
    assert_eq!(files(&lab), before);
    lab.hl("resume").exits(7);
    lab.hl("clean --history --yes").exits(0);
    assert_eq!(files(&lab), Vec::<camino::Utf8PathBuf>::new());
    lab.hl("resume").exits(0).says(&["nothing to resume"]);
}

#[test]
fn resume_status_replay_and_prune_mean_the_same_run() {
    let lab = lab();
    lab.hl("up").exits(7);
    let live = the_run(&lab).header.id;
    let short = live.rsplit('-').next().unwrap();
    fs::rename(lab.path("layers/l1-test/two.sh"), lab.path("two.sh")).unwrap();
    let dry = lab.hl("up -n").run();
    assert_ne!(dry.code, 0, "a dry run that fails");
    fs::rename(lab.path("two.sh"), lab.path("layers/l1-test/two.sh")).unwrap();
    let next = format!("`hl resume {short}`");
    lab.hl("status").exits(0).says(&[&next]);
    lab.hl("resume --explain").exits(0).says(&[&next]);
    lab.hl("replay --yes").exits(77).says(&[&live, &next]);
    lab.hl("runs prune --keep 0 --dry-run")
        .exits(0)
        .says(&[&format!("{live}  # `hl resume` needs it")]);
    // Something else that went well since changes none of that.
    lab.write("go", "");
    lab.hl("job y").exits(0);
    lab.hl("status")
        .exits(0)
        .says(&["Succeeded `job y`", &next]);
    lab.hl("resume").exits(0).says(&[&live]);
}

#[test]
fn a_run_took_what_its_parts_took() {
    let lab = lab();
    script(&lab, "two.sh", "sleep 1; echo two >> log");
    lab.hl("job").exits(7);
    let row = || lab.hl("runs --json").exits(0).json()["runs"][0].clone();
    let took = || row()["duration_seconds"].as_f64().unwrap();
    let first = took();
    assert!(first >= 1.0, "{first}");
    lab.write("go", "");
    lab.hl("resume").exits(0).says(&[" in all)"]);
    let both = took();
    assert!(both > first, "{first} and {both}");
    // One that is archived took what it took.
    fs::remove_file(lab.path("go")).unwrap();
    lab.hl("up").exits(7);
    let failed = took();
    lab.write("go", "");
    lab.hl("up --fresh").exits(0);
    let all = lab.hl("runs --json").exits(0).json();
    let archived = all["runs"].as_array().unwrap().iter();
    let archived = archived.filter(|run| run["outcome"] == "cancelled");
    let archived: Vec<f64> = archived
        .map(|run| run["duration_seconds"].as_f64().unwrap())
        .collect();
    assert_eq!(archived, [failed]);
}
