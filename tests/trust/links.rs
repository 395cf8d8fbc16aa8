//! Runs write through no link under `state/`: a lab may come with links in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::TestLab;

const LAYER: &str = r#"[layer]
id = "l2"
name = "Things"
doc = "Made of commands"

[[recipe]]
name = "go"
doc = "Go"

[[recipe.step]]
id = "go"
use = "command"
with = { argv = ["sh", "-c", "echo said; test -e good"] }
"#;

/// A lab, and a file beside it that nothing of the lab may touch.
fn lab() -> (TestLab, tempfile::TempDir) {
    let lab = TestLab::empty();
    lab.write("layers/l2-things/layer.toml", LAYER);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("precious"), "precious").unwrap();
    (lab, outside)
}

#[track_caller]
fn untouched(outside: &Path) {
    let names: Vec<_> = fs::read_dir(outside).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let text = fs::read_to_string(outside.join("precious")).unwrap();
    assert_eq!(text, "precious");
}

#[test]
fn the_lock_is_not_followed() {
    for verb in ["go", "clean --yes", "runs prune --keep 0 --yes"] {
        let (lab, outside) = lab();
        lab.write("good", "");
        lab.hl("go").exits(0);
        lab.hl("go").exits(0);
        // Something for a clean to remove.
        lab.write(".build/l2/x", "");
        fs::remove_file(lab.path("state/lock")).unwrap();
        symlink(outside.path().join("precious"), lab.path("state/lock")).unwrap();
        lab.hl(verb)
            .exits(73)
            .says(&["`state/lock`", "it is a link", "take the link away"]);
        untouched(outside.path());
        lab.hl("status").exits(0);
    }
}

#[test]
fn directories_of_the_state_are_not_links() {
    for name in ["state", "state/runs", "state/logs"] {
        let (lab, outside) = lab();
        lab.write("good", "");
        fs::create_dir_all(lab.path(name).parent().unwrap()).unwrap();
        symlink(outside.path(), lab.path(name)).unwrap();
        lab.hl("go")
            .exits(73)
            .says(&["is a link", "take the link away"]);
        untouched(outside.path());
        fs::remove_file(lab.path(name)).unwrap();
        lab.hl("go").exits(0);
    }
}

#[test]
fn pruning_removes_nothing_through_a_link() {
    let (lab, outside) = lab();
    lab.write("good", "");
    for _ in 0..3 {
        lab.hl("go").exits(0);
    }
    fs::rename(lab.path("state/logs"), outside.path().join("logs")).unwrap();
    symlink(outside.path().join("logs"), lab.path("state/logs")).unwrap();
    let count = || fs::read_dir(outside.path().join("logs")).unwrap().count();
    let before = count();
    lab.hl("runs prune --keep 1 --yes")
        .exits(73)
        .says(&["`state/logs`", "is a link"]);
    assert_eq!(count(), before);
}

/// A run that failed and goes on, with one of its files exchanged for a link.
fn resumed_with(exchange: impl Fn(&str) -> String) {
    let (lab, outside) = lab();
    lab.hl("go").exits(1);
    let run = lab.hl("runs --json").exits(0).json();
    let run = run["runs"][0]["id"].as_str().unwrap().to_owned();
    lab.write("good", "");
    let name = exchange(&run);
    let path = lab.path(&name);
    let target = outside.path().join("precious");
    let text = fs::read(&path).unwrap_or_else(|_| b"precious".to_vec());
    fs::write(&target, &text).unwrap();
    fs::remove_file(&path).unwrap_or_default();
    symlink(&target, &path).unwrap();
    lab.hl("resume").exits(73).says(&["link"]);
    assert_eq!(fs::read(&target).unwrap(), text, "{name}");
}

#[test]
fn journals_logs_and_spools_are_not_followed() {
    resumed_with(|run| format!("state/runs/{run}.yaml"));
    resumed_with(|run| format!("state/logs/{run}/console.log"));
    resumed_with(|run| format!("state/logs/{run}/go-go.log"));
    resumed_with(|run| format!("state/logs/{run}/other.1.out.spool"));
}

#[test]
fn a_pipe_in_the_place_of_the_lock_stops_nothing() {
    let (lab, _outside) = lab();
    fs::create_dir(lab.path("state")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, lab.path("state/lock"), kind, mode, 0).unwrap();
    lab.hl("status").exits(0);
    lab.hl("go").exits(73).says(&["it is not a file"]);
}
