//! `hl clean` in a lab that is in git and has machines: it takes away all that
//! it named, and everything works again from the node's notes and the state.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use hl::rehearse::guest::{GuestHost, GuestHostConfig, Network, veth_works};
use hl_sim::certs::Certificate;
use hl_sim::{Guests, Running, Server, ServerConfig, Tls, World};
use serde_json::Value;

use super::rehearsal::Rehearsed;
use super::{output, tree};
use crate::support::TestLab;

/// Set in the copy of this test that runs inside the namespaces: where the
/// rehearsal's files are.
const REHEARSED: &str = "HL_TEST_REHEARSED";

/// The node and the machines of a rehearsal, and beside them a lab that works on
/// them live, in a network in which every address is local.
pub(super) fn live(rehearsed: &Rehearsed) {
    let script = "ip link set lo up && ip route add local 0.0.0.0/0 dev lo && \"$@\"";
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private"])
        .args(["--pid", "--fork", "--mount-proc", "--kill-child", "--"])
        .args(["sh", "-ec", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "e2e::clean::everything_comes_back_after_a_clean"])
        .args(["--nocapture", "--test-threads=1"])
        .env(REHEARSED, rehearsed.out(""))
        .status()
        .unwrap();
    assert!(status.success());
}

/// The node that the rehearsal left, with its guests.
fn node(world: &Path, keys: &Value) -> Running {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let text = |name: &str| keys[name].as_str().unwrap().to_owned();
    let network = if veth_works() {
        Network::Own
    } else {
        Network::Shared
    };
    let guests = GuestHost::new(&GuestHostConfig {
        disks_dir: world.join("disks"),
        run_dir: world.join("run"),
        apt_repo: std::env::var_os("HL_GUEST_APT").map(PathBuf::from),
        exe: PathBuf::from(env!("CARGO_BIN_EXE_hl")),
        network,
    })
    .unwrap();
    let certificate = Certificate {
        cert_pem: text("cert_pem"),
        key_pem: text("key_pem"),
        ca_pem: text("ca_pem"),
    };
    Server::start(ServerConfig {
        listen: vec![SocketAddr::from(([192, 168, 1, 10], 8006))],
        tls: Tls::Given(certificate),
        guests: Arc::new(guests) as Arc<dyn Guests>,
        ..ServerConfig::new(World::load(&world.join("world.json")).unwrap())
    })
    .unwrap()
}

/// A checkout that has what the rehearsal wrote where a live run writes it.
fn checkout(from: &Path, home: &Path, keys: &Value) -> TestLab {
    let lab = TestLab::shipped();
    let git = Path::new(env!("CARGO_MANIFEST_DIR")).join(".gitignore");
    fs::copy(git, lab.path(".gitignore")).unwrap();
    for dir in [".build", ".states", "templates", "state"] {
        output(
            Command::new("cp")
                .arg("-a")
                .arg(from.join(dir))
                .arg(lab.path(dir)),
        );
    }
    let key = home.join("id_ed25519");
    for suffix in ["", ".pub"] {
        let name = format!("id_ed25519{suffix}");
        output(
            Command::new("cp")
                .arg("-a")
                .arg(from.join("state/ssh").join(&name))
                .arg(home.join(name)),
        );
    }
    let settings = lab.read("hl.toml");
    let identity = format!("[ssh]\nidentity = \"{}\"\n", key.display());
    lab.write("hl.toml", &settings.replacen("[ssh]\n", &identity, 1));
    let example = lab.read("env.example");
    let secret = keys["secret"].as_str().unwrap();
    let set: Vec<&str> = example
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("PM_TOKEN_SECRET"))
        .collect();
    let ca = from.join("world/ca.pem");
    let more = format!("\nPM_TOKEN_SECRET={secret}\nPVE_CA_FILE={}\n", ca.display());
    lab.write(".env", &(set.join("\n") + &more));
    git_in(&lab, &["init", "-q"]);
    git_in(&lab, &["add", "-A"]);
    git_in(&lab, &["commit", "-qm", "lab"]);
    lab
}

#[track_caller]
fn git_in(lab: &TestLab, args: &[&str]) -> String {
    output(
        Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@localhost"])
            .args(args)
            .current_dir(lab.root())
            .env("GIT_CONFIG_GLOBAL", "/dev/null"),
    )
}

/// Files that `git clean -ndx` would take, directories looked into.
fn left(lab: &TestLab) -> Vec<PathBuf> {
    let listed = git_in(lab, &["clean", "-ndx"]);
    let paths = listed.lines().map(|line| {
        let path = line.strip_prefix("Would remove ").unwrap();
        lab.path(path.trim_end_matches('/'))
    });
    paths
        .flat_map(|path| {
            if path.is_dir() {
                tree::files(&path, &[])
            } else {
                vec![path]
            }
        })
        .map(|path| path.strip_prefix(lab.root()).unwrap().to_owned())
        .collect()
}

/// `hl clean`, and what it said beforehand that it keeps: git finds nothing else.
#[track_caller]
fn cleaned(lab: &TestLab, history: &str) -> Vec<Value> {
    let said = lab
        .hl("clean --dry-run --json")
        .cmd(history)
        .exits(0)
        .json();
    lab.hl("clean --yes").cmd(history).exits(0);
    let kept = said["context"]["clean"]["keep"].as_array().unwrap().clone();
    for file in left(lab) {
        let named = kept
            .iter()
            .any(|kept| file.starts_with(kept["path"].as_str().unwrap()));
        assert!(
            named,
            "{} is left and not named in {said:#}",
            file.display()
        );
    }
    assert_eq!(git_in(lab, &["status", "--short"]), "");
    kept
}

/// Runs inside the namespaces that [`live`] makes, and only there.
#[test]
fn everything_comes_back_after_a_clean() {
    let Some(from) = std::env::var_os(REHEARSED).map(PathBuf::from) else {
        return;
    };
    let keys = fs::read_to_string(from.join("world/keys.json")).unwrap();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let home = tempfile::tempdir().unwrap();
    let lab = checkout(&from, home.path(), &keys);
    let node = node(&from.join("world"), &keys);
    let hl = |words: &str| lab.hl(words).env("HOME", home.path().display().to_string());

    let kept = cleaned(&lab, "--history");
    let state = ".states/dev-pve/terraform.tfstate";
    let named = kept.iter().find(|kept| kept["path"] == state).unwrap();
    assert_eq!(named["help"], "hl l2-destroy dev --node pve");
    assert!(
        named["reason"].as_str().unwrap().starts_with("holds "),
        "{named}"
    );
    assert!(lab.path(state).exists() && lab.path(".env").exists());
    for gone in [
        ".build",
        "state/runs",
        "state/logs",
        "templates/debian-13/artifacts",
    ] {
        assert!(!lab.path(gone).exists(), "{gone}");
    }

    // At once, without a build: nothing is to be done.
    let writes = node.write_count();
    hl("l2").exits(0).says(&["no changes"]);
    assert_eq!(node.write_count(), writes);
    hl("l3").exits(0).says(&["2 hosts, changed=0"]);
    for name in ["debian-13", "ubuntu-24.04"] {
        let dir = format!("templates/{name}");
        let pointer = format!("{dir}/spec/vm-template-stable.json");
        let read = |text: String| -> Value {
            let mut manifest: Value = serde_json::from_str(&text).unwrap();
            // When the image was pinned is not in the notes.
            manifest["image"]["fetched_at"].take();
            manifest
        };
        let again = read(lab.read(&pointer));
        let first = read(fs::read_to_string(from.join(&pointer)).unwrap());
        assert_eq!(again, first);
        assert_eq!(
            fs::read_link(lab.path(&pointer)).unwrap(),
            fs::read_link(from.join(&pointer)).unwrap()
        );
    }
    let secret = keys["secret"].as_str().unwrap().to_owned();
    tree::holds_none(lab.root(), &[".env"], &[secret]);

    // What holds nothing any more goes too.
    hl("l2-destroy dev --yes").exits(0).says(&["2 destroyed"]);
    let kept = cleaned(&lab, "");
    assert!(!lab.path(".states").exists(), "{kept:#?}");
    node.stop().unwrap();
}
