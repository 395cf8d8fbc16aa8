//! Which steps of a resumed run would run, and why. Nothing runs, nothing is
//! written.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::kept::foretell;
use super::log::slugs;
use super::reuse::{ReuseKey, judge, reason};
use super::setup::Setup;
use super::step::work;
use crate::action::{Captured, ChildOutcome, ChildSpec, Exec, Line, StepContext};
use crate::base::Cancel;
use crate::diag::StepError;
use crate::plan::{Plan, PriorState, Published, Step, StepId, order, references, resolve};

/// What is expected of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Forecast {
    /// Which.
    pub step: StepId,
    /// Whether it runs.
    pub expect: Expect,
    /// Why.
    pub reason: String,
}

/// Whether a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// It runs.
    Runs,
    /// Its earlier result stands.
    Done,
    /// Its earlier result stands unless a step before it publishes another value.
    Depends,
}

/// No child may be started to explain anything.
struct NoExec;

impl Exec for NoExec {
    fn run(&self, _: &ChildSpec, _: &mut dyn FnMut(Line<'_>)) -> Result<ChildOutcome, StepError> {
        Err(StepError::new("nothing is run"))
    }

    fn capture(&self, _: &ChildSpec) -> Result<Captured, StepError> {
        Err(StepError::new("nothing is run"))
    }
}

/// What would become of every step, in the order in which they would run. What
/// a step will publish that runs again is taken to be what it published before.
pub fn explain(plan: &Plan, setup: &Setup<'_>) -> Vec<Forecast> {
    let earlier = &setup.options.earlier;
    let mut published = Published::new();
    for (step, past) in &earlier.steps {
        if let PriorState::Done(done) = past {
            published.insert(step.clone(), done.outputs.clone());
        }
    }
    let mut again: BTreeSet<StepId> = BTreeSet::new();
    let slugs = slugs(plan);
    let mut forecasts = Vec::new();
    // The engine has refused, or will refuse, a plan with a circle.
    for id in order(plan).unwrap_or_default() {
        let Some(step) = plan.step(&id) else { continue };
        let slug = slugs.get(&id).map_or("step", String::as_str);
        let forecast = forecast(step, setup, slug, &published, &again);
        if forecast.expect != Expect::Done {
            again.insert(id);
        }
        forecasts.push(forecast);
    }
    forecasts
}

fn forecast(
    step: &Step,
    setup: &Setup<'_>,
    slug: &str,
    published: &Published,
    again: &BTreeSet<StepId>,
) -> Forecast {
    let earlier = &setup.options.earlier;
    let of = |expect, reason: String| Forecast {
        step: step.id.clone(),
        expect,
        reason,
    };
    let with = resolve(&Value::Object(step.with.clone()), published);
    let env = setup.env.for_node(step.node.as_deref());
    let ctx = StepContext {
        lab: setup.lab,
        env: env.as_deref().unwrap_or(setup.env),
        step,
        with: with.as_ref().map_or(Value::Null, Value::clone),
        run_id: &setup.options.run_id,
        work: work(setup, slug),
        dry_run: setup.options.dry_run,
        exec: &NoExec,
        emit: &|_| {},
        cancel: &Cancel::default(),
    };
    let action = setup.registry.get(&step.action);
    let reuse_key = match (action, &with) {
        (Some(action), Ok(_)) => ReuseKey::of(action, &ctx, setup.redactor),
        _ => ReuseKey::default(),
    };
    let when = step.when.clone().map(Value::String);
    let mut uses: Vec<StepId> = references(&Value::Object(step.with.clone()))
        .into_iter()
        .chain(when.iter().flat_map(references))
        .map(|(id, _)| id)
        .collect();
    uses.retain(|id| again.contains(id));
    match judge(earlier, &step.id, &reuse_key, setup.lab) {
        Ok(done) => match uses.first() {
            None => of(Expect::Done, reason(done)),
            Some(id) => of(
                Expect::Depends,
                format!(
                    "done before; runs only if `{id}`, which runs again, publishes something else"
                ),
            ),
        },
        Err(why) => match when.and_then(|when| said_no(&when, published)) {
            Some(id) => of(
                Expect::Depends,
                format!("was not needed before; `{id}`, which runs again, decides"),
            ),
            None => of(Expect::Runs, cut_off(step, setup, slug).unwrap_or(why)),
        },
    }
}

/// How far a step came that was running when the run was cut off.
fn cut_off(step: &Step, setup: &Setup<'_>, slug: &str) -> Option<String> {
    let earlier = &setup.options.earlier;
    // A later part of the run may not have come to it.
    let cut_off = matches!(
        earlier.steps.get(&step.id),
        Some(PriorState::Killed | PriorState::Stopped | PriorState::Failed)
    );
    if !cut_off || earlier.forced.contains(&step.id) {
        return None;
    }
    let action = setup.registry.get(&step.action)?;
    let repeatable = step.repeatable || action.about().repeatable;
    let settled = earlier.settled.get(&step.id).copied().unwrap_or_default();
    let dir = setup.lab.paths.logs(&setup.options.run_id);
    foretell(&dir, slug, settled, repeatable)
}

/// The step whose value made a `when` false, when it was.
fn said_no(when: &Value, published: &Published) -> Option<StepId> {
    let value = resolve(when, published).ok()?;
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    if text.trim() != "false" {
        return None;
    }
    references(when).into_iter().next().map(|(id, _)| id)
}
