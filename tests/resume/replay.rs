//! `hl replay`: the last run once more, and everything that forbids it.

use hl::plan::Outcome;
use hl::runs::{Ending, read};

use super::lab::{files, lab, log};
use crate::support::TestLab;

fn failed() -> TestLab {
    let lab = lab();
    lab.hl("up").exits(7);
    lab
}

#[test]
fn without_a_run_that_is_explained() {
    lab()
        .hl("replay")
        .exits(0)
        .says(&["nothing to replay", "`hl up` makes the first one"]);
}

#[test]
fn the_setting_forbids_it_with_its_place() {
    let lab = failed();
    lab.write("config/settings.env", "# mine\nREPLAY_ENABLED=False\n");
    lab.hl("replay --from start --yes")
        .exits(77)
        .says(&["config/settings.env:2", "switched off"]);
    assert_eq!(log(&lab).len(), 3);
}

#[test]
fn somebody_has_to_say_from_where_and_yes() {
    let lab = failed();
    let ran = lab.hl("replay --yes").exits(77);
    ran.says(&[
        "Last run",
        "`up`), which failed at job/three",
        "profile none",
        "dry run no",
        "`hl replay --from start`",
        "`hl replay --from resume`",
    ]);
    lab.hl("replay --from resume")
        .exits(77)
        .says(&["job/three  it failed"]);
    lab.hl("replay --from start")
        .exits(77)
        .says(&["job, 4 steps"]);
    assert_eq!(log(&lab).len(), 3, "nothing ran");
    assert_eq!(files(&lab).len(), 1);
}

#[test]
fn it_resumes_or_starts_anew() {
    let lab = failed();
    lab.write("go", "");
    lab.hl("replay --from resume --yes").exits(0);
    assert_eq!(log(&lab), ["one", "two", "three x", "three x", "four"]);
    assert_eq!(files(&lab).len(), 1);
    lab.hl("replay --from resume --yes")
        .exits(65)
        .says(&["succeeded: there is nothing to resume"]);
    lab.hl("replay --from start --yes").exits(0);
    assert_eq!(log(&lab)[5..], ["one", "two", "three x", "four"]);
    assert_eq!(files(&lab).len(), 2);
}

#[test]
fn a_start_archives_what_nobody_goes_on_with() {
    let lab = failed();
    lab.hl("replay --from start --yes").exits(7);
    let old = read(&files(&lab)[0]).unwrap();
    assert!(matches!(
        old.ending,
        Ending::Finished {
            outcome: Outcome::Cancelled,
            ..
        }
    ));
}

#[test]
fn a_dry_run_is_replayed_as_one() {
    let lab = lab();
    lab.hl("job --dry-run").exits(0);
    let ran = lab.hl("replay --from start --yes").exits(0);
    ran.says(&["dry run yes", "Planning `job`", "nothing was changed"]);
    assert_eq!(log(&lab), [] as [&str; 0]);
}

#[test]
fn a_handoff_that_cannot_be_trusted_is_refused() {
    let lab = failed();
    let file = "state/runs/latest.env";
    let whole = lab.read(file);
    let with = |key: &str, value: &str| {
        let lines = whole.lines().map(|line| match line.split_once('=') {
            Some((name, _)) if name == key => format!("{key}={value}"),
            _ => line.to_owned(),
        });
        let text: Vec<String> = lines.collect();
        lab.write(file, &text.join("\n"));
    };
    with("RUN_TIMESTAMP", "");
    lab.hl("replay --from start --yes")
        .exits(65)
        .says(&["incomplete", "`RUN_TIMESTAMP`"]);
    with("RUN_ID", "../../etc/passwd");
    lab.hl("replay --from start --yes")
        .exits(65)
        .says(&["not a run id"]);
    with("RUN_ID", "20200101-000000-abcd");
    lab.hl("replay --from start --yes")
        .exits(66)
        .says(&["`hl runs` lists"]);
    with("TFSTATE_PATH", ".states/dev-pve/terraform.tfstate");
    lab.hl("replay --from resume --yes").exits(65).says(&[
        "is gone",
        "TFSTATE_PATH",
        "`hl replay --from start`",
    ]);
    assert_eq!(log(&lab).len(), 3, "nothing ran");
    lab.write("go", "");
    lab.hl("replay --from start --yes").exits(0);
}
