//! `hl runs logs`: what the tools of a run said. Logs are redacted when they
//! are written.

use std::fs::File;
use std::io::{BufRead, BufReader};

use camino::Utf8PathBuf;
use serde_json::json;

use super::follow::{self, read_plan};
use super::session::Session;
use crate::app::find_step;
use crate::base::Lines;
use crate::diag::{Exit, Failure, hl};
use crate::lab::{Paths, spool};
use crate::plan::{EventKind, StepRun, sanitize};
use crate::report::Paint;
use crate::runs::{self, Run};

/// Bytes that are written at once.
const CHUNK: usize = 64 * 1024;

/// A step and where its log is, or was.
struct Log {
    step: String,
    path: Option<Utf8PathBuf>,
}

pub(super) fn logs(
    session: &Session,
    paths: &Paths,
    piece: Option<&str>,
    step: Option<&str>,
) -> Result<(), Failure> {
    let run = runs::find(paths, piece.unwrap_or("latest"))?;
    if run.header.is_legacy() && step.is_none() && !session.globals.json {
        return session.data(&told(&run));
    }
    let steps = run.timeline();
    let chosen: Vec<&StepRun> = match step {
        Some(name) => {
            let id = &run.header.id;
            let ids = steps.iter().map(|step| &step.step);
            let found = find_step(name, ids, &format!("run {id}"), &format!("runs show {id}"))?;
            steps.iter().filter(|step| step.step == *found).collect()
        }
        None if steps.iter().any(StepRun::failed) => {
            steps.iter().filter(|step| step.failed()).collect()
        }
        None => steps.iter().collect(),
    };
    let logs: Vec<Log> = chosen.iter().map(|step| log(paths, &run, step)).collect();
    if session.globals.json {
        return document(session, paths, &run, &logs);
    }
    if let (Some(_), [log]) = (step, logs.as_slice()) {
        let Some(path) = &log.path else {
            session.note(format!("step `{}` has no output", log.step));
            return Ok(());
        };
        return print(session, path).map_err(|error| cannot(paths, path, &error))?;
    }
    let mut said = false;
    for log in &logs {
        let Some(path) = &log.path else { continue };
        let title = format!("==> {} <==", log.step);
        let empty = if said { "\n" } else { "" };
        said = true;
        let title = session.data_palette().paint(Paint::Bold, title);
        session.data(&format!("{empty}{title}\n"))?;
        match print(session, path) {
            Ok(printed) => printed?,
            Err(error) => session.data(&format!("({})\n", cannot(paths, path, &error)))?,
        }
    }
    if !said {
        session.note(format!("run {} left no logs", run.header.id));
    }
    Ok(())
}

/// What an older tool wrote down of a run: its events, which have no logs.
fn told(run: &Run) -> String {
    let mut out = String::new();
    for event in &run.events {
        if let EventKind::Output { line, .. } = &event.kind {
            out.line(format_args!("{}  {}", event.time, sanitize(line)));
        }
    }
    out
}

/// The log that a step named when it ended; of a step that did not end, the one that
/// it has in the plan.
fn log(paths: &Paths, run: &Run, step: &StepRun) -> Log {
    let path = if let Some(end) = &step.end {
        end.log.as_ref().map(|log| paths.root().join(log))
    } else {
        let id = &run.header.id;
        let plan = read_plan(paths, id).ok();
        let path = plan.and_then(|plan| follow::logs(paths, id, &plan).remove(&step.step));
        // A run of an older version has no plan.
        let name = || format!("{}.log", spool::slug(step.step.as_str()));
        let path = path.unwrap_or_else(|| paths.logs(id).join(name()));
        path.is_file().then_some(path)
    };
    Log {
        step: sanitize(step.step.as_str()),
        path,
    }
}

/// Writes a log to stdout, whatever its size. The outer error: it cannot be read.
fn print(session: &Session, path: &Utf8PathBuf) -> std::io::Result<Result<(), Failure>> {
    let mut chunk = String::new();
    let mut written = Ok(());
    lines(path, |line| {
        chunk.push_str(&line);
        chunk.push('\n');
        if chunk.len() >= CHUNK && written.is_ok() {
            written = session.data(&std::mem::take(&mut chunk));
        }
    })?;
    Ok(written.and_then(|()| session.data(&chunk)))
}

fn lines(path: &Utf8PathBuf, mut take: impl FnMut(String)) -> std::io::Result<()> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        // Escape sequences are left out: the text may be read elsewhere.
        take(sanitize(
            String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']),
        ));
        line.clear();
    }
    Ok(())
}

fn cannot(paths: &Paths, path: &Utf8PathBuf, error: &std::io::Error) -> Failure {
    let shown = paths.show(path);
    if error.kind() == std::io::ErrorKind::NotFound {
        return Failure::message(Exit::Unknown, format!("the log `{shown}` is gone")).help(
            hl("clean")
                .say(" and ")
                .hl("runs prune")
                .say(" remove logs; what the run did is still in ")
                .hl("runs show"),
        );
    }
    Failure::message(
        Exit::Unknown,
        format!("cannot read the log `{shown}`: {error}"),
    )
}

fn document(session: &Session, paths: &Paths, run: &Run, logs: &[Log]) -> Result<(), Failure> {
    let logs: Vec<_> = logs
        .iter()
        .map(|log| {
            let mut said = Vec::new();
            let error = log.path.as_ref().and_then(|path| {
                let failed = lines(path, |line| said.push(line)).err();
                failed.map(|error| cannot(paths, path, &error).to_string())
            });
            let path = log.path.as_ref().map(|path| paths.show(path));
            json!({ "step": log.step, "file": path, "lines": said, "error": error })
        })
        .collect();
    session.json(&json!({ "schema": "hl.logs/1", "run": run.header.id, "logs": logs }))
}
