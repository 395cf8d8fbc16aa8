//! The plans of `hl templates promote`, `rollback` and `prune`.

use serde_json::json;

use crate::plan::{Plan, Step, StepId};

/// What is done with the builds of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A build becomes stable.
    Promote {
        /// The template.
        name: String,
        /// The build.
        stamp: String,
    },
    /// What was stable before becomes stable again.
    Rollback {
        /// The template.
        name: String,
    },
    /// Old builds are removed, on the node and here.
    Prune {
        /// The template.
        name: String,
        /// How many of the newest stay, besides the stable one.
        keep: usize,
    },
}

/// The plan of a change.
pub fn plan(change: &Change) -> Plan {
    let (verb, with) = match change {
        Change::Promote { name, stamp } => ("promote", json!({ "name": name, "stamp": stamp })),
        Change::Rollback { name } => ("rollback", json!({ "name": name })),
        Change::Prune { name, keep } => ("prune", json!({ "name": name, "keep": keep })),
    };
    let mut step = Step::new(StepId::new("templates", verb), format!("template.{verb}"));
    step.with = with.as_object().cloned().unwrap_or_default();
    step.approve = verb == "prune";
    Plan::new(format!("templates {verb}"), vec![step])
}
