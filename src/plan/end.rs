//! How a step ended, or where it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed,
    /// Its `when` said no, or there was nothing to do.
    Skipped,
    /// Something it needs failed, was blocked or was cancelled.
    Blocked,
    /// The user stopped it.
    Cancelled,
    /// Dry run only: it depends on something that only a live run makes.
    NotPlanned,
}

impl Status {
    /// Whether the step is done and need not be done again.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Succeeded | Self::Skipped)
    }
}

/// How a step ended, or where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// It runs now.
    Running,
    /// It ran when its `hl` died.
    Interrupted,
    /// It ended.
    #[serde(untagged)]
    Ended(Status),
}

/// The end of a step, as events, journals and reports tell it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepEnd {
    /// How.
    pub status: Status,
    /// Whether anything changed, where the action can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    /// Milliseconds from its first start, 0 when it never started.
    pub duration_ms: u64,
    /// One line: the result, or the reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// What it published for later steps.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Value>,
    /// What its result rests on, see [`super::Fingerprint`]; absent when it
    /// did not run, or when `outputs` are not all that it published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Warnings it ended with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What to do, when it failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
    /// Last lines of its output, when it failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<String>,
    /// Exit code this failure stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
    /// Its log, relative to the lab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

impl StepEnd {
    /// An end of which nothing else is known.
    pub fn new(status: Status, summary: impl Into<String>) -> Self {
        Self {
            status,
            changed: None,
            duration_ms: 0,
            summary: summary.into(),
            outputs: BTreeMap::new(),
            fingerprint: None,
            warnings: Vec::new(),
            help: Vec::new(),
            tail: Vec::new(),
            exit: None,
            log: None,
        }
    }

    /// The time from its first start, zero when it never started.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.duration_ms)
    }
}
