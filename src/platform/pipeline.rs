//! `platform/pipeline.yaml`: what a bootstrap runs, in its order.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::model::Stage;
use crate::diag::{Exit, Failure};

/// Its name, in `platform/`.
pub(super) const FILE: &str = "pipeline.yaml";

/// What stands above it.
const HEAD: &str = "\
# Written by `hl platform render`. What `hl platform bootstrap` runs, in this order;
# checks run first, and all at once.
";

/// What a bootstrap runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    /// The environment.
    pub mode: String,
    /// How many entries `stages` has.
    pub total_steps: usize,
    /// Its scripts.
    pub stages: Vec<Entry>,
}

/// A script of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// `ADAPTER.SCRIPT`, unique.
    pub name: String,
    /// The adapter.
    pub adapter: String,
    /// When it runs.
    pub stage: Stage,
    /// What it does.
    pub description: String,
    /// `ADAPTER/FILE`.
    pub script: String,
    /// SHA-256 over the scripts of the adapter.
    pub digest: String,
    /// Its limit in seconds.
    pub timeout: u64,
    /// Attempts after the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// Seconds before the second attempt, doubled each time.
    #[serde(default, skip_serializing_if = "is_none")]
    pub backoff: u64,
    /// What must be reached before it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barrier: Option<String>,
    /// What is reached when it has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<String>,
    /// Variables with secrets that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Secrets that it makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub makes: Vec<String>,
    /// Placeholders whose values it finds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fills: Vec<String>,
    /// Programs that it calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// What it is told.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub context: Map<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_none(number: &u64) -> bool {
    *number == 0
}

impl Pipeline {
    /// The text of the file.
    pub fn text(&self) -> Result<String, Failure> {
        let body = serde_saphyr::to_string(self).map_err(|error| {
            Failure::message(Exit::Bug, format!("cannot write `{FILE}`: {error}"))
        })?;
        Ok(format!("{HEAD}{body}"))
    }

    /// A text that [`Pipeline::text`] gave.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_saphyr::from_str(text).ok()
    }
}
