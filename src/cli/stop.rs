//! `hl stop`: the first Ctrl-C from anywhere, `--now` the second, `--kill` the third.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use inquire::Text;
use rustix::process::{Pid, Signal, kill_process};

use super::answer::{say_to_run, status, tell};
use super::args::StopArgs;
use super::session::{Session, usage};
use crate::base::{Process, private_new, remedy};
use crate::control::{Reply, Request};
use crate::diag::{Exit, Failure, hl, say};
use crate::lab::{Lab, Lock, Paths};
use crate::plan::EventKind;
use crate::report::Paint;
use crate::runs::{self, Survivor};

pub(super) fn stop(session: &Session, args: &StopArgs) -> Result<Exit, Failure> {
    let lab = session.lab()?;
    let goes_on = matches!(
        say_to_run(session, &Request::Status)?,
        Some(Reply::Status(_))
    );
    if !goes_on {
        return stop_survivors(session, &lab, args);
    }
    let run = status(session, args.run.as_deref())?.run;
    if args.kill {
        consent(session, &run, &working(&lab.paths, &run))?;
    }
    let now = args.now || args.kill;
    let exit = tell(session, &Request::Stop { now }, "Stopping")?;
    if args.kill {
        // The run has heard of two by now: this is the third.
        interrupt(&lab, &run);
        session.tell(
            Paint::Warn,
            "Killed",
            hl("status").say(" names what is left"),
        );
    }
    let words = format!("runs follow {}", runs::short_id(&lab.paths, &run));
    session.note(hl(words).say(" shows how it ends"));
    Ok(exit)
}

/// The third Ctrl-C, which nobody but a person at this machine may type. `working`:
/// what would be killed.
fn consent(session: &Session, run: &str, working: &[String]) -> Result<(), Failure> {
    if !Session::interactive() || session.globals.no_input {
        return Err(usage("`--kill` is for a person at a terminal")
            .help(hl("stop --now").say(" is as far as anything else goes")));
    }
    let what = match working {
        [] => "what still works for it".to_owned(),
        working => working.join(", "),
    };
    let verb = session.palette().verb(Paint::Warn, "Warning");
    // It is shown also with `--quiet`: a yes needs it.
    session.say(&format!(
        "{verb} this kills {what}, with all that it started. What it is making is left as it \
         is: a VM, a disk or a lock on the node, and in no state. A killed `tofu` loses the \
         state of what it made since it began."
    ));
    let typed = Text::new("kill it?")
        .with_help_message(&format!("type `{run}` to do it, anything else to leave it"))
        .prompt();
    if typed.is_ok_and(|typed| typed.trim() == run) {
        return Ok(());
    }
    Err(Failure::message(
        Exit::NotApproved,
        format!("run {run} was not killed"),
    ))
}

/// The programs that work for a run, with their steps, as its journal has them.
fn working(paths: &Paths, run: &str) -> Vec<String> {
    let Ok(run) = runs::find(paths, run) else {
        return Vec::new();
    };
    let mut open = BTreeMap::new();
    for event in &run.events {
        if let (EventKind::ChildStarted { pid, program, .. }, Some(step)) =
            (&event.kind, &event.step)
        {
            open.insert(*pid, format!("`{program}` of `{step}`"));
        } else if let EventKind::ChildExited { pid, .. } = &event.kind {
            open.remove(pid);
        }
    }
    open.into_values().collect()
}

/// One more Ctrl-C for the process that holds the lab, if that is this run's.
fn interrupt(lab: &Lab, run: &str) {
    let holder = Lock::holder(&lab.paths).filter(|holder| holder.run == run);
    let pid = holder.and_then(|holder| i32::try_from(holder.pid).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // It may have ended meanwhile.
        kill_process(pid, Signal::INT).unwrap_or_default();
    }
}

/// Whether nobody has asked it to stop yet: a second SIGINT would cost tofu what it is
/// making. Of several who ask at once one is the first.
fn is_first(paths: &Paths, survivor: &Survivor) -> Result<bool, Failure> {
    let Process { pid, start } = survivor.process;
    let mark = paths
        .logs(&survivor.run)
        .join(format!("{pid}-{start}.asked"));
    match private_new(&mark) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => {
            let mark = paths.show(&mark);
            let message = format!("cannot write `{mark}`, nobody was asked to stop: {error}");
            Err(Failure::message(Exit::CannotWrite, message).helps(remedy(&error)))
        }
    }
}

/// `hl` is gone and what it started is not: this is its one SIGINT.
fn stop_survivors(session: &Session, lab: &Lab, args: &StopArgs) -> Result<Exit, Failure> {
    let mut left = runs::survivors(lab);
    if let Some(piece) = &args.run {
        let wanted = runs::find(&lab.paths, piece)?.header.id;
        left.retain(|survivor| survivor.run == wanted);
    }
    let Some(first) = left.first() else {
        let message = "no run is in progress in this lab, and nothing is left of one";
        return Err(Failure::message(Exit::Unknown, message));
    };
    if args.kill {
        let names = left.iter();
        let names: Vec<String> = names
            .map(|left| format!("`{}` (process {})", left.program, left.process.pid))
            .collect();
        consent(session, &first.run, &names)?;
    }
    for survivor in &left {
        let verb = if args.kill {
            survivor.process.kill_group();
            "Killed"
        } else if is_first(&lab.paths, survivor)? {
            survivor.process.interrupt_group();
            "Stopping"
        } else {
            "Waiting for"
        };
        let what = format!(
            "`{}` (process {}), left by a run that was killed",
            survivor.program, survivor.process.pid
        );
        session.tell(Paint::Good, verb, &what);
    }
    session.note(say("resume the run: ").hl("resume"));
    Ok(Exit::Ok)
}
