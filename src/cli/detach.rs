//! `--detach`: the run goes on in a process of its own, which no terminal ends.
//!
//! The same command is started once more. Until its run holds the lab and has begun
//! its journal, it says what it says where it was typed, and ends with the exit code
//! that it would have; then its run is named, and this process returns.

use std::path::PathBuf;

use serde_json::json;

use super::session::{Session, usage};
use crate::app::detached::{DetachedCommand, Started, start};
use crate::base::Watch;
use crate::diag::{Exit, Failure, hl};
use crate::report::Paint;

/// Starts the same command detached, and waits until it has begun.
pub(super) fn detach(session: &Session) -> Result<Exit, Failure> {
    let request = DetachedCommand {
        program: PathBuf::from("/proc/self/exe"),
        args: std::env::args_os().skip(1).collect(),
        dir: session.caller.cwd.clone().into_std_path_buf(),
        set: Vec::new(),
        without: Vec::new(),
        captured: false,
    };
    let mut watch = Watch::start().map_err(|error| {
        Failure::message(Exit::Bug, format!("cannot listen for signals: {error}"))
    })?;
    let started = start(&request, &mut watch)?;
    // What it reported is the report.
    session.reported.set(true);
    match started {
        Started::Begun { run, said } => {
            session.data(&said)?;
            tell(session, &run)?;
            Ok(Exit::Ok)
        }
        Started::Ended { code, said, .. } => {
            session.data(&said)?;
            Ok(if code == 0 {
                Exit::Ok
            } else {
                Exit::Child(code)
            })
        }
    }
}

fn tell(session: &Session, run: &str) -> Result<(), Failure> {
    if session.globals.json {
        session.json(&json!({ "schema": "hl.detached/1", "run": run }))?;
    } else {
        session.data(run)?;
    }
    session.tell(
        Paint::Good,
        "Detached",
        hl("runs follow")
            .say(" shows it, ")
            .hl("stop")
            .say(" stops it, ")
            .hl("status")
            .say(" says where it stands"),
    );
    Ok(())
}

/// Without a run of its own there is nothing that could go on.
pub(super) fn no_run() -> Failure {
    usage("there is nothing to detach: it has no run that could go on").help("leave `--detach` out")
}
