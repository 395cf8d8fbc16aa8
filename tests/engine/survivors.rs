//! A child outlives a killed `hl`; the next one waits for it and clears up.

use std::fs;

use hl::base::Process;
use hl::base::StopSource;
use hl::diag::Exit;
use hl::lab::{Lock, Redactor};
use hl::plan::EventKind;
use hl::runs::{Ending, Survivor, read, settle, survivors};
use rustix::process::Signal;

use super::stage::{RUN, SECRET, Stage, until};
use super::support::{plan, script};

/// Nobody stops the wait.
struct NeverStopped;

impl StopSource for NeverStopped {
    fn arrived(&mut self) -> Option<hl::base::Signal> {
        None
    }
}

/// A stage that was killed while its child runs.
fn killed(text: &str) -> (Stage, Process) {
    let mut stage = Stage::play(&plan([script("apply", text, &[])]));
    let process = stage.until(|event| match event.kind {
        EventKind::ChildStarted { pid, pid_start, .. } => Some(Process {
            pid,
            start: pid_start,
        }),
        _ => None,
    });
    stage.until_line("begun");
    stage.kill();
    (stage, process)
}

#[test]
fn the_child_finishes_its_output_is_whole_and_redacted() {
    let work = format!(
        "echo begun; sleep 0.7; i=0; while [ $i -lt 3000 ]; do echo {SECRET} $i; i=$((i+1)); done; \
         echo done > finished"
    );
    let (stage, process) = killed(&work);
    let lab = &stage.lab;
    assert!(process.is_alive());
    // The kernel has released the lab, and the journal says where it stood.
    let _lock = Lock::take(&lab.paths, "next").unwrap();
    let run = read(&lab.paths.runs().join(format!("{RUN}.yaml"))).unwrap();
    assert_eq!(run.ending, Ending::Interrupted);
    let found = survivors(lab);
    let wanted = Survivor {
        run: RUN.to_owned(),
        step: Some("r/apply".into()),
        program: "sh".to_owned(),
        process,
    };
    assert_eq!(found, [wanted]);
    let mut said = Vec::new();
    let redactor = Redactor::new([SECRET]);
    settle(lab, &redactor, false, &mut NeverStopped, &mut |notice| {
        said.push(notice.message);
    })
    .unwrap();
    assert!(!process.is_alive());
    assert_eq!(said.len(), 1);
    assert!(
        said[0].contains(&format!("`sh` (process {}, step `r/apply`", process.pid)),
        "{said:?}"
    );
    // It was not hurt by the death of who read it.
    assert!(lab.paths.root().join("finished").exists());
    let mut names: Vec<String> = fs::read_dir(lab.paths.logs(RUN))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let kept = ["r-apply.1.exit", "r-apply.1.fence"];
    assert_eq!(names, [&kept[..], &["r-apply.log", "trace.log"]].concat());
    let log = fs::read_to_string(lab.paths.logs(RUN).join("r-apply.log")).unwrap();
    assert!(log.ends_with("(secret) 2999\n") && !log.contains(SECRET));
    assert_eq!(log.matches("\n(secret) ").count(), 3000);
    assert_eq!(survivors(lab), []);
}

#[test]
fn told_to_it_interrupts_once() {
    let (stage, process) =
        killed("trap 'echo INT > got; exit 0' INT; echo begun; while :; do sleep 0.05; done");
    settle(
        &stage.lab,
        &Redactor::default(),
        true,
        &mut NeverStopped,
        &mut |_| {},
    )
    .unwrap();
    assert!(!process.is_alive());
    assert!(stage.lab.paths.root().join("got").exists());
}

#[test]
fn ctrl_c_stops_the_waiting_and_not_the_child() {
    let (stage, process) = killed("trap 'exit 0' INT; echo begun; while :; do sleep 0.05; done");
    let mut waiting = Stage::settle(&stage.lab);
    let said = stage.lab.paths.root().join("said");
    until(|| {
        fs::read_to_string(&said)
            .ok()
            .filter(|text| text.ends_with('\n'))
    });
    waiting.signal(Signal::INT);
    let (result, _) = waiting.end();
    assert!(
        result.starts_with(&format!(
            "{} stopped waiting: `sh`",
            Exit::Interrupted.code()
        )),
        "{result}"
    );
    assert!(process.is_alive());
    settle(
        &stage.lab,
        &Redactor::default(),
        true,
        &mut NeverStopped,
        &mut |_| {},
    )
    .unwrap();
    assert!(!process.is_alive());
}

#[test]
fn a_child_that_was_never_written_down_is_found_by_its_spool() {
    let (stage, process) = killed("trap 'exit 0' INT; echo begun; while :; do sleep 0.05; done");
    // As if `hl` had been killed between starting the child and saying so.
    let path = stage.lab.paths.runs().join(format!("{RUN}.yaml"));
    let text = fs::read_to_string(&path).unwrap();
    let without: Vec<&str> = text
        .lines()
        .filter(|l| !l.contains("child_started"))
        .collect();
    fs::write(&path, without.join("\n") + "\n").unwrap();
    let found = survivors(&stage.lab);
    assert!(
        found
            .iter()
            .any(|s| s.process == process && s.step.is_none()),
        "{found:?}"
    );
    let group = rustix::process::Pid::from_raw(i32::try_from(process.pid).unwrap()).unwrap();
    rustix::process::kill_process_group(group, Signal::INT).unwrap();
    settle(
        &stage.lab,
        &Redactor::default(),
        false,
        &mut NeverStopped,
        &mut |_| {},
    )
    .unwrap();
}
