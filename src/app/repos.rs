//! The plan of `hl site repos`.

use std::collections::BTreeMap;

use serde_json::json;

use crate::plan::{Plan, Step, StepId};

/// A step for each repository of `[repos]`; none waits for another.
pub fn plan(repos: &BTreeMap<String, String>) -> Plan {
    let steps = repos.iter().map(|(name, url)| {
        let mut step = Step::new(StepId::new("repos", name), "repo.sync");
        step.with = json!({ "name": name, "url": url })
            .as_object()
            .cloned()
            .unwrap_or_default();
        step
    });
    Plan::new("site repos", steps.collect())
}
