//! `spec-vm-push-roundtrip` against the real controller, and the controller that a run
//! starts and ends.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use super::lab::lab;
use crate::support::{Hl, TestLab};

const TOKEN: &str = "5eed0001-of-the-test-machine";

/// Every phase, in the order of the specification.
const PHASES: [&str; 11] = [
    "check_config",
    "start_server",
    "ensure_image",
    "provision",
    "start",
    "wait_ip",
    "verify_ssh",
    "verify_env",
    "verify_server",
    "destroy",
    "stop_server",
];

const FILES: &[(&str, &str)] = &[
    (
        "site/site.yaml",
        "defaults:\n  spec_server: https://192.168.1.5:44443\n",
    ),
    (
        "site/v2/postures/closed.yaml",
        "auth: {method: node_token}\n",
    ),
    (
        "site/v2/specs/test.yaml",
        "schema_version: 1\naccess: {posture: closed}\nconfig: {timezone: Etc/UTC}\n",
    ),
    (
        "site/envs/test.yaml",
        "posture: closed\nvms:\n  - {name: test, image: debian-13, vmid: 7301, cores: 1, memory: 512, disk: 10, ip: 192.168.1.91/24, gateway: 192.168.1.1}\n",
    ),
    ("site/postures/closed.yaml", "ssh_port: 22\n"),
];

struct Room {
    lab: TestLab,
    home: TempDir,
}

impl Room {
    fn new() -> Self {
        let lab = TestLab::shipped();
        for (path, text) in FILES {
            lab.write(path, text);
        }
        let toml = lab.read("hl.toml");
        lab.write(
            "hl.toml",
            &format!("{toml}\n[serve]\ncert_dir = \"state/serve\"\n"),
        )
        .write(
            "site/secrets.yaml",
            &format!("auth:\n  node_tokens:\n    test: {TOKEN}\n"),
        );
        private(&lab, "site/secrets.yaml");
        Self {
            lab,
            home: TempDir::new().unwrap(),
        }
    }

    fn hl(&self, words: &str) -> Hl {
        let home = self.home.path().display().to_string();
        self.lab.hl(words).env("HOME", home)
    }

    fn world(&self) -> Value {
        let text = self.lab.read("state/rehearsal/world/world.json");
        serde_json::from_str(&text).unwrap()
    }

    /// Nothing is left of a run.
    fn is_clean(&self) {
        let world = self.world();
        assert!(world["vms"]["7301"].is_null(), "{}", world["vms"]);
        let volumes = world["volumes"].to_string();
        assert!(!volumes.contains("spec-vm-push"), "{volumes}");
        let states = self
            .lab
            .path("state/rehearsal/.states/spec-vm-push-roundtrip");
        let left = states.join("pve/test");
        assert!(!left.exists(), "{}", left.display());
    }
}

fn private(lab: &TestLab, path: &str) {
    fs::set_permissions(lab.path(path), fs::Permissions::from_mode(0o600)).unwrap();
}

fn statuses(document: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let phases = document["phases"].as_array().unwrap().iter();
    phases
        .map(|phase| (text(&phase["name"]), text(&phase["status"])))
        .collect()
}

#[test]
fn a_machine_is_made_finds_the_real_controller_and_goes() {
    let programs = ["packer", "tofu", "unshare", "ssh-keygen"];
    if !crate::e2e::ready(true, &programs) {
        return;
    }
    let room = Room::new();
    let words = "rehearse scenario spec-vm-push-roundtrip -H pve --yes";
    // Without its template nothing is made, and what there is says how it comes to be.
    let early = room.hl(words).run();
    assert_ne!(early.code, 0, "{}", early.stderr);
    early.says(&[
        "there is no stable template `debian-13`",
        "l1-template debian-13",
    ]);
    room.is_clean();
    room.hl("rehearse l1-ensure debian-13").exits(0);

    let json = words.replace("rehearse ", "rehearse --json ");
    let ran = room.hl(&json).exits(0);
    let document = ran.json();
    assert_eq!(document["success"], true, "{document:#}");
    let found = statuses(&document);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, PHASES);
    for (name, status) in &found {
        // The rehearsal's controller answers before, and goes on after it.
        let wanted = if name == "stop_server" {
            "skipped"
        } else {
            "passed"
        };
        assert_eq!(status, wanted, "{name}: {document:#}");
    }
    assert_eq!(document["context"]["vm_ip"], "192.168.1.91");
    assert_eq!(document["context"]["test_vm_id"], 7301);
    room.is_clean();
    holds_no_token(room.lab.root());

    // A machine whose token is another one is refused by the controller; it goes, too.
    let wrong = "schema_version: 1\naccess: {posture: closed}\nidentity: {hostname: test}\n";
    room.lab.write("site/v2/specs/test.yaml", wrong);
    room.lab
        .write("site/postures/open.yaml", "ssh_port: 22\n")
        .write("site/v2/postures/open.yaml", "auth: {method: network}\n");
    let env = room.lab.read("site/envs/test.yaml");
    room.lab.write(
        "site/envs/test.yaml",
        &env.replace("posture: closed", "posture: open"),
    );
    let failed = room.hl(&format!("{json} --vm-id test=7302")).run();
    assert_ne!(failed.code, 0, "{}", failed.stderr);
    let document = failed.json();
    let found = statuses(&document);
    let status = |name: &str| {
        let found = found.iter().find(|(phase, _)| phase == name);
        found.map(|(_, status)| status.as_str()).unwrap_or_default()
    };
    assert_eq!(status("verify_env"), "passed", "{document:#}");
    assert_eq!(status("verify_server"), "failed", "{document:#}");
    assert_eq!(status("destroy"), "passed", "{document:#}");
    assert!(
        failed.stderr.contains("/spec/test answers 401"),
        "{}",
        failed.stderr
    );
    assert!(room.world()["vms"]["7302"].is_null());
    room.is_clean();
}

/// But for the secrets themselves and what is the simulated node's own.
fn holds_no_token(root: &Path) {
    let encoded = STANDARD.encode(TOKEN);
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                dirs.push(path);
            } else if kind.is_file() {
                let bytes = fs::read(&path).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                let own = path.starts_with(root.join("state/rehearsal/world/run"))
                    || path.ends_with("site/secrets.yaml");
                assert!(
                    own || !text.contains(TOKEN) && !text.contains(&encoded),
                    "the token is in {}",
                    path.display()
                );
            }
        }
    }
}

/// Starts the controller, looks at it, and ends it; `$1` is what happens between.
const STARTS: &str = r#"
[scenario]
doc = "start the controller, and end it"
runtime = "10s"

[[phase]]
id = "start_server"
use = "controller.start"
with = { server = "https://127.0.0.1:PORT" }

[[phase]]
id = "look_around"
use = "command"
with = { argv = ["sh", "-c", "curl -sk https://127.0.0.1:PORT/health >health; [ ! -e fail ]"] }

[[phase]]
id = "stop_server"
use = "controller.stop"
finally = true
"#;

#[test]
fn a_controller_that_a_run_starts_ends_with_it_also_after_a_failure() {
    if !crate::e2e::ready(false, &["curl", "setsid"]) {
        return;
    }
    let lab = lab();
    // A port that was free a moment ago.
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    lab.write("site/site.yaml", "defaults: {}\n")
        .write(
            "hl.toml",
            "[lab]\nname = \"test\"\n[serve]\ncert_dir = \"state/serve\"\n",
        )
        .write(
            "scenarios/controller-try.toml",
            &STARTS.replace("PORT", &port),
        );
    let answers = || TcpListener::bind(format!("0.0.0.0:{port}")).is_err();
    lab.hl("scenario controller-try")
        .exits(0)
        .says(&["the controller answers at", "the controller has ended"]);
    assert!(
        lab.read("health").contains("\"ok\""),
        "{}",
        lab.read("health")
    );
    assert!(!answers(), "it still listens");
    assert!(!lab.path("state/scenario-controller.json").exists());
    lab.write("fail", "");
    lab.hl("scenario controller-try")
        .exits(1)
        .says(&["the controller has ended"]);
    assert!(!answers(), "it still listens");
    // Where something else listens, what it said is told.
    let _taken = TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    let ran = lab.hl("scenario controller-try").exits(69);
    ran.says(&["no controller answers at", "scenario-controller.log"]);
    assert!(!lab.path("state/scenario-controller.json").exists());
}

#[test]
fn what_the_scenario_needs_is_named_before_anything_begins() {
    if !crate::e2e::ready(false, &["tofu"]) {
        return;
    }
    let room = Room::new();
    room.lab.write(
        ".env",
        "PVE_ACCESS_HOST=192.0.2.1\nPM_TOKEN_ID=hl@pve!hl\nPM_TOKEN_SECRET=a-secret-of-this-test\nPVE_NODE=pve\nPVE_STORAGE_VM=local-lvm\n",
    );
    let run = |words: &str| {
        room.hl(&format!(
            "scenario spec-vm-push-roundtrip --dry-run {words}"
        ))
        .run()
    };
    run("").says(&["needs a machine to work on"]);
    run("-H pve -E none").says(&["none"]);
    run("-H pve --vm-id other=7000").says(&["has no machine `other`", "its machine is `test`"]);
    run("-H pve -E dev").says(&["environment `dev` has 2 machines"]);
    room.lab.write("site/site.yaml", "defaults: {}\n");
    run("-H pve").says(&["no controller is named", "spec_server"]);
}
