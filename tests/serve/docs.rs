//! The console blocks of `docs/controller.md` are what is answered. The page's host and
//! port stand for those of the test.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::stage::Stage;
use crate::support::Daemon;

/// What a shell in the lab prints, both streams in their order.
fn run(stage: &Stage, command: &str) -> String {
    let hl = Path::new(env!("CARGO_BIN_EXE_hl"));
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("exec 2>&1; {command}"));
    shell.current_dir(stage.lab.root()).env_clear();
    for (name, value) in stage.hl("").command().get_envs() {
        shell.env(name, value.unwrap());
    }
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", hl.parent().unwrap().display());
    let output = shell
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_console_block_of_the_page_prints_what_it_says() {
    if Command::new("curl").arg("-V").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "curl is needed");
        println!("skipped: curl not installed");
        return;
    }
    let stage = Stage::example();
    // What is served of it has no secrets in it.
    stage.lab.write("hl.toml", "[lab]\nname = \"lab\"\n");
    stage.lab.write(".gitignore", "/run/\n/site/secrets.yaml\n");
    run(&stage, "git init -q");
    let daemon: Daemon = stage.serve();
    let real = format!("127.0.0.1:{}", daemon.port());
    let port = format!("--port {}", daemon.port());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/controller.md");
    let page = fs::read_to_string(page).unwrap();
    let mut commands = 0;
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for part in block.split("$ ").skip(1) {
            let (command, expected) = part.split_once('\n').unwrap();
            let typed = command
                .replace("controller.lab:44443", &real)
                .replace("--port 44443", &port);
            let printed = run(&stage, &typed);
            let printed = printed.replace(&real, "127.0.0.1:44443");
            let lines = |text: &str| -> Vec<String> {
                text.lines().map(|line| line.trim().to_owned()).collect()
            };
            assert_eq!(lines(&printed), lines(expected), "{command}\n{printed}");
            commands += 1;
        }
    }
    assert!(commands >= 8);
}

/// The codes that the page lists are those that there are.
#[test]
fn the_page_lists_every_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/controller.md")).unwrap();
    let mut found = std::collections::BTreeSet::new();
    for file in ["refusal.rs", "specs.rs"] {
        let text = fs::read_to_string(root.join("src/serve").join(file)).unwrap();
        let codes = text.split('"').filter(|word| {
            word.len() == 4
                && word.starts_with('E')
                && word.get(1..).unwrap().parse::<u16>().is_ok()
        });
        found.extend(codes.map(str::to_owned));
    }
    assert!(found.len() >= 8, "{found:?}");
    for code in found {
        assert!(page.contains(&format!("| {code} |")), "{code}");
    }
}
