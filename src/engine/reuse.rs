//! May the result that a step had in an earlier part of the run stand?

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use serde_json::Value;

use super::board::needs;
use super::redacted::value;
use super::setup::PriorRun;
use crate::action::{Action, Basis, Reads, StepContext};
use crate::base::digest;
use crate::lab::{Lab, Redactor};
use crate::plan::{Difference, Fingerprint, Plan, PriorResult, PriorState, StepId};

/// What is known of a step's result before it runs.
#[derive(Debug, Default)]
pub(super) struct ReuseKey {
    /// What the result will rest on; absent when it cannot be told.
    pub(super) fingerprint: Option<Fingerprint>,
    /// Why no earlier result may stand.
    pub(super) never: Option<&'static str>,
}

impl ReuseKey {
    pub(super) fn of(action: &dyn Action, ctx: &StepContext<'_>, redactor: &Redactor) -> Self {
        // An action that cannot even say what it reads says why when it runs.
        let Ok(basis) = action.basis(ctx) else {
            return Self::default();
        };
        let (never, reads) = match basis {
            Basis::Never(why) => (Some(why), Reads::default()),
            Basis::On(reads) => (None, reads),
        };
        let mut variables = BTreeMap::new();
        for name in reads.variables {
            if let Some(var) = ctx.env.var(name).filter(|var| !var.secret) {
                variables.insert(name.to_owned(), var.value.clone());
            }
        }
        let mut files = BTreeMap::new();
        for path in reads.paths {
            let Ok(digest) = digest(&path) else {
                return Self {
                    fingerprint: None,
                    never,
                };
            };
            files.insert(path.into_string(), digest);
        }
        // No digest of a secret is written down either.
        let inputs = value(ctx.with.clone(), redactor);
        Self {
            fingerprint: Some(Fingerprint::new(
                action.about().name,
                &inputs,
                &variables,
                &files,
            )),
            never,
        }
    }
}

/// The earlier result that stands, or why the step runs.
pub(super) fn judge<'e>(
    earlier: &'e PriorRun,
    step: &StepId,
    reuse_key: &ReuseKey,
    lab: &Lab,
) -> Result<&'e PriorResult, String> {
    if earlier.forced.contains(step) {
        return Err("it is forced by `--from`".to_owned());
    }
    let why = match earlier.steps.get(step) {
        Some(PriorState::Done(done)) => match still_valid(done, reuse_key, lab) {
            Ok(()) => return Ok(done),
            Err(why) => return Err(why),
        },
        Some(PriorState::Failed) => "it failed",
        Some(PriorState::Stopped) => "it was stopped",
        Some(PriorState::Killed) => "it was killed while it ran",
        Some(PriorState::Skipped) => "it was not needed before",
        Some(PriorState::NotPlanned) => "it was not planned before",
        None => "it has not run yet",
    };
    Err(why.to_owned())
}

fn still_valid(done: &PriorResult, reuse_key: &ReuseKey, lab: &Lab) -> Result<(), String> {
    if let Some(why) = reuse_key.never {
        return Err(why.to_owned());
    }
    let Some(earlier) = &done.fingerprint else {
        return Err("not all that it published was recorded".to_owned());
    };
    let Some(now) = &reuse_key.fingerprint else {
        return Err("its files cannot be read".to_owned());
    };
    match now.differs(earlier) {
        Some(Difference::Told) => return Err("its inputs have changed".to_owned()),
        Some(Difference::Read) => return Err("a file that it reads has changed".to_owned()),
        None => {}
    }
    match done.outputs.values().find_map(|value| gone(value, lab)) {
        Some(path) => Err(format!("`{path}`, which it published, is gone")),
        None => Ok(()),
    }
}

/// A path of the lab among the outputs of which there is nothing any more.
fn gone(value: &Value, lab: &Lab) -> Option<String> {
    match value {
        Value::String(text) => {
            let path = Utf8Path::new(text);
            let ours = path.is_absolute() && path.starts_with(lab.paths.root());
            (ours && !path.exists()).then(|| lab.paths.show(path).into_string())
        }
        Value::Array(items) => items.iter().find_map(|item| gone(item, lab)),
        Value::Object(map) => map.values().find_map(|item| gone(item, lab)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Why a step is skipped whose earlier result stands.
pub(super) fn reason(done: &PriorResult) -> String {
    let time = done.time.parse::<jiff::Timestamp>().map_or_else(
        |_| done.time.clone(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    );
    format!("done before, {time}; none of its inputs has changed")
}

/// Steps that were begun earlier and are not in the plan any more.
pub fn no_longer_apply<'e>(plan: &Plan, earlier: &'e PriorRun) -> Vec<&'e StepId> {
    let gone = earlier.steps.keys().filter(|id| plan.step(id).is_none());
    gone.collect()
}

/// A step and all that wait for it, directly or not.
pub fn with_dependents(plan: &Plan, step: &StepId) -> BTreeSet<StepId> {
    let mut found = BTreeSet::from([step.clone()]);
    loop {
        let more: Vec<StepId> = plan
            .steps
            .iter()
            .filter(|step| !found.contains(&step.id))
            .filter(|step| needs(step).iter().any(|need| found.contains(need)))
            .map(|step| step.id.clone())
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Config, Paths};
    use crate::plan::Step;
    use serde_json::json;

    fn verdict(past: Option<PriorState>, reuse_key: &ReuseKey, lab: &Lab) -> String {
        let step = StepId::from("r/a");
        let steps = past.map(|past| (step.clone(), past)).into_iter().collect();
        let earlier = PriorRun {
            steps,
            ..PriorRun::default()
        };
        judge(&earlier, &step, reuse_key, lab).map_or_else(|why| why, |_| "stands".to_owned())
    }

    #[test]
    fn a_result_stands_only_while_all_that_it_rests_on_does() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let lab = Lab {
            paths: Paths::live(root),
            config: Config::default(),
        };
        let print = |inputs: Value, file: &str| {
            let files = [("f".to_owned(), file.to_owned())].into();
            Fingerprint::new("a", &inputs, &BTreeMap::new(), &files)
        };
        let reuse_key = |inputs, file| ReuseKey {
            fingerprint: Some(print(inputs, file)),
            never: None,
        };
        let made = root.join("made");
        std::fs::write(&made, "").unwrap();
        let done = |fingerprint: Option<String>| {
            Some(PriorState::Done(PriorResult {
                fingerprint,
                outputs: [("file".to_owned(), json!([made.as_str(), "/nowhere"]))].into(),
                time: "2026-01-02T03:04:05.678Z".to_owned(),
            }))
        };
        let whole = done(Some(print(json!({}), "x").to_string()));
        let now = reuse_key(json!({}), "x");
        let judged = |past, reuse_key| verdict(past, reuse_key, &lab);
        assert_eq!(judged(whole.clone(), &now), "stands");
        assert_eq!(judged(None, &now), "it has not run yet");
        assert_eq!(judged(Some(PriorState::Failed), &now), "it failed");
        let other = reuse_key(json!({"x": 1}), "x");
        assert_eq!(judged(whole.clone(), &other), "its inputs have changed");
        let other = reuse_key(json!({}), "y");
        assert!(judged(whole.clone(), &other).starts_with("a file"));
        assert!(judged(done(None), &now).contains("not all that it published"));
        let blind = ReuseKey::default();
        assert!(judged(whole.clone(), &blind).contains("cannot be read"));
        let always = ReuseKey {
            never: Some("it reads and checks"),
            ..reuse_key(json!({}), "x")
        };
        assert_eq!(judged(whole.clone(), &always), "it reads and checks");
        std::fs::remove_file(&made).unwrap();
        assert_eq!(judged(whole, &now), "`made`, which it published, is gone");
    }

    #[test]
    fn what_uses_a_value_depends_on_it() {
        let mut b = Step::new("r/b", "x");
        b.with.insert("in".to_owned(), "${steps.r/a.out}".into());
        let mut c = Step::new("r/c", "x");
        c.needs.push(StepId::from("r/b"));
        let plan = Plan::new(
            "r",
            vec![c, b, Step::new("r/a", "x"), Step::new("r/d", "x")],
        );
        let found = with_dependents(&plan, &StepId::from("r/a"));
        assert_eq!(found, ["r/a", "r/b", "r/c"].map(StepId::from).into());
    }
}
