//! A run as one JSON document (`--json` on anything that runs).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::summary::runway_verdict;
use crate::diag::{Exit, Failure};
use crate::plan::{Ended, Outcome, Plan, Status, Tally};

/// A whole run. Everything in it is redacted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Document {
    /// `hl.result/1`
    pub schema: &'static str,
    /// What was asked for.
    pub scenario: String,
    /// Run id; absent for runs that leave no trace (L0).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Nothing was changed.
    pub dry_run: bool,
    /// Every step succeeded or was skipped.
    pub success: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// Exit code of the process.
    pub exit: u8,
    /// Seconds.
    pub duration_seconds: f64,
    /// `cleared`, `cleared with warnings` or `not cleared`, where a layer of checks ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runway: Option<&'static str>,
    /// Every step, in the order in which it ended.
    pub phases: Vec<StepReport>,
    /// What steps published, by name alone (`vm_ip`, `provisioned_vms`); of two
    /// steps that published the same name, the one that ended last.
    pub context: BTreeMap<String, Value>,
    /// What steps published, by step.
    pub outputs: BTreeMap<String, BTreeMap<String, Value>>,
    /// The first failure in one line; null when there is none.
    pub error: Option<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StepReport {
    /// `recipe/step`
    pub name: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// Its layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// How it ended.
    pub status: Status,
    /// Whether anything changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    /// Result or reason.
    pub message: String,
    /// Remedies.
    pub help: Vec<String>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Last lines of output of a failed step.
    pub tail: Vec<String>,
    /// Seconds.
    pub duration: f64,
    /// Log, relative to the lab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

impl Document {
    /// The document of a finished run.
    /// `failure` is what stopped all of it, if something did.
    pub fn new(
        plan: &Plan,
        tally: &Tally,
        run: Option<String>,
        dry_run: bool,
        failure: Option<&Failure>,
    ) -> Self {
        let (outcome, mut exit, duration) = tally.finished.unwrap_or_default();
        if let Some(failure) = failure {
            exit = failure.exit.code();
        }
        Self {
            schema: "hl.result/1",
            scenario: plan.recipe.clone(),
            run,
            dry_run,
            success: outcome == Outcome::Succeeded && failure.is_none(),
            outcome,
            exit,
            duration_seconds: duration.as_secs_f64(),
            runway: runway_verdict(plan, tally),
            phases: tally.ended().map(|ended| step(plan, ended)).collect(),
            context: tally.ended().flat_map(|e| e.end.outputs.clone()).collect(),
            outputs: tally
                .ended()
                .filter(|e| !e.end.outputs.is_empty())
                .map(|e| (e.step.to_string(), e.end.outputs.clone()))
                .collect(),
            error: tally
                .ended()
                .find(|e| e.end.status == Status::Failed)
                .map(|e| format!("step `{}` failed: {}", e.step, e.end.summary))
                .or_else(|| failure.map(ToString::to_string)),
        }
    }

    /// The document of a run without steps: nothing was to be done.
    pub fn idle(scenario: &str, dry_run: bool) -> Self {
        Self {
            schema: "hl.result/1",
            scenario: scenario.to_owned(),
            dry_run,
            success: true,
            outcome: Outcome::Succeeded,
            ..Self::default()
        }
    }

    /// The document of a run that did not start.
    pub fn not_started(scenario: &str, dry_run: bool, failure: &Failure) -> Self {
        let stopped = [Exit::NotApproved, Exit::Interrupted, Exit::Terminated];
        let outcome = if stopped.contains(&failure.exit) {
            Outcome::Cancelled
        } else {
            Outcome::Failed
        };
        Self {
            success: false,
            outcome,
            exit: failure.exit.code(),
            error: Some(failure.to_string()),
            ..Self::idle(scenario, dry_run)
        }
    }
}

fn step(plan: &Plan, ended: Ended<'_>) -> StepReport {
    let step = plan.step(ended.step);
    let end = ended.end.clone();
    StepReport {
        name: ended.step.to_string(),
        doc: step.map(|s| s.doc.clone()).unwrap_or_default(),
        layer: step.and_then(|s| s.layer.clone()),
        status: end.status,
        changed: end.changed,
        duration: end.duration().as_secs_f64(),
        message: end.summary,
        help: end.help,
        warnings: end.warnings,
        tail: end.tail,
        log: end.log,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{end_of, ended, over, plan};
    use super::*;

    #[test]
    fn it_holds_every_step_the_verdict_and_the_first_failure() {
        let plan = plan(&["l0-r/a", "l2-b/plan", "l2-b/apply", "l2-b/outputs"]);
        let mut first = ended(10, "l0-r/a", Status::Succeeded, 10, "fine");
        let end = end_of(&mut first);
        end.outputs.insert("version".to_owned(), "9.1".into());
        let mut second = ended(20, "l2-b/plan", Status::Succeeded, 10, "planned");
        let end = end_of(&mut second);
        end.outputs.insert("version".to_owned(), "9.2".into());
        end.outputs.insert("vm_ip".to_owned(), "10.0.0.5".into());
        let mut tally = Tally::default();
        for event in [
            first,
            second,
            ended(30, "l2-b/apply", Status::Failed, 20, "it broke"),
            ended(30, "l2-b/outputs", Status::Blocked, 0, "needs `l2-b/apply`"),
            over(30, Outcome::Failed, 7),
        ] {
            tally.take(&event);
        }
        let document = Document::new(&plan, &tally, None, false, None);
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap(), @r#"
        {
          "schema": "hl.result/1",
          "scenario": "up",
          "dry_run": false,
          "success": false,
          "outcome": "failed",
          "exit": 7,
          "duration_seconds": 0.03,
          "runway": "cleared",
          "phases": [
            {
              "name": "l0-r/a",
              "layer": "l0",
              "status": "succeeded",
              "message": "fine",
              "help": [],
              "warnings": [],
              "tail": [],
              "duration": 0.01
            },
            {
              "name": "l2-b/plan",
              "layer": "l2",
              "status": "succeeded",
              "message": "planned",
              "help": [],
              "warnings": [],
              "tail": [],
              "duration": 0.01
            },
            {
              "name": "l2-b/apply",
              "layer": "l2",
              "status": "failed",
              "message": "it broke",
              "help": [],
              "warnings": [],
              "tail": [],
              "duration": 0.02
            },
            {
              "name": "l2-b/outputs",
              "layer": "l2",
              "status": "blocked",
              "message": "needs `l2-b/apply`",
              "help": [],
              "warnings": [],
              "tail": [],
              "duration": 0.0
            }
          ],
          "context": {
            "version": "9.2",
            "vm_ip": "10.0.0.5"
          },
          "outputs": {
            "l0-r/a": {
              "version": "9.1"
            },
            "l2-b/plan": {
              "version": "9.2",
              "vm_ip": "10.0.0.5"
            }
          },
          "error": "step `l2-b/apply` failed: it broke"
        }
        "#);
    }
}
