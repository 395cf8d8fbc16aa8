//! Writes a run file, event by event.
//!
//! The file is valid YAML after every line: a header, then `events:`, to which
//! each event adds one line, a flow mapping. So a run that was killed, or whose
//! disk is full, leaves a file that can be read to its last whole line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};

use camino::Utf8PathBuf;
use serde_json::Value;

use super::header::{Header, flow};
use crate::diag::{Exit, Failure};
use crate::lab::{Paths, private_append, write};
use crate::plan::{Event, EventKind, Listener, RunInfo};

/// A listener that keeps the run.
#[derive(Debug)]
pub struct Journal {
    paths: Paths,
    flags: BTreeMap<String, Value>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    path: Utf8PathBuf,
    file: File,
}

impl Journal {
    /// A journal under `state/runs/`; the file is made when the run starts.
    /// `flags` are those that change what the run does.
    pub fn new(paths: &Paths, flags: BTreeMap<String, Value>) -> Self {
        Self {
            paths: paths.clone(),
            flags,
            open: None,
        }
    }

    fn begin(&mut self, info: &RunInfo, time: &str) -> Result<(), Failure> {
        let path = self.paths.runs().join(format!("{}.yaml", info.id));
        if path.exists() {
            let shown = self.paths.show(&path);
            let message = format!("run file `{shown}` is already there");
            return Err(Failure::message(Exit::CannotWrite, message));
        }
        let header = Header::new(info, time, std::mem::take(&mut self.flags));
        let text = header.text().map_err(|e| bug(&e))?;
        // Whole or not there: a header is never torn.
        write(&path, text, 0o600)?;
        let file = private_append(&path).map_err(|e| self.cannot(&path, &e))?;
        self.open = Some(Open { path, file });
        Ok(())
    }

    fn cannot(&self, path: &Utf8PathBuf, error: &io::Error) -> Failure {
        let path = self.paths.show(path);
        Failure::message(
            Exit::CannotWrite,
            format!("cannot write the journal `{path}`: {error}"),
        )
        .help("make room or correct the permissions; `hl clean --dry-run` lists what can go")
    }
}

impl Listener for Journal {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        let boundary = match &event.kind {
            EventKind::RunStarted(info) => {
                self.begin(info, &event.time)?;
                true
            }
            EventKind::Output { .. } | EventKind::Progress { .. } => return Ok(()),
            EventKind::StepStarted { .. }
            | EventKind::StepFinished { .. }
            | EventKind::RunFinished { .. } => true,
            EventKind::ChildStarted { .. }
            | EventKind::ChildExited { .. }
            | EventKind::Warning { .. }
            | EventKind::ApprovalAsked { .. }
            | EventKind::ApprovalGiven { .. }
            | EventKind::StepRetried { .. }
            | EventKind::Interrupted { .. } => false,
        };
        let line = format!("  - {}\n", flow(event).map_err(|e| bug(&e))?);
        let Some(open) = &mut self.open else {
            return Err(Failure::message(Exit::Bug, "an event came before its run"));
        };
        let mut written = open.file.write_all(line.as_bytes());
        if boundary && written.is_ok() {
            written = open.file.sync_data();
        }
        let Err(error) = written else { return Ok(()) };
        let path = open.path.clone();
        Err(self.cannot(&path, &error))
    }
}

fn bug(error: &serde_json::Error) -> Failure {
    Failure::message(
        Exit::Bug,
        format!("an event cannot be written down: {error}"),
    )
}
