//! Variables, the connection, the token.

use std::net::TcpListener;

use super::scene::{SECRET, scene, seed};

#[test]
fn all_that_is_missing_is_named_at_once_and_nothing_is_contacted() {
    let scene = scene(&seed());
    let ran = scene
        .runway()
        .env("PM_TOKEN_SECRET", "")
        .env("PVE_NODE", "")
        .cmd("--json")
        .exits(69);
    let report = super::scene::Report(ran.json());
    report.only(
        "environment",
        &["`PM_TOKEN_SECRET`, `PVE_NODE` are not set"],
        &["`PM_TOKEN_SECRET=...`", "`PVE_NODE=...`"],
    );
    assert_eq!(report.status("endpoint"), "blocked");
    assert_eq!(report.status("tofu"), "succeeded");
    assert_eq!(scene.sim.request_count(), 0);
}

#[test]
fn what_cannot_be_used_is_named_with_what_is_expected() {
    let scene = scene(&seed());
    scene.set("PVE_ACCESS_HOST", "http://127.0.0.1");
    scene.set("PM_TOKEN_ID", "root@pam");
    scene.set("L0_MIN_FREE_PCT_VM", "a lot");
    scene.not_cleared().only(
        "environment",
        &[
            "https only",
            "expected `user@realm!name`",
            "expected a whole number",
        ],
        &["`L0_MIN_FREE_PCT_VM=10`"],
    );
    assert_eq!(scene.sim.request_count(), 0);
}

#[test]
fn a_wrong_token() {
    let scene = scene(&seed());
    scene.set("PM_TOKEN_SECRET", "99999999-2222-3333-4444-555555555555");
    let report = scene.not_cleared();
    report.only(
        "token",
        &["the token was refused"],
        &["`PM_TOKEN_SECRET`", "pveum user token add"],
    );
    assert_eq!(report.status("rights"), "blocked");
}

#[test]
fn a_closed_port() {
    let scene = scene(&seed());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = closed.local_addr().unwrap().to_string();
    drop(closed);
    scene.set("PVE_ACCESS_HOST", &addr);
    let report = scene.not_cleared();
    report.only(
        "endpoint",
        &["the connection was refused", &addr],
        &["nothing listens on", "systemctl status pveproxy"],
    );
    assert_eq!(report.status("tls"), "blocked");
}

#[test]
fn a_port_that_speaks_no_tls() {
    let scene = scene(&seed());
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = plain.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for socket in plain.incoming().take(2) {
            let mut socket = socket.unwrap();
            let read = socket.read(&mut [0; 600]).unwrap_or(0);
            if read > 0 {
                socket.write_all(b"SSH-2.0-x\r\n\r\n").unwrap();
            }
        }
    });
    scene.set("PVE_ACCESS_HOST", &addr);
    scene
        .not_cleared()
        .only("tls", &["is not trusted"], &["8006"]);
}

#[test]
fn requests_are_traced_to_stderr_when_it_is_asked_for() {
    let scene = scene(&seed());
    for (ran, steps) in [
        (scene.runway().cmd("-vv").exits(0), true),
        (
            scene.runway().env("HL_LOG", "hl::pve=debug").exits(0),
            false,
        ),
    ] {
        assert!(
            ran.stderr
                .contains(r#"request{method="GET" path="version"}"#),
            "{}",
            ran.stderr
        );
        assert_eq!(ran.stderr.contains("step{id="), steps, "{}", ran.stderr);
        assert!(!ran.stderr.contains(SECRET) && !ran.stdout.contains("request{"));
    }
    scene.runway().exits(0);
    let wrong = scene.runway().env("HL_LOG", "hl::pve=loud").exits(2);
    assert!(
        wrong.stderr.contains("`HL_LOG` has `hl::pve=loud`"),
        "{}",
        wrong.stderr
    );
}
