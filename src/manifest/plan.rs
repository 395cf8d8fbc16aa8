//! The plan of a verb: a step for each phase of each node.

use super::machine::{PlannedNode, nodes};
use super::read::ManifestFile;
use super::settings::PlanSettings;
use super::steps::{Along, GUARD, guard, left, steps};
use crate::diag::Failure;
use crate::handoff::ManifestOnHost;
use crate::plan::{OnFailure, Plan, Step, StepId};
use crate::runs::ManifestVerb;
use crate::site::resolve::Resolved;

/// The plan of a verb: `create` and `test` make parents before what is in them, and
/// siblings at once; `destroy` goes the other way.
///
/// # Errors
/// A node cannot be made as it is described (65, every finding).
pub fn plan(
    file: &ManifestFile,
    resolved: &Resolved,
    settings: &PlanSettings,
) -> Result<Plan, Failure> {
    let graph = &file.graph;
    let nodes = nodes(graph, resolved)?;
    let PlanSettings {
        verb,
        host,
        on_error,
        ..
    } = settings;
    let text = format!("{} -M {} -H {host}", verb.name(), graph.name);
    let own = graph.settings.on_error.into();
    let mode = match verb {
        ManifestVerb::Create => on_error.unwrap_or(own),
        // What it made is destroyed in the end, whatever happened.
        ManifestVerb::Test => match on_error.unwrap_or(own) {
            OnFailure::Rollback | OnFailure::Stop => OnFailure::Stop,
            OnFailure::Continue => OnFailure::Continue,
        },
        ManifestVerb::Destroy => OnFailure::Continue,
    };
    let along = Along {
        settings,
        graph,
        text: &text,
        rolls_back: mode == OnFailure::Rollback,
    };
    let mut all = settings.preflight.clone();
    let before: Vec<StepId> = all.iter().map(|step| step.id.clone()).collect();
    let order = match verb {
        ManifestVerb::Create | ManifestVerb::Test => graph.create_order(),
        ManifestVerb::Destroy => graph.destroy_order(),
    };
    let created = graph.create_order().into_iter();
    let created: Vec<&PlannedNode> = created.filter_map(|place| nodes.get(place)).collect();
    let guard = guard(&along, &created, before);
    let first = guard.id.clone();
    all.push(guard);
    let children = graph.children();
    let mut last: Vec<Vec<StepId>> = vec![Vec::new(); nodes.len()];
    let mut at_end = Vec::new();
    for place in order {
        let (Some(node), Some(planned)) = (graph.nodes.get(place), nodes.get(place)) else {
            continue;
        };
        let mut needs = vec![first.clone()];
        match verb {
            ManifestVerb::Create | ManifestVerb::Test => {
                let above = node.parent.and_then(|parent| last.get(parent));
                needs.extend(above.into_iter().flatten().cloned());
            }
            ManifestVerb::Destroy => {
                let within = children.get(place).into_iter().flatten();
                let within = within.filter_map(|child| last.get(*child));
                needs.extend(within.flatten().cloned());
            }
        }
        let of_node = steps(&along, planned, needs).into_iter();
        let (finally, main): (Vec<Step>, Vec<Step>) = of_node.partition(|step| step.finally);
        if let (Some(ends), Some(step)) = (last.get_mut(place), main.last()) {
            ends.push(step.id.clone());
        }
        all.extend(main);
        at_end.push((place, finally));
    }
    // What is in a machine goes before it, whatever was made.
    at_end.reverse();
    let mut gone: Vec<Vec<StepId>> = vec![Vec::new(); nodes.len()];
    let mut removals = Vec::new();
    for (place, finally) in at_end {
        for mut step in finally {
            let within = children.get(place).into_iter().flatten();
            let within = within.filter_map(|child| gone.get(*child));
            step.needs.extend(within.flatten().cloned());
            if let Some(ends) = gone.get_mut(place) {
                ends.push(step.id.clone());
            }
            removals.push(step.id.clone());
            all.push(step);
        }
    }
    all.extend(left(&along, &created, removals));
    let mut plan = Plan::new(text, all);
    plan.on_failure = mode;
    Ok(plan)
}

/// Which manifest on which host a plan is about, if it is about one.
pub fn on_host(plan: &Plan) -> Option<ManifestOnHost> {
    let guard = plan.steps.iter().find(|step| step.action == GUARD)?;
    let text = |key: &str| Some(guard.with.get(key)?.as_str()?.to_owned());
    Some(ManifestOnHost {
        manifest: text("manifest")?,
        host: text("node")?,
    })
}
