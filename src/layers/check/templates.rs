//! Templates: their syntax, and names that nothing gives.

use std::collections::BTreeSet;
use std::ops::Range;

use super::places::{inner, place_of};
use super::recipes::Checker;
use crate::diag::did_you_mean;
use crate::lab::variables::is_secret;
use crate::layers::fields::Findings;
use crate::layers::model::Recipe;
use crate::layers::template::{is_template, names};

impl Checker<'_> {
    /// Syntax, and names that nothing gives.
    pub(super) fn template(
        &self,
        text: &str,
        span: Range<usize>,
        params: &BTreeSet<&str>,
        recipe: &Recipe,
        steps: bool,
        findings: &mut Findings,
    ) {
        if !is_template(text) {
            return;
        }
        let used = match names(&self.engine, text) {
            Ok(used) => used,
            Err(error) => {
                let span = inner(findings, &span, text, error.range.as_ref());
                findings.error(span, format!("template: {}", error.message), "", None);
                return;
            }
        };
        for name in used {
            let at = || place_of(findings, &span, &name);
            let (root, rest) = name.split_once('.').unwrap_or((&name, ""));
            let key = rest.split('.').next().unwrap_or_default();
            let fixed: Option<&[&str]> = match root {
                "lab" => Some(&["name", "env", "root"]),
                "layer" => Some(&["id", "name", "dir"]),
                "paths" => Some(&["build", "state", "templates", "site", "reports"]),
                _ => None,
            };
            if let Some(keys) = fixed {
                if !key.is_empty() && !keys.contains(&key) {
                    let help = did_you_mean(key, keys.iter().copied());
                    findings.error(at(), format!("`{root}` has no `{key}`"), "", help);
                }
            } else if root == "var" {
                if is_secret(key) {
                    secret(at(), key, findings);
                }
            } else if root == "steps" {
                step_reference(at(), key, recipe, steps, findings);
            } else if !params.contains(root) {
                let known = params
                    .iter()
                    .copied()
                    .chain(["var", "lab", "layer", "paths", "steps"]);
                findings.error(
                    at(),
                    format!("template uses `{root}`, which is not defined"),
                    format!("not a parameter of `{}`", recipe.name.get_ref()),
                    did_you_mean(root, known),
                );
            }
        }
    }
}

/// A secret variable in a template.
pub(in crate::layers) fn secret(span: Range<usize>, name: &str, findings: &mut Findings) {
    findings.error(
        span,
        format!("template uses the secret variable `{name}`"),
        "it would be written into plans, logs and arguments",
        Some("take it out: every step's tools get the variable by environment".to_owned()),
    );
}

fn step_reference(
    span: Range<usize>,
    id: &str,
    recipe: &Recipe,
    allowed: bool,
    findings: &mut Findings,
) {
    if !allowed {
        let wrong = "outputs of steps cannot be used here";
        findings.error(span, wrong, "no step has run when this is read", None);
        return;
    }
    // `steps["recipe/step"]` names a step of a dependency: known when planned.
    if id.is_empty() || id.contains('/') || recipe.steps.iter().any(|s| s.id.get_ref() == id) {
        return;
    }
    let ids = recipe.steps.iter().map(|s| s.id.get_ref().as_str());
    let hyphen = ids
        .clone()
        .find(|known| known.starts_with(&format!("{id}-")))
        .map(|known| format!("`-` is minus in templates: write `steps[\"{known}\"]`"));
    let wrong = format!("recipe `{}` has no step `{id}`", recipe.name.get_ref());
    findings.error(span, wrong, "", hyphen.or_else(|| did_you_mean(id, ids)));
}
