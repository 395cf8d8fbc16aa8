//! What an action is given.

use camino::Utf8PathBuf;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Exec;
use crate::base::{Cancel, Cancelled};
use crate::diag::{Advice, Commands, Exit, say};
use crate::diag::{Cause, StepError};
use crate::lab::{Environment, Lab};
use crate::plan::{EventKind, Step};
use crate::pve;

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
    /// A directory for files of this step in this run alone, in every part of the
    /// run the same. The action that makes it removes it.
    pub work: Utf8PathBuf,
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
    /// The same step with other inputs, for an action that is made of others.
    pub(super) fn with_inputs(&self, with: Value) -> Self {
        Self {
            lab: self.lab,
            env: self.env,
            step: self.step,
            with,
            run_id: self.run_id,
            work: self.work.clone(),
            dry_run: self.dry_run,
            exec: self.exec,
            emit: self.emit,
            cancel: self.cancel,
        }
    }

    /// The inputs as the action's own type.
    pub fn inputs<T: DeserializeOwned>(&self) -> Result<T, StepError> {
        serde_json::from_value(self.with.clone()).map_err(|error| {
            StepError::new(format!(
                "inputs of `{}` do not fit: {error}",
                self.step.action
            ))
            .exit(Exit::Definition)
            .help(
                say(format!(
                    "see the inputs of `{}` in the reference, or ",
                    self.step.action
                ))
                .hl(format!("show {}", self.step.recipe)),
            )
        })
    }

    /// The folder of the step's layer: `layers/ID` or `layers/ID-NAME`.
    pub fn layer_dir(&self) -> Option<Utf8PathBuf> {
        let id = self.step.layer.as_deref();
        let layers = self.lab.paths.layers();
        let names = layers.read_dir_utf8().ok()?.flatten();
        let names = names.map(|entry| entry.file_name().to_owned());
        let name = names.filter(|name| name.split('-').next() == id).min()?;
        Some(layers.join(name))
    }

    /// A client of the node's API; its reads and waits end when the step is stopped.
    pub fn pve(&self) -> Result<pve::Client, pve::Error> {
        Ok(self.lasting_pve()?.with_cancel(self.cancel))
    }

    /// A client that works on after a stop, to tidy up.
    pub fn lasting_pve(&self) -> Result<pve::Client, pve::Error> {
        pve::Client::new(self.env, &self.lab.paths)
    }

    /// Says how far the step is.
    pub fn progress(&self, message: impl Into<String>) {
        (self.emit)(EventKind::Progress {
            message: message.into(),
            done: None,
            total: None,
        });
    }

    /// Tells a result worth a line of its own: to the step's log and to the
    /// listeners.
    pub fn note(&self, line: impl Into<Advice>) {
        (self.emit)(EventKind::Output {
            stream: crate::plan::Stream::Note,
            line: self.text(line),
        });
    }

    /// Writes a line of a tool's own talk: to the step's log, and to those who
    /// want to see all output.
    pub fn output(&self, line: impl Into<String>) {
        (self.emit)(EventKind::Output {
            stream: crate::plan::Stream::Stdout,
            line: line.into(),
        });
    }

    /// Warns, with a remedy in the message.
    pub fn warn(&self, message: impl Into<Advice>) {
        (self.emit)(EventKind::Warning {
            message: self.text(message),
        });
    }

    /// Whose commands of `hl` are advised: in a rehearsal, those of the rehearsal.
    pub fn commands(&self) -> Commands {
        self.lab.paths.commands()
    }

    /// Advice as it is read, its commands written out.
    pub fn text(&self, advice: impl Into<Advice>) -> String {
        advice.into().text(self.commands())
    }
}

impl From<Cancelled> for StepError {
    fn from(_: Cancelled) -> Self {
        Self::new("stopped").cause(Cause::Cancelled)
    }
}
