//! The order in which steps can run.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, StepId};

/// Steps that wait for each other, in a circle: the first is needed by the last.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("steps need each other in a circle: {}", .0.iter().map(StepId::as_str).collect::<Vec<_>>().join(" -> "))]
pub struct Cycle(pub Vec<StepId>);

/// A stable topological order: each step after all that it needs, and otherwise
/// as written. Needs that name no step of the plan are ignored here; building
/// the plan has refused them.
pub fn order(plan: &Plan) -> Result<Vec<StepId>, Cycle> {
    let index: BTreeMap<&StepId, usize> = plan
        .steps
        .iter()
        .enumerate()
        .map(|(i, step)| (&step.id, i))
        .collect();
    let mut waiting: Vec<BTreeSet<usize>> = plan
        .steps
        .iter()
        .map(|step| {
            step.needs
                .iter()
                .filter_map(|need| index.get(need).copied())
                .collect()
        })
        .collect();
    let mut done = Vec::with_capacity(plan.steps.len());
    let mut open: BTreeSet<usize> = (0..plan.steps.len()).collect();
    while let Some(next) = open.iter().copied().find(|i| waiting[*i].is_empty()) {
        open.remove(&next);
        done.push(plan.steps[next].id.clone());
        for needs in &mut waiting {
            needs.remove(&next);
        }
    }
    let Some(first) = open.first().copied() else {
        return Ok(done);
    };
    let mut path = vec![first];
    while let Some(next) = path.last().and_then(|last| waiting[*last].first().copied()) {
        if let Some(start) = path.iter().position(|seen| *seen == next) {
            path.drain(..start);
            break;
        }
        path.push(next);
    }
    Err(Cycle(
        path.into_iter().map(|i| plan.steps[i].id.clone()).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Step;
    use proptest::prelude::*;

    fn plan(edges: &[(usize, usize)], count: usize) -> Plan {
        let mut steps: Vec<Step> = (0..count)
            .map(|i| Step::new(format!("r/{i}"), "command"))
            .collect();
        for (from, to) in edges {
            steps[*from].needs.push(StepId(format!("r/{to}")));
        }
        Plan::new("r", steps)
    }

    proptest! {
        #[test]
        fn every_need_comes_first(edges in prop::collection::vec((0usize..12, 0usize..12), 0..30)) {
            // Edges that point to an earlier step only: never a cycle.
            let edges: Vec<_> = edges.into_iter().filter(|(a, b)| a > b).collect();
            let order = order(&plan(&edges, 12)).unwrap();
            let at = |i: usize| order.iter().position(|id| id.0 == format!("r/{i}")).unwrap();
            for (from, to) in edges {
                prop_assert!(at(to) < at(from));
            }
        }
    }

    #[test]
    fn a_circle_is_named() {
        let cycle = order(&plan(&[(0, 1), (1, 2), (2, 1)], 3)).unwrap_err();
        assert_eq!(
            cycle.to_string(),
            "steps need each other in a circle: r/1 -> r/2"
        );
    }
}
