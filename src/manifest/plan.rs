//! The plan of a verb: a step for each phase of each node.

use super::limits::Limits;
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
    file: ManifestFile,
    resolved: Resolved,
    settings: &PlanSettings,
) -> Result<Plan, Failure> {
    let nodes = nodes(&file.graph, &resolved, settings.verb)?;
    // Of ten thousand nodes the steps alone are a hundred megabytes: what they were made
    // from goes first.
    let graph = file.into_graph();
    drop(resolved);
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
        graph: &graph,
        text: &text,
        rolls_back: mode == OnFailure::Rollback,
        limits: Limits::new(&settings.tiers),
    };
    let mut plan = Plan::new(text.clone(), all(&along, nodes));
    plan.on_failure = mode;
    Ok(plan)
}

/// All steps, those of the end behind the others.
fn all(along: &Along<'_>, nodes: Vec<PlannedNode>) -> Vec<Step> {
    let (settings, graph) = (along.settings, along.graph);
    let mut all = Vec::with_capacity(settings.preflight.len() + 2 + nodes.len() * 12);
    let created = graph.create_order();
    let whole: Vec<&PlannedNode> = created.iter().filter_map(|at| nodes.get(*at)).collect();
    let mut guard = guard(along, &whole, Vec::new());
    let mut preflight = settings.preflight.clone();
    if settings.verb == ManifestVerb::Test {
        let empty = empty(&guard);
        for step in preflight.iter_mut().filter(|step| step.needs.is_empty()) {
            step.needs.push(empty.id.clone());
        }
        all.push(empty);
    }
    all.extend(preflight);
    guard.needs = all.iter().map(|step: &Step| step.id.clone()).collect();
    let left = left(along, &whole);
    let first = guard.id.clone();
    all.push(guard);
    let children = graph.children();
    let destroys = settings.verb == ManifestVerb::Destroy;
    let mut order = created;
    if destroys {
        order.reverse();
    }
    let mut nodes: Vec<Option<PlannedNode>> = nodes.into_iter().map(Some).collect();
    let mut last: Vec<Vec<StepId>> = vec![Vec::new(); nodes.len()];
    let mut at_end = Vec::new();
    for place in order {
        let planned = nodes.get_mut(place).and_then(Option::take);
        let (Some(node), Some(planned)) = (graph.nodes.get(place), planned) else {
            continue;
        };
        let mut needs = vec![first.clone()];
        if destroys {
            needs.extend(ends_of(&children, place, &last));
        } else {
            let above = node.parent.and_then(|parent| last.get(parent));
            needs.extend(above.into_iter().flatten().cloned());
        }
        let (finally, main): (Vec<Step>, Vec<Step>) = steps(along, planned, needs)
            .into_iter()
            .partition(|step| step.finally);
        if let (Some(ends), Some(step)) = (last.get_mut(place), main.last()) {
            ends.push(step.id.clone());
        }
        all.extend(main);
        at_end.extend(finally.into_iter().map(|step| (place, step)));
    }
    // What is in a machine goes before it, whatever was made.
    let mut gone: Vec<Vec<StepId>> = vec![Vec::new(); nodes.len()];
    for (place, mut step) in at_end.into_iter().rev() {
        step.needs.extend(ends_of(&children, place, &gone));
        if let Some(ends) = gone.get_mut(place) {
            ends.push(step.id.clone());
        }
        all.push(step);
    }
    if let Some(mut left) = left {
        left.needs = gone.into_iter().flatten().collect();
        all.push(left);
    }
    all
}

/// The step with which a test begins, before any other check: what stands is not
/// waited for. The guard looks once more.
fn empty(guard: &Step) -> Step {
    let mut step = guard.clone();
    step.id = StepId::new(ManifestVerb::Test.name(), "empty");
    "manifest.empty".clone_into(&mut step.action);
    "nothing of it may be there".clone_into(&mut step.doc);
    step.with.remove("verb");
    step.approve = false;
    step
}

/// Of what is in a node, the steps that `ends` names.
fn ends_of(
    children: &[Vec<usize>],
    place: usize,
    ends: &[Vec<StepId>],
) -> impl Iterator<Item = StepId> {
    let within = children.get(place).into_iter().flatten();
    within
        .filter_map(move |child| ends.get(*child))
        .flatten()
        .cloned()
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
