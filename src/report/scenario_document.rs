//! A scenario's run as one JSON document: `hl scenario NAME --json`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::diag::Failure;
use crate::plan::{Ended, Outcome, Status, Tally};

/// A scenario's run. Everything in it is redacted.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ScenarioDocument {
    /// Its name.
    pub scenario: String,
    /// Every phase succeeded or was skipped.
    pub success: bool,
    /// Seconds, to a tenth.
    pub duration_seconds: f64,
    /// Its phases, in the order in which they ended.
    pub phases: Vec<Phase>,
    /// The first failure; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What phases published, and what the context file held; absent when that is
    /// nothing.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub context: Map<String, Value>,
}

/// How a phase ended.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// `passed`, `failed` or `skipped`.
    pub status: &'static str,
    /// Seconds, to a tenth.
    pub duration: f64,
}

impl ScenarioDocument {
    /// The document of a finished run. `values` are those of the context file;
    /// `failure` is what stopped all of it, if something did.
    pub fn new(
        scenario: &str,
        values: Option<&Map<String, Value>>,
        tally: &Tally,
        failure: Option<&Failure>,
    ) -> Self {
        let (outcome, _, duration) = tally.finished.unwrap_or_default();
        let mut context = values.cloned().unwrap_or_default();
        for ended in tally.ended() {
            let own = ended.end.outputs.iter();
            let own = own.filter(|(name, _)| !name.starts_with('_'));
            context.extend(own.map(|(name, value)| (name.clone(), value.clone())));
        }
        let failed = tally
            .ended()
            .find(|ended| ended.end.status == Status::Failed);
        Self {
            scenario: scenario.to_owned(),
            success: outcome == Outcome::Succeeded && failure.is_none(),
            duration_seconds: tenth(duration.as_secs_f64()),
            phases: tally.ended().map(phase).collect(),
            error: failed
                .map(|ended| ended.end.summary.clone())
                .or_else(|| failure.map(ToString::to_string))
                .or_else(|| {
                    (outcome != Outcome::Succeeded).then(|| "the run was stopped".to_owned())
                }),
            context,
        }
    }

    /// The document of a run that did not start.
    pub fn not_started(scenario: &str, failure: &Failure) -> Self {
        Self::new(scenario, None, &Tally::default(), Some(failure))
    }
}

fn phase(ended: Ended<'_>) -> Phase {
    Phase {
        name: ended.step.name().to_owned(),
        status: match ended.end.status {
            Status::Succeeded => "passed",
            Status::Failed => "failed",
            Status::Skipped | Status::Blocked | Status::Cancelled | Status::NotPlanned => "skipped",
        },
        duration: tenth(ended.end.duration().as_secs_f64()),
    }
}

fn tenth(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::{Event, EventKind, StepEnd, StepId};

    fn event(step: &str, kind: EventKind) -> Event {
        Event {
            time: "2026-01-02T03:04:05.678Z".to_owned(),
            step: (!step.is_empty()).then(|| StepId::from(step)),
            kind,
        }
    }

    #[test]
    fn it_has_the_shape_that_tools_know() {
        let mut built = StepEnd::new(Status::Succeeded, "");
        built.duration_ms = 6_849;
        built.outputs.insert("images".to_owned(), json!(["d12"]));
        let failed = StepEnd::new(Status::Failed, "no room");
        let over = EventKind::RunFinished {
            outcome: Outcome::Failed,
            exit: 1,
            duration_ms: 7_000,
            earlier_ms: 0,
        };
        let tally = Tally::of(&[
            event("packer-build-fetch/build", EventKind::StepFinished(built)),
            event("packer-build-fetch/fetch", EventKind::StepFinished(failed)),
            event("", over),
        ]);
        let values = Map::from_iter([("vm_ip".to_owned(), json!("192.0.2.1"))]);
        let document = ScenarioDocument::new("packer-build-fetch", Some(&values), &tally, None);
        let expected = json!({
            "scenario": "packer-build-fetch",
            "success": false,
            "duration_seconds": 7.0,
            "phases": [
                { "name": "build", "status": "passed", "duration": 6.8 },
                { "name": "fetch", "status": "failed", "duration": 0.0 },
            ],
            "error": "no room",
            "context": { "vm_ip": "192.0.2.1", "images": ["d12"] },
        });
        assert_eq!(serde_json::to_value(document).unwrap(), expected);
    }
}
