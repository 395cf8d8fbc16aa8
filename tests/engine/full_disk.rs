//! A run whose disk fills up: stopped as by Ctrl-C, exit 73, and what was
//! written can be read. The disk is a small one in a mount namespace.

use std::process::Command;
use std::{env, fs};

use camino::{Utf8Path, Utf8PathBuf};
use hl::plan::{EventKind, Plan, PriorState, StepId, Tally};
use hl::runs::{Ending, parse};

use super::stage::{ARGS, RUN, STAGE};
use super::support::{plan, script};

const SCRIPT: &str = r#"
mkdir "$HL_TEST_STAGE/state"
mount -t tmpfs -o size=128k none "$HL_TEST_STAGE/state"
"$0" "$@"
cp -r "$HL_TEST_STAGE/state" "$HL_TEST_STAGE/kept"
"#;

/// Runs a plan on a disk of 128 KiB; `None` where that cannot be had. Gives
/// the directory, the result, and what was kept of `state`.
fn played(steps: &Plan) -> Option<(tempfile::TempDir, String, Utf8PathBuf)> {
    let namespace = ["--user", "--map-root-user", "--mount"];
    let may = Command::new("unshare").args(namespace).arg("true").status();
    if !may.is_ok_and(|status| status.success()) {
        assert!(
            env::var_os("HL_TESTS_NEED_ALL").is_none(),
            "namespaces are not allowed here"
        );
        eprintln!("skipped: namespaces are not allowed here");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
    fs::write(
        root.join("plan.json"),
        serde_json::to_string(steps).unwrap(),
    )
    .unwrap();
    let output = Command::new("unshare")
        .args(namespace)
        .args(["sh", "-euc", SCRIPT])
        .arg(env::current_exe().unwrap())
        .args(ARGS)
        .env(STAGE, &root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let result = fs::read_to_string(root.join("result")).unwrap();
    Some((dir, result, root.join("kept")))
}

#[test]
fn a_full_disk_stops_the_run_with_73_and_the_journal_is_read_as_far_as_it_goes() {
    let talks =
        "trap 'exit 1' INT; while :; do echo 0123456789012345678901234567890123456789 2>&1; done";
    let steps = plan([
        script("talks", talks, &[]),
        script("next", "true", &["talks"]),
    ]);
    let Some((_dir, result, kept)) = played(&steps) else {
        return;
    };
    assert_eq!(result, "73 Failed");
    let bytes = fs::read(kept.join(format!("runs/{RUN}.yaml"))).unwrap();
    let run = parse(&bytes).unwrap();
    let started = |kind: &EventKind| matches!(kind, EventKind::ChildStarted { .. });
    assert!(run.events.iter().any(|event| started(&event.kind)));
    // Room came back with the spool, or it did not: both can be read.
    assert_ne!(run.ending, Ending::Running);
    let left = fs::read_dir(kept.join("logs").join(RUN)).unwrap();
    let mut names: Vec<String> = left
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    // How it ended may have found no room.
    names.retain(|name| name != "r-talks.1.exit");
    names.sort();
    assert_eq!(names, ["r-talks.1.fence", "r-talks.log", "trace.log"]);
}

/// The disk is full of what it said, and it does its work all the same: that is
/// written down, and is not done again.
#[test]
fn a_step_that_ends_well_on_a_full_disk_is_done() {
    let talks = "trap '' INT; i=0; while [ $i -lt 6000 ]; do \
        echo 0123456789012345678901234567890123456789; i=$((i+1)); done 2>/dev/null; true";
    let steps = plan([
        script("talks", talks, &[]),
        script("next", "true", &["talks"]),
    ]);
    let Some((_dir, result, kept)) = played(&steps) else {
        return;
    };
    assert_eq!(result, "73 Failed");
    let bytes = fs::read(kept.join(format!("runs/{RUN}.yaml"))).unwrap();
    let done = Tally::of(&parse(&bytes).unwrap().events).past();
    let talks = done.get(&StepId::from("r/talks"));
    assert!(matches!(talks, Some(PriorState::Done(_))), "{done:?}");
    assert_eq!(done.get(&StepId::from("r/next")), None);
}
