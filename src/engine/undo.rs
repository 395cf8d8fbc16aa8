//! A plan that is rolled back after a failure has an undo for each of its steps.

use std::collections::BTreeSet;

use crate::action::{Registry, Undo};
use crate::diag::{Exit, Failure};
use crate::plan::{FinallyWhen, OnFailure, Plan, Step};

/// Refuses a plan that says `rollback` and has a step that nothing could take back:
/// before anything runs, as afterwards it is too late.
pub(super) fn check_undo(plan: &Plan, registry: &Registry) -> Result<(), Failure> {
    if plan.on_failure != OnFailure::Rollback {
        return Ok(());
    }
    let undoing = plan.steps.iter().filter(|step| {
        step.finally && matches!(step.finally_when, FinallyWhen::Undoing | FinallyWhen::Begun)
    });
    let undoing: BTreeSet<(&str, Option<&str>)> = undoing
        .map(|step| (step.action.as_str(), step.machine.as_deref()))
        .collect();
    let is_missing = |step: &&Step| {
        // One that there is no action for is told when it runs.
        let Some(action) = registry.get(&step.action) else {
            return false;
        };
        let about = action.about();
        let has_undo = match about.undo {
            Undo::Nothing => true,
            Undo::Unknown => false,
            Undo::By(undo) => undoing.contains(&(undo, step.machine.as_deref())),
        };
        !about.reads_only && !has_undo
    };
    let main = plan.steps.iter().filter(|step| !step.finally);
    let missing: Vec<_> = main.filter(is_missing).collect();
    let Some(first) = missing.first() else {
        return Ok(());
    };
    let others = match missing.len() {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    let message = format!(
        "`{}` cannot be rolled back: step `{}` (`{}`) has no undo{others}",
        plan.recipe, first.id, first.action
    );
    Err(Failure::message(Exit::Definition, message)
        .help("choose `on_error: stop` or `on_error: continue`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::builtin;

    #[test]
    fn each_step_has_an_undo_for_its_own_node() {
        let step = |machine: &str, name: &str, action: &str| {
            let mut step = Step::new(format!("{machine}/{name}"), action);
            step.machine = Some(machine.to_owned());
            step
        };
        let undo = |machine: &str| {
            let mut step = step(machine, "undo", "machine.remove");
            (step.finally, step.finally_when) = (true, FinallyWhen::Undoing);
            step
        };
        let judge = |mode: OnFailure, steps: Vec<Step>| {
            let mut plan = Plan::new("create -M m -H pve", steps);
            plan.on_failure = mode;
            let refused = check_undo(&plan, &builtin()).err();
            refused
                .map(|failure| failure.to_string())
                .unwrap_or_default()
        };
        let apply = || step("a", "apply", "tofu.apply");
        let whole = vec![step("a", "init", "tofu.init"), apply(), undo("a")];
        assert_eq!(judge(OnFailure::Rollback, whole), "");
        let other = judge(OnFailure::Rollback, vec![apply(), undo("b")]);
        assert!(
            other.contains("step `a/apply` (`tofu.apply`) has no undo"),
            "{other}"
        );
        let program = || vec![step("a", "own", "command"), undo("a")];
        assert!(judge(OnFailure::Rollback, program()).contains("`a/own`"));
        assert_eq!(judge(OnFailure::Stop, program()), "");
    }
}
