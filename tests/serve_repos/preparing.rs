//! A repository that takes long holds up nothing else, at the start and at a reload.

use std::fs::{self, OpenOptions};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::stage::{Served, Stage, TOKEN, get, moment};
use crate::support::Daemon;

/// A pack's index in a repository at which git waits.
struct Hanging(PathBuf);

impl Hanging {
    fn in_repository(dir: &Path) -> Self {
        let packs = dir.join(".git/objects/pack");
        let index = packs.join(format!("pack-{}.idx", "0".repeat(40)));
        fs::write(index.with_extension("pack"), "PACK").unwrap();
        let made = Command::new("mkfifo").arg(&index).status();
        assert!(made.unwrap().success());
        Self(index)
    }

    /// Lets git go on: what it reads is no index, and the next one finds none.
    fn end(self) {
        let writer = OpenOptions::new().write(true).open(&self.0).unwrap();
        fs::remove_file(&self.0).unwrap();
        fs::remove_file(self.0.with_extension("pack")).unwrap();
        drop(writer);
    }
}

/// A lab, and a repository `beside` that it serves, each with a commit.
fn stage() -> (Stage, PathBuf) {
    let stage = Stage::new();
    let beside = stage.repository("beside");
    fs::write(beside.join("b"), "b\n").unwrap();
    stage.commit(&beside, "first");
    stage.lab.write(
        "hl.toml",
        &format!(
            "[lab]\nname = \"test\"\n[serve.repos]\nbeside = \"{}\"\n",
            beside.display()
        ),
    );
    stage.lab.write("a", "a\n");
    stage
        .lab
        .write("site/v2/specs/edge.yaml", "schema_version: 1\n");
    stage
        .lab
        .write("site/v2/postures/dev.yaml", "auth: {method: network}\n");
    stage.commit(stage.lab.root(), "first");
    (stage, beside)
}

/// Waits until `done`.
#[track_caller]
fn until(served: &Served, done: impl Fn() -> bool) {
    for _ in 0..6000 {
        if done() {
            return;
        }
        moment();
    }
    panic!("in vain:\n{}", served.daemon.log());
}

#[test]
fn what_hangs_holds_up_neither_the_start_nor_a_reload() {
    let (stage, _) = stage();
    let hanging = Hanging::in_repository(stage.lab.root());
    let notify = stage.beside.path().join("notify");
    let socket = UnixDatagram::bind(&notify).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_mins(2)))
        .unwrap();
    let hl = stage.hl("serve");
    let hl = hl.env("NOTIFY_SOCKET", notify.display().to_string());
    let served = Served {
        daemon: Daemon::begin(&hl),
    };
    let told = || {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert!(told().contains("READY=1"));
    let preparing = served.daemon.started["preparing"].as_array().unwrap();
    assert!(preparing.contains(&"test".into()), "{preparing:?}");
    until(&served, || served.get("/beside.git/b").status == 200);
    let mut client = served.daemon.connect();
    let health = client.get("/health", &[]).json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["preparing"], serde_json::json!(["test"]));
    let port = served.daemon.port();
    let status = stage.hl(&format!("serve status --port {port}"));
    status.exits(0).says(&["Preparing", "`test`"]);
    assert_eq!(client.get("/specs", &[]).json()["specs"][0], "edge");
    assert_eq!(client.get("/spec/edge", &[]).status, 200);
    assert_eq!(client.get("/", &[]).status, 200);
    assert_eq!(get(&mut client, "/beside.git/b", &[]).text(), "b\n");
    for path in [
        "/test.git/HEAD",
        "/test.git/info/refs",
        "/test.git/a",
        "/test.git",
    ] {
        let answer = get(&mut client, path, &[]);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "E500"),
            "{path}"
        );
        assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
        // Without the token nobody is told.
        assert_eq!(client.get(path, &[]).status, 401, "{path}");
    }
    // Specs are read again meanwhile, and systemd is told when all is.
    stage
        .lab
        .write("site/v2/specs/late.yaml", "schema_version: 1\n");
    stage
        .lab
        .write("site/site.yaml", "defaults: {timezone: Asia/Tokyo}\n");
    served.daemon.signal(Signal::HUP);
    until(&served, || {
        let spec = served.daemon.get("/spec/edge").json();
        spec["config"]["timezone"] == "Asia/Tokyo"
    });
    assert!(told().contains("RELOADING=1"));
    assert_eq!(served.get("/test.git/a").status, 503);
    assert_eq!(served.get("/beside.git/b").text(), "b\n");
    assert!(!served.daemon.log().contains("reloaded"));
    hanging.end();
    assert!(told().contains("STATUS=reloaded"));
    assert_eq!(served.get("/test.git/a").text(), "a\n");
    let late = served.get("/test.git/site/v2/specs/late.yaml");
    assert_eq!(late.text(), "schema_version: 1\n");
    let health = served.daemon.get("/health").json();
    assert_eq!(health, serde_json::json!({ "status": "ok" }));
}

#[test]
fn a_reload_that_hangs_goes_on_serving_what_there_was() {
    let (stage, beside) = stage();
    let mut served = stage.serve();
    assert_eq!(served.names(), ["beside", "test"]);
    let hanging = Hanging::in_repository(stage.lab.root());
    stage.lab.write("a", "new\n");
    fs::write(beside.join("b"), "new\n").unwrap();
    served.daemon.signal(Signal::HUP);
    until(&served, || served.get("/beside.git/b").text() == "new\n");
    assert_eq!(served.get("/test.git/a").text(), "a\n");
    assert_eq!(
        served.daemon.get("/health").json()["preparing"],
        serde_json::Value::Null
    );
    // What is not to be served any more is gone, whatever else hangs.
    stage.lab.write("hl.toml", "[lab]\nname = \"test\"\n");
    served.daemon.signal(Signal::HUP);
    until(&served, || served.get("/beside.git/b").status == 404);
    assert_eq!(served.get("/test.git/a").text(), "a\n");
    hanging.end();
    served.daemon.says("reloaded");
    assert_eq!(served.get("/test.git/a").text(), "new\n");
    assert_eq!(served.get("/beside.git/b").status, 404);
    // It stops while one hangs, and git is not left behind.
    let _hanging = Hanging::in_repository(stage.lab.root());
    served.daemon.signal(Signal::HUP);
    until(&served, || stage.left().len() > 1);
    served.daemon.signal(Signal::TERM);
    assert_eq!(served.daemon.ended(), Some(0));
    assert_eq!(stage.left(), [""; 0]);
    assert!(!served.daemon.whole_log().contains(TOKEN));
}
