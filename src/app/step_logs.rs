//! Where the steps of a run have their logs.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use crate::engine::slugs;
use crate::lab::{Paths, spool};
use crate::plan::{Plan, StepId};
use crate::runs;

/// Where each step of a run has its log.
pub fn step_logs(paths: &Paths, id: &str, plan: &Plan) -> BTreeMap<StepId, Utf8PathBuf> {
    let logs = paths.logs(id);
    let names = slugs(plan).into_iter();
    names
        .map(|(step, name)| (step, logs.join(format!("{name}.log"))))
        .collect()
}

/// Where a step of the run with this id has its log, by the plan of the run.
pub fn step_log(paths: &Paths, id: &str, step: &StepId) -> Utf8PathBuf {
    let plan = runs::planned(paths, id).ok();
    let path = plan.and_then(|plan| step_logs(paths, id, &plan).remove(step));
    // A run of an older version has no plan.
    let name = || format!("{}.log", spool::slug(step.as_str()));
    path.unwrap_or_else(|| paths.logs(id).join(name()))
}
