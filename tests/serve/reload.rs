//! SIGHUP: what is new is taken up, and no request fails meanwhile.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::stage::Stage;
use crate::support::Daemon;

/// Requests, and those who make them.
const REQUESTS: usize = 20_000;
const CLIENTS: usize = 4;

#[test]
fn no_request_fails_while_it_reloads() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let (left, over) = (AtomicUsize::new(REQUESTS), AtomicBool::new(false));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = daemon.connect();
                    let token = ("Authorization", "Bearer stage-shared-7f3a");
                    let next = || {
                        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                            left.checked_sub(1)
                        })
                    };
                    while let Ok(number) = next() {
                        let path = ["/spec/base", "/spec/edge", "/specs", "/health"][number % 4];
                        let answer = client.get(path, &[token]);
                        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
                        if number % 500 == 0 {
                            client = daemon.connect();
                        }
                    }
                })
            })
            .collect();
        let hangups = scope.spawn(|| {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                daemon.signal(Signal::HUP);
                count += 1;
                thread::sleep(Duration::from_millis(20));
            }
            count
        });
        let done: Vec<_> = clients
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        over.store(true, Ordering::Relaxed);
        assert!(hangups.join().unwrap() > 1);
        assert!(done.iter().all(Result::is_ok));
    });
    daemon.says("reloaded");
    assert!(!daemon.log().contains("not reloaded"), "{}", daemon.log());
}

fn reloads(daemon: &Daemon) -> usize {
    daemon.log().matches("hl::serve::reload: reloaded").count()
        + daemon.log().matches("not reloaded, but as before").count()
}

/// Sends SIGHUP, and waits until it is dealt with.
fn reload(daemon: &Daemon) {
    let before = reloads(daemon);
    daemon.signal(Signal::HUP);
    for _ in 0..6000 {
        if reloads(daemon) > before {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("no reload:\n{}", daemon.log());
}

#[test]
fn specs_and_secrets_are_those_of_the_last_reload_that_could_read_them() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let timezone = || daemon.get("/spec/base").json()["config"]["timezone"].clone();
    assert_eq!(timezone(), "Europe/Lisbon");
    let site = stage.lab.read("site/site.yaml");
    let changed = site.replace("Europe/Lisbon", "Asia/Tokyo");
    stage.lab.write("site/site.yaml", &changed);
    // Kept until it is told.
    assert_eq!(timezone(), "Europe/Lisbon");
    reload(&daemon);
    assert_eq!(timezone(), "Asia/Tokyo");
    let token = |token: &str| {
        let header = format!("Bearer {token}");
        let headers = [("Authorization", header.as_str())];
        daemon.connect().get("/spec/edge", &headers).status
    };
    let secrets = stage.lab.read("site/secrets.yaml");
    let changed = secrets.replace("stage-shared-7f3a", "stage-shared-new1");
    stage.lab.write("site/secrets.yaml", &changed);
    reload(&daemon);
    assert_eq!(
        (token("stage-shared-new1"), token("stage-shared-7f3a")),
        (200, 403)
    );
    // Broken: as before, and the log says so.
    stage.lab.write("site/secrets.yaml", "auth: [\n");
    reload(&daemon);
    assert_eq!(token("stage-shared-new1"), 200);
    assert!(daemon.log().contains("not reloaded, but as before: specs"));
}

#[test]
fn a_certificate_is_replaced_and_connections_go_on() {
    let stage = Stage::new();
    let put = |name: &str| {
        let names = [name.to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        fs::write(stage.lab.path("c.pem"), made.cert.pem()).unwrap();
        fs::write(stage.lab.path("k.pem"), made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    };
    let first = put("one.lab");
    let mut hl = stage.hl("serve --json --bind 127.0.0.1 --port 0");
    hl = hl.cmd("--cert c.pem --key k.pem");
    let daemon = Daemon::of(
        hl.command(),
        &stage.lab.path("c.pem"),
        TempDir::new().unwrap(),
    );
    let mut before = daemon.connect();
    assert_eq!(before.certificate(), first);
    let second = put("two.lab");
    reload(&daemon);
    assert_eq!(before.get("/health", &[]).status, 200);
    let shown = |daemon: &Daemon| {
        let print = stage.hl(&format!("serve status --json --port {}", daemon.port()));
        print.exits(0).json()["fingerprint"].clone()
    };
    // Pinned by what `status` is told, which is the new one.
    assert_eq!(
        shown(&daemon),
        hl::pve::Fingerprint::of(&second).to_string()
    );
    // One that does not fit is not taken.
    fs::write(stage.lab.path("k.pem"), "no key").unwrap();
    reload(&daemon);
    assert_eq!(
        shown(&daemon),
        hl::pve::Fingerprint::of(&second).to_string()
    );
    assert!(
        daemon.log().contains("as before: certificate"),
        "{}",
        daemon.log()
    );
}
