//! `hl site repos`: clones beside the lab, with the real git.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Daemon, Hl};

const TOKEN: &str = "repo-token-of-the-test-0123456789abcdef";

/// A lab in a directory of its own: clones lie beside it.
struct Room {
    dir: TempDir,
}

impl Room {
    fn new(repos: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let room = Self { dir };
        fs::create_dir(room.path("lab")).unwrap();
        let toml = format!("[lab]\nname = \"test\"\n\n[repos]\n{repos}");
        fs::write(room.path("lab/hl.toml"), toml).unwrap();
        room
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    fn hl(&self, words: &str) -> Hl {
        Hl::new(&self.path("lab")).cmd(words)
    }

    fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }
}

#[track_caller]
fn git(dir: &Path, words: &str) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@localhost"])
        .args(words.split_whitespace())
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {words}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A repository with one commit on `main`.
fn source(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    git(dir, "init -q -b main");
    commit(dir, "first\n");
}

fn commit(dir: &Path, text: &str) {
    fs::write(dir.join("file"), text).unwrap();
    git(dir, "add file");
    git(dir, "commit -q -m change");
}

#[test]
fn what_is_missing_is_cloned_and_what_is_there_is_brought_up_to_date() {
    let sources = TempDir::new().unwrap();
    let (one, two) = (sources.path().join("one"), sources.path().join("two"));
    source(&one);
    source(&two);
    git(&two, "checkout -q -b other");
    commit(&two, "of the branch\n");
    git(&two, "checkout -q main");
    let room = Room::new(&format!(
        "ansible = \"{}\"\ntofu = \"{}#other\"\n",
        one.display(),
        two.display()
    ));
    room.hl("site repos --dry-run")
        .exits(0)
        .says(&["would clone"]);
    assert!(!room.path("ansible").exists());
    room.hl("site repos").exits(0).says(&["cloned from"]);
    assert_eq!(room.read("ansible/file"), "first\n");
    assert_eq!(room.read("tofu/file"), "of the branch\n");
    room.hl("site repos").exits(0).says(&["up to date with"]);
    commit(&one, "second\n");
    room.hl("site repos").exits(0).says(&["updated from"]);
    assert_eq!(room.read("ansible/file"), "second\n");

    // What somebody works on is left alone.
    fs::write(room.path("ansible/file"), "mine\n").unwrap();
    commit(&one, "third\n");
    room.hl("site repos")
        .exits(0)
        .says(&["has changes of its own"]);
    assert_eq!(room.read("ansible/file"), "mine\n");
    git(&room.path("ansible"), "add file");
    git(&room.path("ansible"), "commit -q -m mine");
    room.hl("site repos")
        .exits(0)
        .says(&["has commits of its own"]);
    assert_eq!(room.read("ansible/file"), "mine\n");
    assert!(!room.path("ansible.new").exists());
}

#[test]
fn what_is_no_clone_is_refused_and_half_a_clone_is_never_in_its_place() {
    let room = Room::new("ansible = \"/nowhere/at-all.git\"\n");
    let ran = room.hl("site repos").run();
    assert_ne!(ran.code, 0, "{}", ran.stderr);
    ran.says(&["git ls-remote /nowhere/at-all.git"]);
    assert!(!room.path("ansible").exists());
    fs::create_dir(room.path("ansible")).unwrap();
    fs::write(room.path("ansible/precious"), "kept").unwrap();
    room.hl("site repos")
        .exits(73)
        .says(&["is there, and is no clone"]);
    assert_eq!(room.read("ansible/precious"), "kept");
    let none = Room::new("");
    none.hl("site repos")
        .exits(66)
        .says(&["`hl.toml` names no repository"]);
}

#[test]
fn the_controllers_repositories_are_cloned_with_its_token_which_stays_nowhere() {
    // The controller's lab, a repository.
    let there = TempDir::new().unwrap();
    let lab = there.path();
    git(lab, "init -q -b main");
    fs::write(lab.join("hl.toml"), "[lab]\nname = \"home\"\n").unwrap();
    fs::create_dir(lab.join("site")).unwrap();
    fs::write(lab.join("site/site.yaml"), "defaults: {}\n").unwrap();
    git(lab, "add .");
    git(lab, "commit -q -m first");
    fs::write(lab.join("uncommitted"), "as it is\n").unwrap();
    let serve = Hl::new(lab).cmd("serve").env("HL_REPO_TOKEN", TOKEN);
    let daemon = Daemon::start(&serve);
    let url = format!("https://127.0.0.1:{}", daemon.port());
    let room = Room::new(&format!("home = \"{url}/home.git#_working\"\n"));
    let hl = || {
        let trusted = daemon.certificate_file().display().to_string();
        room.hl("site repos")
            .env("HL_SOURCE", &url)
            .env("GIT_SSL_CAINFO", trusted)
    };
    let refused = hl().run();
    assert_ne!(refused.code, 0, "without a token: {}", refused.stderr);
    assert!(!room.path("home").exists());
    hl().env("HL_TOKEN", TOKEN).exits(0).says(&["cloned from"]);
    assert_eq!(room.read("home/uncommitted"), "as it is\n");
    // Its work tree is made anew with each reload, and followed.
    hl().env("HL_TOKEN", TOKEN)
        .exits(0)
        .says(&["up to date with"]);
    for dir in ["home/.git/config", "lab/state"] {
        let found = Command::new("grep")
            .args(["-rq", TOKEN])
            .arg(room.path(dir))
            .status()
            .unwrap();
        assert!(!found.success(), "the token is in {dir}");
    }
}
