//! What an action is given.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Cause, Exec, StepError};
use crate::diag::Exit;
use crate::lab::{Environment, Lab};
use crate::plan::{EventKind, Step};

/// Where an action sends what happens while it runs (progress, notes, warnings).
pub type Emit<'a> = dyn Fn(EventKind) + Sync + 'a;

/// Everything an action may use.
#[expect(missing_debug_implementations, reason = "holds trait objects")]
pub struct StepContext<'a> {
    /// The lab.
    pub lab: &'a Lab,
    /// The resolved environment.
    pub env: &'a Environment,
    /// The step that runs.
    pub step: &'a Step,
    /// Its inputs, every reference resolved.
    pub with: Value,
    /// The run's id.
    pub run_id: &'a str,
    /// Nothing may change.
    pub dry_run: bool,
    /// Runs children.
    pub exec: &'a dyn Exec,
    /// Takes progress, notes and warnings.
    pub emit: &'a Emit<'a>,
    /// Set when the run is being stopped or the step is out of time.
    pub cancel: &'a Cancel,
}

impl StepContext<'_> {
    /// The inputs as the action's own type.
    pub fn inputs<T: DeserializeOwned>(&self) -> Result<T, StepError> {
        serde_json::from_value(self.with.clone()).map_err(|error| {
            StepError::new(format!(
                "inputs of `{}` do not fit: {error}",
                self.step.action
            ))
            .exit(Exit::Definition)
            .help(format!(
                "see the inputs of `{}` in the reference, or `hl show {}`",
                self.step.action, self.step.recipe
            ))
        })
    }

    /// Says how far the step is.
    pub fn progress(&self, message: impl Into<String>) {
        (self.emit)(EventKind::Progress {
            message: message.into(),
            done: None,
            total: None,
        });
    }

    /// Writes a line to the step's log and to whoever listens.
    pub fn note(&self, line: impl Into<String>) {
        (self.emit)(EventKind::Output {
            stream: crate::plan::Stream::Note,
            line: line.into(),
        });
    }

    /// Warns, with a remedy in the message.
    pub fn warn(&self, message: impl Into<String>) {
        (self.emit)(EventKind::Warning {
            message: message.into(),
        });
    }
}

/// The step was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

impl From<Cancelled> for StepError {
    fn from(_: Cancelled) -> Self {
        Self::new("stopped").cause(Cause::Cancelled)
    }
}

/// A flag that wakes sleepers. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<(Mutex<bool>, Condvar)>);

impl Cancel {
    /// Asks everyone who looks to stop.
    pub fn cancel(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether it was asked.
    pub fn is_cancelled(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps, unless asked to stop before or meanwhile.
    pub fn sleep(&self, duration: Duration) -> Result<(), Cancelled> {
        let end = Instant::now() + duration;
        let mut stopped = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if *stopped {
                return Err(Cancelled);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            stopped = self
                .0
                .1
                .wait_timeout(stopped, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
