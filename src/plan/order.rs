//! The order in which steps can run.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::{Plan, Step, StepId};

/// Steps that wait for each other, in a circle: the first is needed by the last.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("steps need each other in a circle: {}", .0.iter().map(StepId::as_str).collect::<Vec<_>>().join(" -> "))]
pub struct Cycle(pub Vec<StepId>);

/// A stable topological order: each step after all that it needs, and otherwise
/// as written. Needs that name no step of the plan are ignored here; building
/// the plan has refused them.
pub fn order(plan: &Plan) -> Result<Vec<StepId>, Cycle> {
    let name = |i: usize| plan.steps[i].id.clone();
    match sort(&needs(plan, |step| &step.needs)) {
        Ok(order) => Ok(order.into_iter().map(name).collect()),
        Err(circle) => Err(Cycle(circle.into_iter().map(name).collect())),
    }
}

/// For each step of the plan, the places of the steps that `of` says it needs.
/// Names that are no step's are left out.
pub fn needs<'a, I>(plan: &'a Plan, of: impl Fn(&'a Step) -> I) -> Vec<Vec<usize>>
where
    I: IntoIterator<Item: Borrow<StepId>>,
{
    let steps = plan.steps.iter();
    steps
        .map(|step| {
            let places = of(step).into_iter();
            places
                .filter_map(|need| plan.position(need.borrow()))
                .collect()
        })
        .collect()
}

/// Orders the numbers below `needs.len()`: each after all that it needs, and
/// otherwise the lowest first. Linear but for a heap of what is ready.
///
/// # Errors
/// Numbers that need each other in a circle: each needs the next, the last needs
/// the first.
pub fn sort(needs: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut unmet: Vec<usize> = needs.iter().map(Vec::len).collect();
    let dependents = dependents(needs);
    let all = 0..needs.len();
    let mut ready: BinaryHeap<Reverse<usize>> = all
        .clone()
        .filter(|i| unmet[*i] == 0)
        .map(Reverse)
        .collect();
    let mut done = Vec::with_capacity(needs.len());
    while let Some(Reverse(next)) = ready.pop() {
        done.push(next);
        for &dependent in &dependents[next] {
            unmet[dependent] -= 1;
            if unmet[dependent] == 0 {
                ready.push(Reverse(dependent));
            }
        }
    }
    match all.clone().find(|i| unmet[*i] > 0) {
        None => Ok(done),
        Some(first) => Err(circle(first, needs, &unmet)),
    }
}

/// For each number, those that need it: [`sort`]'s `needs` the other way round.
pub fn dependents(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut dependents = vec![Vec::new(); needs.len()];
    for (i, needs) in needs.iter().enumerate() {
        for &need in needs {
            dependents[need].push(i);
        }
    }
    dependents
}

/// A circle that is reached from `first` by needs that stay unmet.
fn circle(first: usize, needs: &[Vec<usize>], unmet: &[usize]) -> Vec<usize> {
    let mut seen_at = BTreeMap::from([(first, 0)]);
    let mut path = vec![first];
    let open = |i: &usize| needs[*i].iter().copied().filter(|n| unmet[*n] > 0).min();
    while let Some(next) = path.last().and_then(open) {
        if let Some(start) = seen_at.get(&next) {
            path.drain(..*start);
            break;
        }
        seen_at.insert(next, path.len());
        path.push(next);
    }
    path
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
            steps[*from].needs.push(StepId::from(format!("r/{to}")));
        }
        Plan::new("r", steps)
    }

    proptest! {
        #[test]
        fn every_need_comes_first(edges in prop::collection::vec((0usize..12, 0usize..12), 0..30)) {
            // Edges that point to an earlier step only: never a cycle.
            let edges: Vec<_> = edges.into_iter().filter(|(a, b)| a > b).collect();
            let order = order(&plan(&edges, 12)).unwrap();
            let at = |i: usize| order.iter().position(|id| id.as_str() == format!("r/{i}")).unwrap();
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
