//! What a controller says when it begins, and what it does not begin with.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::stage::{REPO_TOKEN, Stage};
use crate::support::{Daemon, Hl, conforms};

#[test]
fn the_document_says_where_it_is_and_what_it_serves() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let started = &daemon.started;
    conforms(started, "serve");
    assert_eq!(
        started["url"],
        format!("https://127.0.0.1:{}", daemon.port())
    );
    let specs = [
        "base", "broken", "edge", "keyless", "locked", "lost", "odd", "pve", "vault1", "vault9",
    ];
    assert_eq!(started["specs"], json!(specs));
    assert_eq!(started["repos"], json!([]));
    // The lab is no repository, which is said and keeps it from nothing else.
    assert_eq!(started["refused"][0]["name"], "test");
    // It was given, so it is not repeated.
    assert_eq!(started.get("repo_token"), None);
    assert!(!daemon.log().contains(REPO_TOKEN));
    // The fingerprint is that of what TLS shows.
    let shown = hl::pve::Fingerprint::of(&daemon.connect().certificate());
    assert_eq!(started["fingerprint"], shown.to_string());
    let health = daemon.get("/health");
    assert_eq!(health.json()["status"], "ok");
}

#[test]
fn without_a_lab_a_site_config_is_enough_and_without_any_it_says_where_it_looked() {
    let stage = Stage::new();
    let alone = tempfile::TempDir::new().unwrap();
    let hl = Hl::new(alone.path()).cmd("serve");
    let hl = hl
        .env("HL_REPO_TOKEN", REPO_TOKEN)
        .env("XDG_RUNTIME_DIR", alone.path().display().to_string());
    hl.exits(66).says(&["found no site-config", "HL_SITE"]);
    let site = stage.lab.path("site").display().to_string();
    let daemon = Daemon::start(&hl.env("HL_SITE", site));
    assert_eq!(daemon.get("/spec/base").status, 200);
}

#[test]
fn what_cannot_be_used_is_an_error_with_a_remedy() {
    let stage = Stage::new();
    let serve = |words: &str| stage.hl("serve --bind 127.0.0.1 --port 0").cmd(words);
    serve("--cert c.pem").exits(2).says(&["--key"]);
    serve("--key k.pem").exits(2).says(&["--cert"]);
    serve("--cert c.pem --key k.pem")
        .exits(65)
        .says(&["c.pem", "cannot read"]);
    serve("")
        .env("HL_REPO_TOKEN", "")
        .exits(2)
        .says(&["is empty"]);
    serve("").arg("--repo-token=").exits(2).says(&["is empty"]);
    serve("").without("HL_REPO_TOKEN").exits(2).says(&[
        "no repo token",
        "--repo-token-file",
        "HL_REPO_TOKEN",
    ]);
    serve("--repo-token-file gone").exits(66).says(&["gone"]);
    // A port that is taken.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    stage
        .hl(&format!("serve --bind 127.0.0.1 --port {port}"))
        .exits(69)
        .says(&["cannot listen on", "--port"]);
}

#[test]
fn a_token_on_the_command_line_is_warned_about_and_one_of_systemd_is_found() {
    let stage = Stage::new();
    let hl = stage.hl("serve --repo-token").arg("seen-by-all");
    let daemon = Daemon::start(&hl);
    assert!(daemon.log().contains("can see `--repo-token`"));
    assert!(!daemon.log().contains("seen-by-all"));
    drop(daemon);
    stage.lab.write("credentials/repo-token", "of-systemd\n");
    let file = stage.lab.path("credentials/repo-token");
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    let credentials = stage.lab.path("credentials").display().to_string();
    let hl = stage.hl("serve").without("HL_REPO_TOKEN");
    Daemon::start(&hl.env("CREDENTIALS_DIRECTORY", credentials));
}

/// Only where a person sees it, and once.
#[test]
fn a_token_is_made_where_a_terminal_shows_it() {
    use std::io::{BufRead, BufReader};

    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    let stage = Stage::new();
    let pty = native_pty_system().openpty(PtySize::default()).unwrap();
    let command = stage
        .hl("serve --bind 127.0.0.1 --port 0")
        .without("HL_REPO_TOKEN");
    let command = command.command();
    let mut builder = CommandBuilder::new(command.get_program());
    builder.args(command.get_args());
    builder.cwd(stage.lab.root());
    builder.env_clear();
    for (name, value) in command.get_envs() {
        builder.env(name, value.unwrap());
    }
    let mut child = pty.slave.spawn_command(builder).unwrap();
    drop(pty.slave);
    let output = BufReader::new(pty.master.try_clone_reader().unwrap());
    let said = output
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains("repo token"))
        .unwrap();
    let token = said.rsplit(' ').next().unwrap().trim();
    assert!(
        token.len() >= 32 && token.chars().all(|c| c.is_ascii_hexdigit()),
        "{said}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn status_finds_the_controller_of_this_user_and_no_other() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let port = daemon.port();
    let status = stage.hl(&format!("serve status --port {port}"));
    let url = format!("https://127.0.0.1:{port}");
    status.exits(0).says(&[&format!("{url} ok")]);
    let document = stage
        .hl(&format!("serve status --json --port {port}"))
        .exits(0)
        .json();
    assert_eq!(document["health"]["status"], "ok");
    assert_eq!(document["fingerprint"], daemon.started["fingerprint"]);
    // Asked from elsewhere, by URL, with and without what is pinned.
    let print = daemon.started["fingerprint"].as_str().unwrap();
    let pinned = |print: &str| stage.hl(&format!("serve status --url {url} --fingerprint {print}"));
    pinned(print).exits(0);
    let other = format!("00{}", print.get(2..).unwrap());
    pinned(&other).exits(69).says(&["not the pinned one"]);
    stage
        .hl(&format!("serve status --url {url}"))
        .exits(69)
        .says(&["no authority known here"]);
    drop(daemon);
    // What it left tells of a process that is gone.
    status.exits(66).says(&["no controller of yours"]);
}

#[test]
fn the_unit_runs_this_command_and_holds_no_token() {
    let stage = Stage::new();
    let unit = stage
        .hl("serve --systemd --port 8443 --exclude tofu")
        .exits(0)
        .stdout;
    for line in [
        "Type=notify-reload",
        "KillMode=process",
        "SendSIGKILL=no",
        "StateDirectory=hl-controller",
        // What it waits for may come later: it is started again without end.
        "RestartSec=5",
        "LoadCredential=repo-token:/etc/hl-controller/repo-token",
    ] {
        assert!(
            unit.lines().any(|l| l == line),
            "`{line}` is not in\n{unit}"
        );
    }
    let start = unit
        .lines()
        .find(|line| line.starts_with("ExecStart="))
        .unwrap();
    let lab = stage.lab.root().display().to_string();
    for part in [
        "--port 8443",
        "--exclude tofu",
        "--cert-dir %S/hl-controller",
        &lab,
    ] {
        assert!(start.contains(part), "{start}");
    }
    assert!(!unit.contains(REPO_TOKEN));
    stage
        .hl("serve --systemd --repo-token x")
        .exits(2)
        .says(&["--repo-token-file"]);
}
