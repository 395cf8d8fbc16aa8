//! Files that cannot be read are moved and reported, and stop nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use rstest::rstest;

use super::{fixture, keeps_keys, lab, mode, nothing_is_left_to_do, put, taken_over};

const STATE: &str = "state/deployment-state.yaml";
const EVENTS: &str = "state/deployment-events.yaml";
const KEPT_STATE: &str = "state/legacy/deployment-state.yaml";
const KEPT_EVENTS: &str = "state/legacy/deployment-events.yaml";

/// In the middle of the state's keys and of the events' last item: what is
/// whole of the events is a run, and the key in the torn state stays where it is.
#[test]
fn torn_files() {
    let lab = lab();
    let state = fixture("l8-state.yaml");
    let torn = state
        .find("public_key: cHVibGljLXNpZGUtb2Ytbm90LWEta2V5LW51bWItMDI")
        .unwrap();
    lab.write(STATE, state.get(..torn).unwrap());
    let events = fixture("l8-events.yaml");
    let torn = events.find("Failed to install").unwrap();
    lab.write(EVENTS, &format!("{}'Fail", events.get(..torn).unwrap()));
    let ran = lab.hl("make").exits(0);
    ran.says(&[
        "`state/deployment-state.yaml` is not valid YAML, from line ",
        "it is kept as `state/legacy/deployment-state.yaml`",
        "`state/deployment-events.yaml` ends in the middle of an event, which is left out",
        "cut off in install_kof_mothership",
        "holds 2 secrets",
    ]);
    assert_eq!(taken_over(&lab).len(), 1);
    assert!(lab.read(KEPT_EVENTS).ends_with("'Fail"));
    keeps_keys(&lab, &ran.stderr);
    nothing_is_left_to_do(&lab);
}

#[rstest]
#[case(b"\x00\x01\xff\xfe\x80binary", "is not text")]
#[case(b"", "holds no settings")]
#[case(b"- just\n- a list\n", "holds no settings")]
#[case(b"a: [1, 2\nb: }\n", "is not valid YAML, from line ")]
#[case(b"a: &a [x, x]\nb: *c\n", "is not valid YAML")]
fn a_state_that_is_none_and_events_that_are_whole(#[case] bytes: &[u8], #[case] why: &str) {
    let lab = lab();
    put(&lab, "state/", "l8");
    fs::write(lab.path(STATE), bytes).unwrap();
    lab.hl("make").exits(0).says(&[
        &format!("`{STATE}` {why}"),
        &format!("it is kept as `{KEPT_STATE}`"),
        "failed at install_kof_mothership",
    ]);
    assert_eq!(fs::read(lab.path(KEPT_STATE)).unwrap(), bytes);
    assert_eq!(taken_over(&lab).len(), 1);
    nothing_is_left_to_do(&lab);
}

/// Every value of another type than any generation wrote.
#[test]
fn wrong_types() {
    let lab = lab();
    lab.write(
        STATE,
        "deployment_id: [1]\ndeployer: {a: 1}\nphases: {create_vms: true, x: 3}\nwireguard_peers: text\n\
         deployment_flags: [kof]\nconfig: 7\nwg_vpn_connected: maybe\nevents: {a: 1}\nlast_updated: 5\n",
    );
    lab.write(
        EVENTS,
        "deployment_id: 7\nevents: [1, text, {timestamp: 5, action: [x], message: {}}, \
         {timestamp: 2025-08-02T11:15:20Z, action: deployment_started}, null]\n",
    );
    lab.hl("make").exits(0).says(&[
        "4 items in `state/legacy/deployment-events.yaml` are no events",
        "run `20250802-111520-",
        "` cut off;",
    ]);
    let run = taken_over(&lab).remove(0);
    assert_eq!(run.header.recipe, "legacy 7");
    nothing_is_left_to_do(&lab);
}

#[test]
fn events_without_any_time() {
    let lab = lab();
    lab.write(
        EVENTS,
        "events:\n  - {action: a, timestamp: never}\n  - {action: b}\n",
    );
    lab.hl("make").exits(0).says(&[
        "2 events in `state/legacy/deployment-events.yaml` without any time have no run file",
    ]);
    assert_eq!(taken_over(&lab).len(), 0);
    nothing_is_left_to_do(&lab);
}

/// Of a duplicate key the last value counts; lines may end as they do
/// elsewhere.
#[test]
fn double_keys_and_carriage_returns() {
    let lab = lab();
    let state = fixture("l4-state.yaml") + "deployer: \"one@a\"\ndeployer: \"two@b\"\n";
    lab.write(STATE, &state.replace('\n', "\r\n"));
    lab.write(EVENTS, &fixture("l4-events.yaml").replace('\n', "\r\n"));
    let ran = lab.hl("make").exits(0);
    ran.says(&["` succeeded", "holds 2 secrets"]);
    assert!(!ran.stderr.contains("it is kept as"), "{}", ran.stderr);
    assert_eq!(taken_over(&lab)[0].header.operator, "two@b");
    keeps_keys(&lab, &ran.stderr);
    nothing_is_left_to_do(&lab);
}

#[test]
fn links_directories_and_pipes_in_place_of_files() {
    let lab = lab();
    fs::create_dir_all(lab.path("state")).unwrap();
    symlink("../gone.yaml", lab.path(STATE)).unwrap();
    fs::create_dir(lab.path(EVENTS)).unwrap();
    lab.write("state/deployment-events.yaml/inside", "text");
    let pipe = lab.path("deployment-state.yaml");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
    lab.hl("make").exits(0).says(&[
        "`deployment-state.yaml` is no file; it is kept as `state/legacy/deployment-state.yaml`",
        "`state/deployment-state.yaml` is a link that leads nowhere; it is kept as `state/legacy/deployment-state-2.yaml`",
        "`state/deployment-events.yaml` is a directory; it is kept as",
    ]);
    assert!(
        lab.path("state/legacy/deployment-state-2.yaml")
            .is_symlink()
    );
    assert_eq!(
        lab.read("state/legacy/deployment-events.yaml/inside"),
        "text"
    );
    assert_eq!(taken_over(&lab).len(), 0);
    nothing_is_left_to_do(&lab);
}

/// A link to a file elsewhere: its content is taken over, and it stays.
#[test]
fn a_link_to_a_file_that_somebody_keeps_elsewhere() {
    let lab = lab();
    let elsewhere = lab.path("mine.yaml");
    fs::write(&elsewhere, fixture("l4-events.yaml")).unwrap();
    fs::set_permissions(&elsewhere, Permissions::from_mode(0o644)).unwrap();
    fs::create_dir_all(lab.path("state")).unwrap();
    symlink("../mine.yaml", lab.path(EVENTS)).unwrap();
    lab.hl("make").exits(0).says(&["` succeeded"]);
    assert_eq!(lab.read(KEPT_EVENTS), lab.read("mine.yaml"));
    assert_eq!(
        (mode(&elsewhere), mode(&lab.path(KEPT_EVENTS))),
        (0o644, 0o600)
    );
    assert!(!lab.path(EVENTS).exists());
    nothing_is_left_to_do(&lab);
}

/// Nobody may read it: it is moved, and its owner may from then on.
#[test]
fn a_file_that_nobody_may_read() {
    let lab = lab();
    put(&lab, "state/", "l4");
    fs::set_permissions(lab.path(STATE), Permissions::from_mode(0o000)).unwrap();
    let root = rustix::process::geteuid().is_root();
    let ran = lab.hl("make").exits(0);
    if !root {
        ran.says(&["`state/deployment-state.yaml` cannot be read: permission denied"]);
    }
    assert_eq!(mode(&lab.path(KEPT_STATE)), 0o600);
    assert_eq!(taken_over(&lab).len(), 1);
    nothing_is_left_to_do(&lab);
}
