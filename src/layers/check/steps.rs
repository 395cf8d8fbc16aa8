//! Steps: actions and their inputs, needs, timeouts.

use std::collections::{BTreeSet, HashMap};

use super::inputs;
use super::recipes::Checker;
use crate::diag::did_you_mean;
use crate::layers::fields::Findings;
use crate::layers::model::{Recipe, StepDef, Text};
use crate::layers::{needs, timeout};
use crate::plan::sort;

impl Checker<'_> {
    pub(super) fn step(
        &self,
        step: &StepDef,
        known: &BTreeSet<&str>,
        recipe: &Recipe,
        places: &Places<'_>,
        findings: &mut Findings,
    ) {
        let action = step.action.get_ref();
        match self.inputs(action) {
            Some(schema) => inputs::check(&schema, step, findings),
            // No name at all was reported by the parser.
            None if action.is_empty() => {}
            None => findings.error(
                step.action.span(),
                format!("there is no action `{action}`"),
                "",
                did_you_mean(action, self.actions.names()),
            ),
        }
        for entry in &step.with {
            for (text, span) in entry.value.texts() {
                self.template(text, span, known, recipe, true, findings);
            }
        }
        for text in [&step.doc, &step.when].into_iter().flatten() {
            self.template(text.get_ref(), text.span(), known, recipe, true, findings);
        }
        for need in step.needs.iter().flatten() {
            if need == &step.id {
                findings.error(need.span(), "a step cannot need itself", "", None);
                continue;
            }
            step_exists(need, recipe, places, findings);
            let needed = places.get(need.get_ref().as_str());
            let finally = needed.is_some_and(|place| recipe.steps[*place].finally);
            if finally && !step.finally {
                let wrong = format!(
                    "`{}` runs at the end, so nothing can need it",
                    need.get_ref()
                );
                findings.error(need.span(), wrong, "this step is `finally`", None);
            }
        }
        if let Some(text) = &step.timeout
            && let Err(error) = timeout::resolve(text.get_ref(), self.config)
        {
            findings.error(text.span(), error.message, "", Some(error.help));
        }
        if let Some(text) = step.retry.as_ref().and_then(|retry| retry.backoff.as_ref())
            && timeout::seconds(text.get_ref()).is_none()
        {
            findings.error(
                text.span(),
                format!("`{}` is not a duration", text.get_ref()),
                "expected e.g. `5s`, `2m` or `1h30m`",
                None,
            );
        }
    }
}

/// Where each step of a recipe is, by name.
pub(super) type Places<'a> = HashMap<&'a str, usize>;

pub(super) fn places(recipe: &Recipe) -> Places<'_> {
    let names = recipe.steps.iter().map(|step| step.id.get_ref().as_str());
    names.zip(0..).collect()
}

pub(super) fn step_exists(
    id: &Text,
    recipe: &Recipe,
    places: &Places<'_>,
    findings: &mut Findings,
) {
    if !places.contains_key(id.get_ref().as_str()) {
        findings.error(
            id.span(),
            format!(
                "recipe `{}` has no step `{}`",
                recipe.name.get_ref(),
                id.get_ref()
            ),
            "",
            did_you_mean(
                id.get_ref(),
                recipe.steps.iter().map(|s| s.id.get_ref().as_str()),
            ),
        );
    }
}

/// Steps of one recipe that need each other in a circle, by their written
/// and default needs. A step that needs itself, or one that does not exist, has
/// been reported.
pub(super) fn needs_circle(recipe: &Recipe, places: &Places<'_>, findings: &mut Findings) {
    let needs: Vec<Vec<usize>> = (0..recipe.steps.len())
        .map(|step| {
            let names = needs::written(recipe, step).into_iter();
            let others = names.filter_map(|name| places.get(name).copied());
            others.filter(|other| *other != step).collect()
        })
        .collect();
    let Err(circle) = sort(&needs) else { return };
    let steps = circle.iter().chain(circle.first());
    let path: Vec<&str> = steps
        .map(|step| recipe.steps[*step].id.get_ref().as_str())
        .collect();
    let first = circle.first().map(|step| recipe.steps[*step].id.span());
    let wrong = format!("steps need each other in a circle: {}", path.join(" -> "));
    findings.error(first.unwrap_or_default(), wrong, "starts here", None);
}
