//! `--detach`: the run goes on in a process of its own, which no terminal ends.
//!
//! The same command is started once more in a session of its own. Until its run
//! holds the lab and has begun its journal, it says what it says where it was typed,
//! and ends with the exit code that it would have; then it names its run, lets go
//! of the terminal, and this process returns.

use std::fs::File;
use std::io::{BufRead, BufReader, Write, stdout};
use std::process::{Command, Stdio};

use rustix::stdio::{dup2_stderr, dup2_stdout};
use serde_json::json;

use super::session::{DETACHED, Session, usage};
use crate::diag::{Exit, Failure, hl};
use crate::plan::{Event, Listener};
use crate::report::Paint;

/// What stands before the id of the run that has begun.
const BEGUN: &str = "\u{1}run ";

/// Starts the same command detached, and waits until it has begun.
pub(super) fn detach(session: &Session) -> Result<Exit, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::message(Exit::Bug, format!("cannot start a detached run: {error}"))
    };
    let mut child = Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .env(DETACHED, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    let (mut said, mut run) = (String::new(), None);
    for line in child
        .stdout
        .take()
        .into_iter()
        .flat_map(|pipe| BufReader::new(pipe).lines())
    {
        let line = line.map_err(cannot)?;
        if let Some(id) = line.strip_prefix(BEGUN) {
            run = Some(id.to_owned());
            break;
        }
        said.push_str(&line);
        said.push('\n');
    }
    session.data(&said)?;
    // What it reported is the report.
    session.reported.set(true);
    let Some(run) = run else {
        // It could not start, or there was nothing to do.
        let code = child.wait().map_err(cannot)?.code();
        return Ok(match code.and_then(|code| u8::try_from(code).ok()) {
            Some(0) => Exit::Ok,
            Some(code) => Exit::Child(code),
            None => Exit::Bug,
        });
    };
    if session.globals.json {
        session.json(&json!({ "schema": "hl.detached/1", "run": run }))?;
    } else {
        session.data(&run)?;
    }
    session.tell(
        Paint::Good,
        "Detached",
        session.text(
            hl("runs follow")
                .say(" shows it, ")
                .hl("stop")
                .say(" stops it, ")
                .hl("status")
                .say(" says where it stands"),
        ),
    );
    Ok(Exit::Ok)
}

/// A plan that only reads has no run that could go on.
pub(super) fn reads_only() -> Failure {
    usage("there is nothing to detach: it only reads and has no run").help("leave `--detach` out")
}

/// Names the run once it has begun, and lets go of the terminal.
pub(super) struct Announce(pub(super) bool);

impl Listener for Announce {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        if let Some(info) = event.kind.begins()
            && !std::mem::replace(&mut self.0, true)
        {
            let mut out = stdout().lock();
            let said = writeln!(out, "{BEGUN}{}", info.id).and_then(|()| out.flush());
            drop(out);
            let let_go = || -> std::io::Result<()> {
                let null = File::options().write(true).open("/dev/null")?;
                dup2_stdout(&null)?;
                dup2_stderr(&null)?;
                Ok(())
            };
            said.and_then(|()| let_go()).map_err(|error| {
                let message = format!("cannot let go of the terminal: {error}");
                Failure::message(Exit::Bug, message)
            })?;
        }
        Ok(())
    }
}
