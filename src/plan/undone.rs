//! What an earlier part of a run did to machines that it took away again.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, PriorState, StepId};

/// Takes out of the past what was undone: of a machine whose step at the end ran last,
/// no other result stands. The machine is made anew, and converged anew.
pub fn forget_undone(past: &mut BTreeMap<StepId, PriorState>, plan: &Plan) {
    let at_end = plan.steps.iter().filter(|step| step.finally);
    let undone: BTreeSet<&str> = at_end
        .filter(|step| matches!(past.get(&step.id), Some(PriorState::Done(_))))
        .filter_map(|step| step.machine.as_deref())
        .collect();
    for step in &plan.steps {
        let machine = step.machine.as_deref();
        if machine.is_some_and(|machine| undone.contains(machine)) {
            past.remove(&step.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{PriorResult, Step};

    #[test]
    fn what_a_machine_was_before_its_end_does_not_count() {
        let step = |machine: &str, name: &str, finally: bool| {
            let mut step = Step::new(StepId::new(machine, name), "command");
            step.machine = Some(machine.to_owned());
            step.finally = finally;
            step
        };
        let steps = ["a", "b"].map(|machine| {
            [
                step(machine, "converge", false),
                step(machine, "undo", true),
            ]
        });
        let plan = Plan::new("create", steps.into_iter().flatten().collect());
        let done = || {
            PriorState::Done(PriorResult {
                fingerprint: None,
                outputs: BTreeMap::new(),
                time: String::new(),
            })
        };
        let mut past = BTreeMap::from([
            (StepId::from("a/converge"), done()),
            (StepId::from("a/undo"), done()),
            (StepId::from("b/converge"), done()),
            (StepId::from("b/undo"), PriorState::Skipped),
            (StepId::from("other/step"), done()),
        ]);
        forget_undone(&mut past, &plan);
        let left: Vec<&str> = past.keys().map(StepId::as_str).collect();
        assert_eq!(left, ["b/converge", "b/undo", "other/step"]);
    }
}
