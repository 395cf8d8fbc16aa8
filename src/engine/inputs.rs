//! What a step is given: its inputs, with what earlier steps published.

use std::sync::PoisonError;

use serde_json::Value;

use super::shared::Shared;
use super::step_end::End;
use crate::diag::{Exit, StepError};
use crate::plan::{Missing, Status, Step, references, resolve};

/// The inputs with every reference resolved, or the end of a step that does
/// not run.
pub(super) fn inputs(run: &Shared<'_>, step: &Step) -> Result<Value, Box<End>> {
    let published = run.published.lock().unwrap_or_else(PoisonError::into_inner);
    let missing = |missing: Missing| Box::new(unresolved(run, step, &missing));
    if let Some(when) = &step.when {
        let value = resolve(&Value::String(when.clone()), &published).map_err(missing)?;
        match value
            .as_str()
            .map_or_else(|| value.to_string(), |text| text.trim().to_owned())
        {
            text if text == "true" => {}
            text if text == "false" => {
                return Err(Box::new(End::new(Status::Skipped, why_not(run, when))));
            }
            text => {
                let error = StepError::new(format!(
                    "`when` of `{}` gives `{text}`, expected `true` or `false`",
                    step.id
                ));
                return Err(Box::new(End::failed(error.exit(Exit::Definition))));
            }
        }
    }
    resolve(&Value::Object(step.with.clone()), &published).map_err(missing)
}

/// Why a step is not needed: what the step said whose output its `when` reads.
fn why_not(run: &Shared<'_>, when: &str) -> String {
    let results = run.results.lock().unwrap_or_else(PoisonError::into_inner);
    references(&Value::String(when.to_owned()))
        .iter()
        .find_map(|(step, _)| Some(results.get(step)?.1.clone()))
        .filter(|summary| !summary.is_empty())
        .unwrap_or_else(|| "its `when` is false".to_owned())
}

/// What becomes of a step that uses a value which nobody published.
fn unresolved(run: &Shared<'_>, step: &Step, missing: &Missing) -> End {
    let Missing { step: from, key } = missing;
    if run.setup.options.dry_run {
        let reason = format!("needs `{key}` of {from}, known when it has run");
        return End::new(Status::NotPlanned, reason);
    }
    let results = run.results.lock().unwrap_or_else(PoisonError::into_inner);
    let status = results.get(from).map(|(status, _)| *status);
    if step.finally && status != Some(Status::Succeeded) {
        let reason = format!("needs `{key}` of {from}, which did not succeed");
        return End::new(Status::Skipped, reason);
    }
    let why = match status {
        Some(Status::Skipped) => "which was skipped",
        Some(_) => "which did not publish it",
        None => "which is not in the plan",
    };
    let error = StepError::new(format!("`{}` needs `{key}` of `{from}`, {why}", step.id))
        .exit(Exit::Definition)
        .help(format!(
            "give `{}` a `when` that is false whenever `{from}` is skipped",
            step.id
        ));
    End::failed(error)
}
