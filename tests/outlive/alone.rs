//! A detached run has nothing of who started it: no terminal, no session, no open
//! file. The end of all that is no end of it; only a person at a terminal can kill it.

use std::fs;
use std::path::Path;
use std::process::Command;

use hl::runs::Ending;

use super::detached::{begun, ended, exit, journal, stops};
use super::kept::{lab, ran};
use super::processes::wait_for;
use super::terminal::on_terminal;
use crate::e2e::ready;
use crate::support::{Hl, TestLab};

/// Works until it may end, two minutes at most.
const WAITS: &str = "echo B >> ran; n=0; until [ -e go ] || [ $n -gt 1200 ]; do sleep 0.1; n=$((n+1)); done; echo E >> ran";

/// A shell with the variables of a test, in its lab.
fn shell(hl: &Hl, script: &str) -> Command {
    let template = hl.command();
    let mut shell = Command::new("sh");
    shell.args(["-c", script]);
    shell.current_dir(template.get_current_dir().unwrap());
    shell.env_clear();
    shell.envs(
        template
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    shell.env("HL", env!("CARGO_BIN_EXE_hl"));
    shell
}

/// The only run of a lab, once its child works.
fn working(lab: &TestLab) -> String {
    wait_for("the child works", || (!ran(lab).is_empty()).then_some(()));
    let runs = lab.path("state/runs").read_dir().unwrap().flatten();
    let mut ids = runs.filter_map(|file| {
        let name = file.file_name().into_string().unwrap();
        name.strip_suffix(".yaml").map(str::to_owned)
    });
    ids.next().unwrap()
}

#[test]
fn it_keeps_no_session_no_terminal_and_no_file() {
    let lab = lab(WAITS, "");
    // On the terminal, with a file that a shell has open.
    let start = shell(&lab.hl(""), "exec 9>held; \"$HL\" job --detach");
    let (said, code) = on_terminal(&start, &[]);
    assert_eq!(code, 0, "{said}");
    let id = working(&lab);
    assert!(said.contains(&id), "{said}");
    let pid = journal(&lab, &id).header.pid.to_string();
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = text.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = rest.split(' ').collect();
    // Group, session and terminal, behind state and parent.
    assert_eq!(fields[2..5], [pid.as_str(), pid.as_str(), "0"]);
    let open = Path::new("/proc").join(pid).join("fd");
    for file in fs::read_dir(open).unwrap().flatten() {
        let number = file.file_name().into_string().unwrap();
        let Ok(target) = fs::read_link(file.path()) else {
            continue;
        };
        assert!(
            !target.starts_with("/dev/pts") && !target.ends_with("held"),
            "{number} is {}",
            target.display()
        );
        if ["0", "1", "2"].contains(&number.as_str()) {
            assert_eq!(target, Path::new("/dev/null"), "{number}");
        }
    }
    lab.write("go", "");
    assert_eq!(exit(ended(&lab, &id)), 0);
}

#[test]
fn it_goes_on_when_the_server_of_its_terminal_is_killed() {
    if !ready(false, &["tmux"]) {
        return;
    }
    let lab = lab(WAITS, "");
    let socket = lab.path("tmux.sock").display().to_string();
    let tmux = |more: &str| {
        let script = format!("tmux -S {socket} -f /dev/null {more}");
        let status = shell(&lab.hl(""), &script).status().unwrap();
        assert!(status.success(), "{script}");
    };
    tmux("new-session -d '\"$HL\" up --detach >said 2>&1; echo $? >code; exec sleep 120'");
    let code = wait_for("hl returns", || {
        let code = fs::read_to_string(lab.path("code")).ok()?;
        code.ends_with('\n').then_some(code)
    });
    assert_eq!(code.trim(), "0", "{}", lab.read("said"));
    let id = working(&lab);
    tmux("kill-server");
    assert_eq!(journal(&lab, &id).ending, Ending::Running);
    lab.write("go", "");
    assert_eq!(exit(ended(&lab, &id)), 0);
    assert_eq!(ran(&lab), "B E");
}

/// Ends by nothing but a kill.
const STUBBORN: &str = "trap '' INT TERM; echo B >> ran; n=0; until [ $n -gt 1200 ]; do sleep 0.1; n=$((n+1)); done; echo E >> ran";

#[test]
fn a_person_at_a_terminal_kills_it_by_its_name() {
    let lab = lab(STUBBORN, "");
    let id = begun(&lab.hl("job --detach"));
    wait_for("the child works", || (!ran(&lab).is_empty()).then_some(()));
    let elsewhere = lab.hl("stop --kill").exits(2);
    elsewhere.says(&["a person at a terminal", "`hl stop --now`"]);
    let (said, code) = on_terminal(&lab.hl("stop --kill --no-input").command(), &[]);
    assert_eq!(code, 2, "{said}");
    let (said, code) = on_terminal(&lab.hl("stop --kill").command(), &[("kill it?", "yes")]);
    assert_eq!(code, 77, "{said}");
    assert!(said.contains("`sh` of `job/work`"), "{said}");
    let run = journal(&lab, &id);
    assert_eq!(run.ending, Ending::Running);
    assert!(stops(&run).is_empty(), "{:?}", stops(&run));
    let (said, code) = on_terminal(
        &lab.hl("stop --kill --quiet").command(),
        &[("kill it?", &id)],
    );
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("in no state"), "{said}");
    assert_eq!(exit(ended(&lab, &id)), 130);
    assert_eq!(ran(&lab), "B");
    let stops = stops(&journal(&lab, &id));
    let signals: Vec<&str> = stops.iter().map(|(signal, _)| signal.as_str()).collect();
    assert_eq!(signals[..2], ["stop", "stop"], "{stops:?}");
    assert!(stops[1].1.contains("`hl stop --kill` kills"), "{stops:?}");
    assert!(stops[2].1.starts_with("killed `sh`"), "{stops:?}");
}
