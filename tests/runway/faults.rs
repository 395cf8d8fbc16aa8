//! What L0 says of each fault of a node, and what it does not do about it.

use super::scene::{Report, Scene, faulty, seed};

/// How often a path was asked for.
fn asked(scene: &Scene, path: &str) -> usize {
    let requests = scene.sim.requests();
    requests.iter().filter(|line| line.path == path).count()
}

#[track_caller]
fn met(rules: &[&str]) -> (Scene, Report) {
    let scene = faulty(&seed(), rules);
    let report = scene.not_cleared();
    for (rule, count) in scene.sim.faults() {
        assert!(count > 0, "`{rule}` met nothing");
    }
    (scene, report)
}

#[test]
fn a_token_that_is_refused() {
    let (scene, report) = met(&["GET /version status=401"]);
    report.only("token", &["the token was refused"], &["`PM_TOKEN_SECRET`"]);
    assert_eq!(asked(&scene, "/version"), 1, "asked again");
}

#[test]
fn a_right_that_is_missing_after_all() {
    let rule = "GET /nodes status=403 message=\"Permission check failed (/nodes/pve, Sys.Audit)\"";
    let (scene, report) = met(&[rule]);
    report.fails("node", &["Sys.Audit"], &["l0-runway"]);
    assert_eq!(asked(&scene, "/nodes"), 1, "asked again");
}

#[test]
fn an_error_with_parameters() {
    let rule = "GET /nodes/*/storage status=400 errors.content=\"is wrong\"";
    let (_, report) = met(&[rule]);
    let failed = report.with_status("failed");
    assert!(failed.contains(&"vm-storage"), "{failed:?}");
    let said = report.step("vm-storage")["message"].as_str().unwrap();
    assert!(
        said.contains("400: Parameter verification failed. (`content`: is wrong)"),
        "{said}"
    );
}

#[test]
fn a_node_that_its_peers_do_not_reach() {
    let (_, report) = met(&["world=node-offline node=pve"]);
    assert!(report.with_status("failed").contains(&"node"));
    report.fails("node", &["`pve`"], &[]);
    let (_, report) = met(&["GET /nodes/pve/network status=596"]);
    report.fails("bridge", &["596"], &["pvecm status"]);
}

#[test]
fn a_page_of_another_server() {
    let (_, report) = met(&["GET /version body=\"<html>a proxy</html>\""]);
    report.only(
        "token",
        &["unexpected answer"],
        &["check that `PVE_ACCESS_HOST` is a Proxmox VE host"],
    );
}

/// A read is tried again, and what is over then was nothing.
#[test]
fn one_connection_that_breaks() {
    let scene = faulty(
        &seed(),
        &["GET /version hit=1 lost", "GET /nodes hit=1 status=596"],
    );
    scene.cleared("cleared");
}

#[test]
fn connections_that_break_for_ever() {
    let (scene, report) = met(&["GET /version lost"]);
    report.only("token", &["cannot be reached"], &["is the node up"]);
    assert_eq!(asked(&scene, "/version"), 3);
}

#[test]
fn a_node_that_says_nothing_is_not_waited_for_longer_than_asked() {
    let scene = faulty(&seed(), &["GET /version hang"]);
    let ran = scene.runway().cmd("--timeout 2s").run();
    assert_eq!(ran.code, 124, "{}", ran.stderr);
    ran.says(&["timed out"]);
}

#[test]
fn slowness_is_no_fault() {
    faulty(&seed(), &["GET /** slow=50ms"]).cleared("cleared");
}

#[test]
fn a_storage_that_is_full_and_one_that_is_not_mounted() {
    let (_, report) = met(&["world=storage-full storage=local-lvm"]);
    report.only("vm-storage", &["`local-lvm`"], &[]);
    let (_, report) = met(&["world=storage-offline storage=local"]);
    let failed = report.with_status("failed");
    assert!(failed.contains(&"iso-storage"), "{failed:?}");
}

#[test]
fn certificates() {
    for (rule, said, help) in [
        (
            "certificate-expired",
            "it has expired",
            "pvecm updatecerts --force",
        ),
        (
            "certificate-not-yet-valid",
            "it is not valid yet",
            "compare the clocks",
        ),
        (
            "certificate-wrong-name",
            "it is for other.invalid",
            "`PVE_ACCESS_HOST`",
        ),
        (
            "certificate-self-signed",
            "signed by no authority known here",
            "PVE_FINGERPRINT=",
        ),
    ] {
        let (_, report) = met(&[&format!("world={rule}")]);
        report.only("tls", &[said], &[help]);
    }
    faulty(&seed(), &["world=tls-1.2"]).cleared("cleared");
}
