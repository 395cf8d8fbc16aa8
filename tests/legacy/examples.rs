//! Files as the generations wrote them.

use std::collections::BTreeMap;

use camino::Utf8Path;
use hl::handoff::Runtime;
use hl::lab::Paths;
use hl::plan::{EventKind, Outcome, Status};
use hl::runs::{Ending, Run};
use rstest::rstest;
use serde_json::json;

use crate::support::TestLab;

use super::{keeps_keys, lab, nothing_is_left_to_do, put, taken_over};

fn paths(lab: &TestLab) -> Paths {
    Paths::live(Utf8Path::from_path(lab.root()).unwrap())
}

fn outcome(run: &Run) -> Option<Outcome> {
    match run.ending {
        Ending::Finished { outcome, .. } => Some(outcome),
        Ending::Running | Ending::Interrupted => None,
    }
}

fn lines(run: &Run) -> Vec<&str> {
    let mut lines = Vec::new();
    for event in &run.events {
        if let EventKind::Output { line, .. } = &event.kind {
            lines.push(line.as_str());
        }
    }
    lines
}

fn steps(run: &Run) -> Vec<(&str, Status, &str)> {
    let mut steps = Vec::new();
    for event in &run.events {
        if let EventKind::StepFinished(end) = &event.kind {
            let step = event.step.as_ref().unwrap().as_str();
            let phase = step.strip_prefix("legacy/").unwrap();
            steps.push((phase, end.status, end.summary.as_str()));
        }
    }
    steps
}

/// The last thing was a failed component, although the state says `completed`.
#[rstest]
fn a_run_that_failed_behind_its_completion_has_failed(#[values("", "state/")] dir: &str) {
    let lab = lab();
    put(&lab, dir, "l8");
    let ran = lab.hl("make").exits(0);
    ran.says(&[
        &format!("moved `{dir}deployment-state.yaml` to `state/legacy/deployment-state.yaml`"),
        &format!("moved `{dir}deployment-events.yaml` to `state/legacy/deployment-events.yaml`"),
        "failed at install_kof_mothership; it is listed and cannot be resumed",
        "`state/legacy/deployment-state.yaml` holds 3 secrets",
    ]);
    let runs = taken_over(&lab);
    let [run] = runs.as_slice() else {
        panic!("{runs:?}")
    };
    assert!(run.header.id.starts_with("20251211-063014-"), "{run:?}");
    assert_eq!(run.header.recipe, "legacy k0rdent-p3zq8w1m");
    assert_eq!(run.header.operator, "rita@lab.example");
    assert_eq!(run.header.flags["with"], json!(["kof"]));
    assert_eq!(outcome(run), Some(Outcome::Failed));
    let end = run.events.last().unwrap();
    assert_eq!(end.time, "2025-12-11T07:20:33.000Z");
    // Every event, those that were told twice too.
    assert_eq!(lines(run).len(), 11);
    let twice = "phase_completed: Phase completed: prepare_deployment";
    assert_eq!(lines(run).iter().filter(|line| **line == twice).count(), 2);
    let done = |name| (name, Status::Succeeded, "");
    assert_eq!(
        steps(run),
        [
            done("prepare_deployment"),
            done("setup_network"),
            done("create_vms"),
            done("setup_vpn"),
            done("connect_vpn"),
            done("install_k0s"),
            done("install_k0rdent"),
            (
                "setup_azure_children",
                Status::Skipped,
                "Component not enabled"
            ),
            done("install_azure_csi"),
            (
                "install_kof_mothership",
                Status::Failed,
                "Failed to install KOF mothership after 3 attempts"
            ),
        ]
    );
    let runtime = Runtime::read(&paths(&lab)).unwrap().unwrap();
    assert_eq!(
        runtime.vpn,
        BTreeMap::from([
            ("connected".to_owned(), json!(true)),
            ("network".to_owned(), json!("10.77.0.0/24")),
            ("port".to_owned(), json!(51999)),
        ])
    );
    let public = "cHVibGljLXNpZGUtb2Ytbm90LWEta2V5LW51bWItMDI=";
    assert_eq!(
        runtime.peers["k0s-controller-1"],
        json!({"ip": "10.77.0.11", "role": "controller", "public_key": public})
    );
    assert_eq!(runtime.peers.len(), 3);
    keeps_keys(&lab, &ran.stderr);
    nothing_is_left_to_do(&lab);
    let after = Runtime::read(&paths(&lab)).unwrap().unwrap();
    assert_eq!((after.vpn, after.peers), (runtime.vpn, runtime.peers));
}

/// No phases are invented for a generation that had none.
#[rstest]
fn a_run_that_completed_has_succeeded(#[values("", "state/")] dir: &str) {
    let lab = lab();
    put(&lab, dir, "l4");
    let ran = lab.hl("make").exits(0);
    ran.says(&["run `20250802-111520-", "` succeeded"]);
    let runs = taken_over(&lab);
    let [run] = runs.as_slice() else {
        panic!("{runs:?}")
    };
    assert_eq!(outcome(run), Some(Outcome::Succeeded));
    assert_eq!(run.header.flags["with"], json!(["azure-children"]));
    assert_eq!(run.events.last().unwrap().time, "2025-08-02T11:47:02.000Z");
    assert_eq!(lines(run).len(), 8);
    assert_eq!(steps(run), []);
    keeps_keys(&lab, &ran.stderr);
    nothing_is_left_to_do(&lab);
}

/// The first generation: events in the state, truth as text, no second file.
#[test]
fn events_inside_the_state_are_a_run_too() {
    let lab = lab();
    lab.write("deployment-state.yaml", &super::fixture("l0-state.yaml"));
    let ran = lab.hl("make").exits(0);
    ran.says(&["run `20250608-162000-", "` succeeded"]);
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    let run = taken_over(&lab).remove(0);
    assert_eq!(outcome(&run), Some(Outcome::Succeeded));
    assert_eq!(run.header.operator, "unknown");
    assert_eq!(
        run.header.migrated_from.as_deref(),
        Some("state/legacy/deployment-state.yaml")
    );
    nothing_is_left_to_do(&lab);
}

/// A file with several starts is as many runs; the last one was cut off.
#[test]
fn each_start_is_a_run_and_flags_are_its_own() {
    let lab = lab();
    let l4 = super::fixture("l4-events.yaml");
    let later = r#"  - timestamp: "2025-08-03T08:00:00Z"
    action: deployment_started
    message: 'Deployment started with flags: azure-children=false, kof=true'
  - timestamp: 2025-08-03 17:10:00 +09
    action: kof_mothership_deployment_started
    message: Starting KOF mothership deployment v1.0.0
  - timestamp: 2025-08-03 17:11:00 PST
    action: vpn_disconnected
    message: WireGuard VPN disconnected
"#;
    lab.write("state/deployment-events.yaml", &(l4 + later));
    lab.write(
        "state/deployment-state.yaml",
        &super::fixture("l4-state.yaml"),
    );
    lab.hl("make").exits(0).says(&[
        "` succeeded;",
        "run `20250803-080000-",
        "cut off in install_kof_mothership",
    ]);
    let runs = taken_over(&lab);
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0].header.flags["with"], json!(["azure-children"]));
    assert_eq!(runs[1].header.flags["with"], json!(["kof"]));
    assert_eq!(runs[1].ending, Ending::Interrupted);
    let last = runs[1].events.last().unwrap();
    // A zone's name is no time: it has that of the event before, and its text.
    assert_eq!(last.time, "2025-08-03T08:10:00.000Z");
    assert_eq!(
        lines(&runs[1]).last().unwrap(),
        &"2025-08-03 17:11:00 PST vpn_disconnected: WireGuard VPN disconnected"
    );
    nothing_is_left_to_do(&lab);
}

/// Both places at once: nothing is written over.
#[test]
fn both_places_are_taken_over_side_by_side() {
    let lab = lab();
    put(&lab, "", "l4");
    put(&lab, "state/", "l8");
    lab.write("state/kof-state.yaml", "kof: 1\n");
    lab.hl("make").exits(0).says(&[
        "moved `deployment-state.yaml` to `state/legacy/deployment-state.yaml`",
        "moved `state/deployment-state.yaml` to `state/legacy/deployment-state-2.yaml`",
        "moved `state/kof-state.yaml` to `state/legacy/kof-state.yaml`",
    ]);
    assert_eq!(taken_over(&lab).len(), 2);
    let first = lab.read("state/legacy/deployment-state.yaml");
    assert_eq!(first, super::fixture("l4-state.yaml"));
    let second = lab.read("state/legacy/deployment-state-2.yaml");
    assert_eq!(second, super::fixture("l8-state.yaml"));
    nothing_is_left_to_do(&lab);
}
