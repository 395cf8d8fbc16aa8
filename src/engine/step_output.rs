//! What a step says: to its log and to the listeners, redacted.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};

use camino::Utf8Path;

use super::log::Log;
use super::shared::Shared;
use super::shown::short;
use crate::base::remedy;
use crate::diag::{Exit, Failure};
use crate::plan::{EventKind, Step, Stream};

/// Lines kept for a failure's report.
pub(super) const TAIL: usize = 20;

/// What one step puts out.
pub(super) struct StepOutput<'r, 'a> {
    pub(super) step: &'r Step,
    /// Its name in `state/logs/RUN/`.
    pub(super) slug: &'r str,
    run: &'r Shared<'a>,
    log: Log,
    recent: Mutex<VecDeque<String>>,
}

impl<'r, 'a> StepOutput<'r, 'a> {
    pub(super) fn new(run: &'r Shared<'a>, step: &'r Step, slug: &'r str) -> Self {
        let path = run.logs.as_ref().map(|dir| dir.join(format!("{slug}.log")));
        Self {
            step,
            slug,
            run,
            log: Log::new(path),
            recent: Mutex::default(),
        }
    }

    /// Tells the listeners; lines of output and warnings go to the
    /// log too.
    pub(super) fn emit(&self, kind: EventKind) {
        if let EventKind::Output { stream, line } = kind {
            self.output(stream, &line);
            return;
        }
        if let EventKind::Warning { message } = &kind {
            self.log(&format!("warning: {message}"));
        }
        self.run.bus.emit(Some(&self.step.id), kind);
    }

    /// A line of our own among its output.
    pub(super) fn note(&self, line: String) {
        self.emit(EventKind::Output {
            stream: Stream::Note,
            line,
        });
    }

    /// A line of output: all of it to the log. Gives back what is shown of it.
    pub(super) fn output(&self, stream: Stream, line: &str) -> String {
        let line = short(&self.log(line));
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == TAIL {
            recent.pop_front();
        }
        recent.push_back(line.clone());
        drop(recent);
        let kind = EventKind::Output {
            stream,
            line: line.clone(),
        };
        self.run.bus.emit_redacted(Some(&self.step.id), kind);
        line
    }

    /// A line for the log alone. Gives it back as it stands there: redacted,
    /// and fit to be shown by whatever prints a file.
    pub(super) fn log(&self, line: &str) -> String {
        let mut line = self.run.bus.redactor().shown(line);
        if let Err(error) = self.log.line(&mut line)
            && let Some(path) = self.log.path()
        {
            self.cannot_write(path, &error);
        }
        line
    }

    /// The log relative to the lab, if anything was written.
    pub(super) fn log_path(&self) -> Option<String> {
        let path = self.log.written()?;
        Some(self.run.setup.lab.paths.show(path).into_string())
    }

    /// The last lines of output.
    pub(super) fn recent(&self) -> Vec<String> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().cloned().collect()
    }

    /// The lab cannot be written to: the run must stop.
    pub(super) fn cannot_write(&self, path: &Utf8Path, error: &io::Error) {
        let path = self.run.setup.lab.paths.show(path);
        self.run.bus.fail(
            Failure::message(
                Exit::CannotWrite,
                format!("cannot write to `{path}`: {error}"),
            )
            .help(
                remedy(error).unwrap_or("make room or correct the permissions, then run it again"),
            ),
        );
    }
}
