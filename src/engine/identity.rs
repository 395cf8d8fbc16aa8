//! Before a run: does the plan make sense, and what is the run called.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::board::needs;
use super::setup::Setup;
use crate::base::{Process, boot_id, hex};
use crate::diag::{Exit, Failure};
use crate::plan::{self, Cycle, EventKind, Plan, Resumed, RunInfo, sort};

/// Refuses a plan that cannot be executed to its end. Definitions are checked
/// with places when they are read; this holds for plans from anywhere.
pub(super) fn check(plan: &Plan) -> Result<(), Failure> {
    let wrong = |message: String| Err(Failure::message(Exit::Definition, message));
    let mut seen = BTreeSet::new();
    for step in &plan.steps {
        if !seen.insert(&step.id) {
            return wrong(format!(
                "two steps of `{}` are called `{}`",
                plan.recipe, step.id
            ));
        }
    }
    let needs = plan::needs(plan, needs);
    if let Err(circle) = sort(&needs) {
        let names = circle.into_iter().map(|i| plan.steps[i].id.clone());
        return wrong(Cycle(names.collect()).to_string());
    }
    for (step, needs) in plan.steps.iter().zip(&needs) {
        let mut needed = needs.iter().map(|need| &plan.steps[*need]);
        if let Some(need) = needed.find(|need| need.finally && !step.finally) {
            return wrong(format!(
                "`{}` needs `{}`, which runs at the very end (`finally`)",
                step.id, need.id
            ));
        }
    }
    Ok(())
}

/// The first event of the run, or of the part that goes on with it.
pub(super) fn begins(plan: &Plan, setup: &Setup<'_>) -> EventKind {
    let info = info(plan, setup);
    match &setup.options.resumes {
        None => EventKind::RunStarted(info),
        Some(flags) => EventKind::Resumed(Resumed {
            info,
            boot_id: boot_id(),
            flags: flags.clone(),
        }),
    }
}

fn info(plan: &Plan, setup: &Setup<'_>) -> RunInfo {
    let this = Process::of_run();
    let options = &setup.options;
    RunInfo {
        id: options.run_id.clone(),
        recipe: plan.recipe.clone(),
        command: options.command.clone(),
        dry_run: options.dry_run,
        rehearsal: setup.lab.paths.is_rehearsal(),
        steps: plan.steps.len(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: this.pid,
        pid_start: this.start,
        operator: options.operator.clone(),
        plan_digest: digest(plan),
    }
}

/// SHA-256 of the serialised plan, hex.
fn digest(plan: &Plan) -> String {
    let text = serde_json::to_vec(plan).unwrap_or_default();
    hex(&Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Step, StepId};

    #[test]
    fn plans_that_cannot_end_are_refused() {
        let step = |id: &str, needs: &[&str]| {
            let mut step = Step::new(id, "x");
            step.needs = needs.iter().map(|n| StepId::from(*n)).collect();
            step
        };
        let message = |steps: Vec<Step>| {
            check(&Plan::new("r", steps))
                .map_err(|f| f.to_string())
                .err()
        };
        assert_eq!(message(vec![step("r/a", &[]), step("r/b", &["r/a"])]), None);
        let twice = message(vec![step("r/a", &[]), step("r/a", &[])]).unwrap();
        assert_eq!(twice, "two steps of `r` are called `r/a`");
        let mut user = step("r/b", &["r/a"]);
        user.with.insert("x".to_owned(), "${steps.r/c.k}".into());
        let circle = message(vec![step("r/a", &[]), user, step("r/c", &["r/b"])]).unwrap();
        assert_eq!(circle, "steps need each other in a circle: r/b -> r/c");
        let mut last = step("r/z", &[]);
        last.finally = true;
        let deadlock = message(vec![last, step("r/a", &["r/z"])]).unwrap();
        assert!(deadlock.contains("runs at the very end"), "{deadlock}");
    }
}
