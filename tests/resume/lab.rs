//! A lab of one layer whose steps write down that they ran.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use hl::runs::{Run, read};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Hl, TestLab};

/// `one` and `two` succeed, `three` needs the file `go`, `four` comes last.
const LAYER: &str = r#"
[layer]
id = "l1"
name = "Test"
doc = "steps that write down that they ran"
default = "job"

[[recipe]]
name = "job"
doc = "four steps, one after the other"
params = [{ name = "word", default = "x", doc = "given to the third" }]

[[recipe.step]]
id = "one"
use = "command"
with = { argv = ["sh", "-c", "echo one >> log"] }

[[recipe.step]]
id = "two"
use = "script"
with = { file = "two.sh" }

[[recipe.step]]
id = "three"
use = "command"
with = { argv = ["sh", "-c", "echo three $1 >> log; test -f go || exit 7", "sh", "{{ word }}"] }

[[recipe.step]]
id = "four"
use = "command"
with = { argv = ["sh", "-c", "echo four >> log"] }
"#;

pub(super) fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write("layers/l1-test/layer.toml", LAYER);
    script(&lab, "two.sh", "echo two >> log");
    lab
}

/// Writes an executable file of the layer.
pub(super) fn script(lab: &TestLab, name: &str, body: &str) {
    let path = format!("layers/l1-test/{name}");
    lab.write(&path, &format!("#!/bin/sh\n{body}\n"));
    fs::set_permissions(lab.path(&path), fs::Permissions::from_mode(0o755)).unwrap();
}

/// What ran, in order.
pub(super) fn log(lab: &TestLab) -> Vec<String> {
    let text = fs::read_to_string(lab.path("log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The run files, oldest first.
pub(super) fn files(lab: &TestLab) -> Vec<Utf8PathBuf> {
    let dir = lab.path("state/runs");
    let dir = Utf8Path::from_path(&dir).unwrap();
    let mut files: Vec<Utf8PathBuf> = dir
        .read_dir_utf8()
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension() == Some("yaml"))
        .collect();
    let started = |path: &Utf8PathBuf| read(path).map(|run| run.header.started_at).ok();
    // Two of one second are told apart by their files.
    files.sort_by_cached_key(|path| (started(path), path.clone()));
    files
}

/// The only run.
#[track_caller]
pub(super) fn the_run(lab: &TestLab) -> Run {
    let files = files(lab);
    let [file] = files.as_slice() else {
        panic!("expected one run, found {files:?}");
    };
    read(file).unwrap()
}

/// Starts `hl` in the background, its output nowhere.
pub(super) fn start(hl: &Hl) -> Child {
    hl.command()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills a process as nobody can catch it, and waits for its end.
pub(super) fn kill(mut child: Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    child.wait().unwrap();
}

/// Waits at most half a minute.
#[track_caller]
pub(super) fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < Duration::from_mins(1), "{what}");
        sleep(Duration::from_millis(10));
    }
}
