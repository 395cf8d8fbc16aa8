//! What an older tool left in a lab is taken over, once, by the real `hl`.
//! The fixtures have the forms of the older generations and values of our own.

mod broken;
mod examples;
mod safe;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hl::runs::{Run, parse};

use crate::support::TestLab;

/// A lab whose recipe `make` changes something, and whose recipe `look` does not.
fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "layers/l2-things/layer.toml",
        r#"[layer]
id = "l2"
name = "Things"
doc = "Made of commands"
default = "make"

[[recipe]]
name = "make"
doc = "Make a thing"

[[recipe.step]]
id = "write"
use = "command"
with = { argv = ["sh", "-c", "echo made > out.txt"] }

[[recipe]]
name = "look"
doc = "Look for a tool"

[[recipe.step]]
id = "sh"
use = "tool.check"
with = { tool = "ssh" }
"#,
    );
    lab
}

/// A fixture of this directory.
fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/legacy/fixtures");
    fs::read_to_string(path.join(name)).unwrap()
}

/// Both files of a generation, in a directory of the lab (`state/` or its root).
fn put(lab: &TestLab, dir: &str, generation: &str) {
    for half in ["state", "events"] {
        let text = fixture(&format!("{generation}-{half}.yaml"));
        lab.write(&format!("{dir}deployment-{half}.yaml"), &text);
    }
}

/// The run files that were taken over, oldest first.
fn taken_over(lab: &TestLab) -> Vec<Run> {
    let mut runs: Vec<Run> = files(&lab.path("state/runs"))
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .map(|path| parse(&fs::read(path).unwrap()).unwrap())
        .filter(|run| run.header.is_legacy())
        .collect();
    runs.sort_by(|a, b| a.header.id.cmp(&b.header.id));
    runs
}

/// All files and links below, sorted.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Names, modes and contents of what a migration makes.
fn made(lab: &TestLab) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let legacy_runs = taken_over(lab);
    let mut paths = files(&lab.path("state/legacy"));
    for run in legacy_runs {
        paths.push(lab.path(&format!("state/runs/{}.yaml", run.header.id)));
    }
    paths
        .into_iter()
        .map(|path| {
            let meta = fs::symlink_metadata(&path).unwrap();
            let mode = meta.permissions().mode();
            // A pipe would never end.
            let bytes = if meta.is_file() {
                fs::read(&path).unwrap()
            } else {
                Vec::new()
            };
            (path, mode, bytes)
        })
        .collect()
}

/// A second run finds nothing to do and changes nothing of it.
#[track_caller]
fn nothing_is_left_to_do(lab: &TestLab) {
    let before = made(lab);
    let ran = lab.hl("make").exits(0);
    assert!(!ran.stderr.contains("Legacy"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("legacy"), "{}", ran.stderr);
    assert_eq!(made(lab), before);
}

/// No private key is in a file but those in `state/legacy/`, nor in what was said.
#[track_caller]
fn keeps_keys(lab: &TestLab, said: &str) {
    let keys: Vec<String> = files(&lab.path("state/legacy"))
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|text| {
            let after = text.split("private_key: ").skip(1);
            after
                .map(|rest| {
                    rest.split([',', '}', '\n', '\r'])
                        .next()
                        .unwrap()
                        .to_owned()
                })
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(!keys.is_empty());
    for key in &keys {
        assert!(!said.contains(key), "{key} is said");
    }
    for path in files(lab.root()) {
        if path.starts_with(lab.path("state/legacy")) {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            continue;
        }
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        for key in &keys {
            assert!(!text.contains(key), "{key} is in {}", path.display());
        }
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
