//! `hl up` after an `up` that did not come to its end.

use std::io::{Read, Write};

use hl::plan::Outcome;
use hl::runs::{Ending, read};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::lab::{files, kill, lab, log, script, start, wait_for};
use crate::support::TestLab;

fn failed() -> TestLab {
    let lab = lab();
    lab.hl("up").exits(7);
    lab
}

#[test]
fn without_a_terminal_somebody_has_to_say_which() {
    let lab = failed();
    let before = std::fs::read(&files(&lab)[0]).unwrap();
    for words in ["up", "up --yes", "up --no-input"] {
        let ran = lab.hl(words).exits(77);
        ran.says(&["failed at job/three", "`hl resume ", "--fresh` archives"]);
    }
    assert_eq!(log(&lab).len(), 3, "nothing ran");
    assert_eq!(std::fs::read(&files(&lab)[0]).unwrap(), before);
    // What changes nothing, and what is no `up`, is not held up.
    lab.hl("up --dry-run").exits(0);
    lab.write("go", "");
    lab.hl("job").exits(0);
    lab.hl("up").exits(77);
    // Once it is done, the next one simply runs.
    let up = read(&files(&lab)[0]).unwrap().header.id;
    lab.hl("resume").arg(up).exits(0);
    lab.hl("up").exits(0);
}

#[test]
fn fresh_archives_the_old_one_as_cancelled() {
    let lab = failed();
    lab.write("go", "");
    lab.hl("up --fresh").exits(0);
    assert_eq!(log(&lab).len(), 3 + 4);
    let [old, new] = files(&lab).try_into().unwrap();
    let ending = |file: &_| read(file).unwrap().ending;
    let with =
        |ending, wanted| matches!(ending, Ending::Finished { outcome, .. } if outcome == wanted);
    assert!(with(ending(&old), Outcome::Cancelled));
    assert!(with(ending(&new), Outcome::Succeeded));
    lab.hl("up").exits(0);
}

#[test]
fn a_killed_one_counts_and_is_archived() {
    let lab = lab();
    script(&lab, "two.sh", "echo two >> log; sleep 0.5");
    let hl = start(&lab.hl("up"));
    wait_for("the second step begins", || log(&lab).len() == 2);
    kill(hl);
    lab.write("go", "");
    lab.hl("up").exits(77).says(&["was interrupted at job/two"]);
    lab.hl("up --fresh").exits(0);
    let old = read(&files(&lab)[0]).unwrap();
    assert!(matches!(
        old.ending,
        Ending::Finished {
            outcome: Outcome::Cancelled,
            ..
        }
    ));
}

#[test]
fn on_a_terminal_it_is_asked() {
    let lab = failed();
    lab.write("go", "");
    let terminal = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_hl"));
    command.args(["up"]);
    command.cwd(lab.root());
    command.env("HOME", lab.root());
    command.env("DOPPLER", "0");
    command.env("TERM", "xterm");
    let mut child = terminal.slave.spawn_command(command).unwrap();
    drop(terminal.slave);
    let mut reader = terminal.master.try_clone_reader().unwrap();
    let mut writer = terminal.master.take_writer().unwrap();
    let mut said = String::new();
    let mut buffer = [0; 4096];
    let mut answered = false;
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        said.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if !answered && said.contains("start again") {
            // The first choice: to go on.
            writer.write_all(b"\r").unwrap();
            answered = true;
        }
    }
    assert!(child.wait().unwrap().success(), "{said}");
    assert!(said.contains("failed at job/three"), "{said}");
    assert_eq!(files(&lab).len(), 1);
    assert_eq!(log(&lab), ["one", "two", "three x", "three x", "four"]);
}
