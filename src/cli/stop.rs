//! `hl stop`: the first Ctrl-C from anywhere, `--now` the second, `--kill` the third.

use inquire::Text;
use rustix::process::{Pid, Signal, kill_process};

use super::answer::{say_to_run, status, tell};
use super::args::StopArgs;
use super::session::{Session, usage};
use crate::control::{Reply, Request};
use crate::diag::{Exit, Failure, hl, say};
use crate::lab::{Lab, Lock};
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
        consent(session, &run)?;
    }
    let request = Request::Stop {
        now: args.now || args.kill,
    };
    let done = if args.kill { "Killed" } else { "Stopping" };
    let exit = tell(session, &request, done)?;
    if args.kill {
        kill(&lab)?;
    }
    let words = format!("runs follow {}", runs::short_id(&lab.paths, &run));
    session.note(hl(words).say(" shows how it ends"));
    Ok(exit)
}

/// The third Ctrl-C, which nobody but the person at this machine may type.
fn consent(session: &Session, run: &str) -> Result<(), Failure> {
    if !Session::interactive() {
        return Err(usage("`--kill` is for a person at a terminal")
            .help(hl("stop --now").say(" is as far as anything else goes")));
    }
    session.tell(
        Paint::Warn,
        "Warning",
        "what its tools are making is left as it is: a tofu that is killed loses its state, \
         and machines that it made are in none; `hl` names them afterwards",
    );
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

/// One more Ctrl-C for the process that holds the lab.
fn kill(lab: &Lab) -> Result<(), Failure> {
    let holder = Lock::holder(&lab.paths).ok_or_else(|| {
        Failure::message(
            Exit::Unknown,
            "nobody holds the lab any more: the run is over",
        )
    })?;
    let pid = i32::try_from(holder.pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended meanwhile.
        kill_process(pid, Signal::INT).unwrap_or_default();
    }
    Ok(())
}

/// `hl` is gone and what it started is not: this is its one SIGINT.
fn stop_survivors(session: &Session, lab: &Lab, args: &StopArgs) -> Result<Exit, Failure> {
    let left = runs::survivors(lab);
    if left.is_empty() {
        let message = "no run is in progress in this lab, and nothing is left of one";
        return Err(Failure::message(Exit::Unknown, message));
    }
    if args.kill {
        let run = left.first().map_or("", |survivor| survivor.run.as_str());
        consent(session, run)?;
    }
    for Survivor {
        program, process, ..
    } in &left
    {
        if args.kill {
            process.kill_group();
        } else {
            process.interrupt_group();
        }
        let what = format!(
            "`{program}` (process {}), left by a run that was killed",
            process.pid
        );
        session.tell(Paint::Good, "Stopping", &what);
    }
    session.note(say("resume the run: ").hl("resume"));
    Ok(Exit::Ok)
}
