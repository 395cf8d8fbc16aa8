//! Steps: actions and their inputs, needs, timeouts.

use std::collections::{BTreeMap, BTreeSet};

use super::inputs;
use super::recipes::Checker;
use crate::diag::did_you_mean;
use crate::layers::fields::Findings;
use crate::layers::model::{Recipe, StepDef, Text};
use crate::layers::{needs, timeout};

impl Checker<'_> {
    pub(super) fn step(
        &self,
        step: &StepDef,
        known: &BTreeSet<&str>,
        recipe: &Recipe,
        findings: &mut Findings,
    ) {
        let action = step.action.get_ref();
        match self.actions.get(action) {
            Some(found) => inputs::check(&found.inputs(), step, findings),
            // No name at all was reported by the parser.
            None if action.is_empty() => {}
            None => findings.error(
                step.action.span(),
                format!("there is no action `{action}`"),
                "",
                did_you_mean(action, self.actions.names()),
            ),
        }
        for (_, node) in &step.with {
            for (text, span) in node.texts() {
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
            step_exists(need, recipe, findings);
            let finally = recipe.steps.iter().any(|s| s.id == *need && s.finally);
            if finally && !step.finally {
                findings.error(
                    need.span(),
                    format!(
                        "`{}` runs at the end, so nothing can need it",
                        need.get_ref()
                    ),
                    "this step is `finally`",
                    None,
                );
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

pub(super) fn step_exists(id: &Text, recipe: &Recipe, findings: &mut Findings) {
    if !recipe.steps.iter().any(|step| step.id == *id) {
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
/// and default needs.
pub(super) fn needs_circle(recipe: &Recipe, findings: &mut Findings) {
    let needs: BTreeMap<&str, Vec<&str>> = recipe
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let needs = needs::written(recipe, index);
            (step.id.get_ref().as_str(), needs)
        })
        .collect();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    loop {
        let ready: Vec<&str> = needs
            .iter()
            .filter(|(id, needs)| {
                !done.contains(*id)
                    && needs
                        .iter()
                        .all(|need| done.contains(need) || !needs_key(recipe, need) || need == *id)
            })
            .map(|(id, _)| *id)
            .collect();
        if ready.is_empty() {
            break;
        }
        done.extend(ready);
    }
    let open: Vec<&StepDef> = recipe
        .steps
        .iter()
        .filter(|step| !done.contains(step.id.get_ref().as_str()))
        .collect();
    let Some(first) = open.first() else {
        return;
    };
    let mut path: Vec<&str> = vec![first.id.get_ref()];
    while let Some(next) = path.last().and_then(|last| {
        needs
            .get(last)?
            .iter()
            .find(|need| open.iter().any(|step| step.id.get_ref() == *need))
    }) {
        if let Some(start) = path.iter().position(|seen| seen == next) {
            path.drain(..start);
            path.push(next);
            break;
        }
        path.push(next);
    }
    let start = path.first().copied().unwrap_or_default();
    let span = recipe
        .steps
        .iter()
        .find(|step| step.id.get_ref() == start)
        .map_or(0..0, |step| step.id.span());
    findings.error(
        span,
        format!("steps need each other in a circle: {}", path.join(" -> ")),
        "starts here",
        None,
    );
}

fn needs_key(recipe: &Recipe, id: &str) -> bool {
    recipe.steps.iter().any(|step| step.id.get_ref() == id)
}
