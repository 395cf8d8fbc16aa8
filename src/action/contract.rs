//! The contract between the engine and every action.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::Serialize;
use serde_json::Value;

use super::{About, Basis, Reads, StepContext};
use crate::diag::{Advice, StepError};
use crate::handoff::Handoff;
use crate::plan::Step;

/// What an action did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Done {
    /// One line for people: `3 added, 1 changed`.
    pub summary: String,
    /// Whether anything changed, where the action can tell.
    pub changed: Option<bool>,
    /// Values for later steps.
    pub outputs: BTreeMap<String, Value>,
    /// Files and directories for the steps that use what this one publishes:
    /// removed when all of these have ended, whatever happened, and at the end
    /// of the run at the latest.
    pub temporary: Vec<Utf8PathBuf>,
    /// What the user should know, each with a remedy.
    pub warnings: Vec<Advice>,
    /// Set when there was nothing to do or, in a dry run, when it cannot be
    /// known: the step then counts as skipped or not planned.
    pub instead: Option<Instead>,
}

/// How a step ends that neither did its work nor failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// There was nothing to do; the reason.
    Skipped(String),
    /// Dry run: depends on what only a live run makes; the reason.
    NotPlanned(String),
}

impl Done {
    /// Done, with a summary.
    pub fn new(summary: impl Into<String>) -> Self {
        Self {
            summary: summary.into(),
            ..Self::default()
        }
    }

    /// There was nothing to do, for this reason.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self {
            instead: Some(Instead::Skipped(reason.into())),
            ..Self::default()
        }
    }

    /// It depends on what only a live run makes, for this reason.
    pub fn not_planned(reason: impl Into<String>) -> Self {
        Self {
            instead: Some(Instead::NotPlanned(reason.into())),
            ..Self::default()
        }
    }

    /// Publishes a value for later steps.
    #[must_use]
    pub fn output(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.outputs.insert(key.to_owned(), value.into());
        self
    }

    /// Publishes the fields of a value that is handed on.
    #[must_use]
    pub fn publish(mut self, value: &impl Serialize) -> Self {
        // Any other value has no fields.
        if let Ok(Value::Object(fields)) = serde_json::to_value(value) {
            self.outputs.extend(fields);
        }
        self
    }

    /// Says whether anything changed.
    #[must_use]
    pub fn changed(mut self, changed: bool) -> Self {
        self.changed = Some(changed);
        self
    }

    /// Adds a file that goes when the steps that use the outputs have ended.
    #[must_use]
    pub fn temporary(mut self, path: impl Into<Utf8PathBuf>) -> Self {
        self.temporary.push(path.into());
        self
    }

    /// Adds a warning.
    #[must_use]
    pub fn warn(mut self, warning: impl Into<Advice>) -> Self {
        self.warnings.push(warning.into());
        self
    }
}

/// What a step is about to do, for the person who has to say yes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approval {
    /// What would happen, line by line.
    pub summary: Vec<String>,
    /// The question, e.g. `apply 2 changes to dev on pve?`.
    pub question: String,
    /// When set, this word must be typed instead of `y` (destroy, replace).
    pub type_word: Option<String>,
    /// Only a person answers: `--yes`, which was given before, is not for it.
    pub in_person: bool,
    /// All that would be done, as data, where the lines are a digest of it:
    /// what an earlier part of the run showed is told from what is new by it.
    pub exact: Value,
}

/// What a step can do.
pub trait Action: Send + Sync {
    /// What it is.
    fn about(&self) -> About;

    /// What the result rests on beside the inputs: in a resumed run it stands
    /// as long as that is the same. Starts no child and asks nobody.
    fn basis(&self, ctx: &StepContext<'_>) -> Result<Basis, StepError> {
        let _ = ctx;
        Ok(match self.about().never {
            Some(why) => Basis::Never(why),
            None => Basis::On(Reads::default()),
        })
    }

    /// Whether what an earlier run of the step made is still there, where
    /// outputs that are paths of the lab do not tell; the error is the reason,
    /// as in `the template 9000 is gone`.
    fn still_valid(
        &self,
        ctx: &StepContext<'_>,
        outputs: &BTreeMap<String, Value>,
    ) -> Result<(), String> {
        let _ = (ctx, outputs);
        Ok(())
    }

    /// What to ask before [`Action::run`] when the step has `approve`; `None`
    /// when there is nothing to approve (an empty plan). An action that has no
    /// more to say asks with the line of its dry run.
    fn approval(&self, ctx: &StepContext<'_>) -> Result<Option<Approval>, StepError> {
        let seen = self.preview(ctx)?;
        let line = match seen.instead {
            Some(Instead::Skipped(_)) => return Ok(None),
            Some(Instead::NotPlanned(reason)) => reason,
            None => seen.summary,
        };
        Ok(Some(Approval {
            summary: vec![line],
            question: format!("run `{}`?", ctx.step.id),
            exact: ctx.with.clone(),
            ..Approval::default()
        }))
    }

    /// What a step of it hands on to later runs and to other tools.
    fn handoff(&self, step: &Step, dry_run: bool) -> Handoff {
        let _ = (step, dry_run);
        self.about().handoff
    }

    /// Dry run: validates and reads, changes nothing.
    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError>;

    /// Does it. What only looks, or works on files of its own, does no more than
    /// in a dry run.
    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        self.preview(ctx)
    }
}
