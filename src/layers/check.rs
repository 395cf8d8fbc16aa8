//! Everything that can be wrong with layer files beyond their shape.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use minijinja::Environment as Engine;

use super::args::{Word, bind, typed};
use super::fields::Findings;
use super::model::{Layer, NodeKind, Recipe, StepDef, Text};
use super::template::{engine, is_template, names};
use super::{Book, inputs, timeout, words};
use crate::action::Registry;
use crate::diag::{Diagnostic, did_you_mean};
use crate::lab::Config;
use crate::lab::variables::is_secret;

/// All findings. Without `config`, tiers of timeouts are not looked up.
pub(super) fn findings(
    book: &Book,
    actions: &Registry,
    config: Option<&Config>,
) -> Vec<Diagnostic> {
    let checker = Checker {
        book,
        actions,
        config,
        engine: engine(),
    };
    let mut all = Vec::new();
    for layer in book.layers() {
        let mut findings = Findings::new(layer.source.clone());
        checker.layer(layer, &mut findings);
        all.extend(findings.list);
    }
    all
}

struct Checker<'a> {
    book: &'a Book,
    actions: &'a Registry,
    config: Option<&'a Config>,
    engine: Engine<'static>,
}

impl Checker<'_> {
    fn layer(&self, layer: &Layer, findings: &mut Findings) {
        if let Some(default) = &layer.default
            && !layer.recipes.iter().any(|recipe| recipe.name == *default)
        {
            let known = layer.recipes.iter().map(|r| r.name.get_ref().as_str());
            findings.error(
                default.span(),
                format!(
                    "default recipe `{}` is not in this layer",
                    default.get_ref()
                ),
                "no recipe of that name here",
                did_you_mean(default.get_ref(), known),
            );
        }
        for path in &layer.generates {
            generated(path, findings);
        }
        for recipe in &layer.recipes {
            self.recipe(recipe, findings);
        }
    }

    fn recipe(&self, recipe: &Recipe, findings: &mut Findings) {
        let mut optional = false;
        for param in recipe.params.iter().filter(|param| !param.option) {
            if optional && param.required() {
                findings.error(
                    param.name.span(),
                    format!("parameter `{}` needs a default", param.name.get_ref()),
                    "a parameter before it has one",
                    Some("move it to the front, or give it a default".to_owned()),
                );
            }
            optional |= !param.required();
        }
        let mut known: BTreeSet<&str> = BTreeSet::new();
        for param in &recipe.params {
            if let Some(node) = &param.default {
                for (text, span) in node.texts() {
                    self.template(text, span, &known, recipe, false, findings);
                }
            }
            known.insert(param.name.get_ref());
        }
        for dep in &recipe.deps {
            self.dep(dep, &known, recipe, findings);
        }
        self.circle(recipe, findings);
        if let Some(approve) = &recipe.approve {
            step_exists(approve, recipe, findings);
        }
        for step in &recipe.steps {
            self.step(step, &known, recipe, findings);
        }
        needs_circle(recipe, findings);
    }

    fn dep(&self, dep: &Text, known: &BTreeSet<&str>, recipe: &Recipe, findings: &mut Findings) {
        let raw = match words::split(dep.get_ref()) {
            Ok(raw) => raw,
            Err(message) => {
                findings.error(
                    dep.span(),
                    format!("a dependency cannot be read: {message}"),
                    "",
                    None,
                );
                return;
            }
        };
        let Some((name, args)) = raw.split_first() else {
            findings.error(
                dep.span(),
                "a dependency is empty",
                "expected a recipe's name",
                None,
            );
            return;
        };
        self.template(dep.get_ref(), dep.span(), known, recipe, false, findings);
        if is_template(&name.text) {
            findings.error(
                dep.span(),
                "a dependency's name cannot be a template",
                "only its arguments can",
                None,
            );
            return;
        }
        let Some((_, target)) = self.book.get(&name.text) else {
            let known = self.book.recipes().map(|(_, r)| r.name.get_ref().as_str());
            findings.error(
                within(findings, dep, &name.text),
                format!("there is no recipe `{}`", name.text),
                format!("`{}` depends on it", recipe.name.get_ref()),
                did_you_mean(&name.text, known),
            );
            return;
        };
        let args: Vec<Word> = args
            .iter()
            .map(|word| Word {
                text: word.text.clone(),
                opaque: word.opaque,
            })
            .collect();
        let problem = match bind(target, &args) {
            Err(error) => Some(error),
            Ok(given) => target
                .params
                .iter()
                .zip(given)
                .filter_map(|(param, text)| Some((param, text?)))
                .filter(|(_, text)| !is_template(text))
                .find_map(|(param, text)| typed(param, &text).err()),
        };
        if let Some(problem) = problem {
            let mut help = problem.help.into_iter();
            findings.error(dep.span(), problem.message, "", help.next());
            if let Some(last) = findings.list.last_mut() {
                last.help.extend(help);
            }
        }
    }

    /// Recipes that depend on each other in a circle; reported once, at the
    /// first of them.
    fn circle(&self, recipe: &Recipe, findings: &mut Findings) {
        let start = recipe.name.get_ref().as_str();
        let Some(path) = self.path(start, start, &mut BTreeSet::new()) else {
            return;
        };
        let order = |name: &str| {
            self.book
                .recipes()
                .position(|(_, r)| r.name.get_ref() == name)
        };
        if path.iter().any(|other| order(other) < order(start)) {
            return;
        }
        let mut circle = vec![start];
        circle.extend(path);
        findings.error(
            recipe.name.span(),
            format!(
                "recipes depend on each other in a circle: {}",
                circle.join(" -> ")
            ),
            "starts here",
            Some("take one of these out of its `deps`".to_owned()),
        );
    }

    /// A way from `from` over dependencies back to `to`, ending with `to`.
    fn path<'b>(
        &'b self,
        from: &str,
        to: &str,
        seen: &mut BTreeSet<&'b str>,
    ) -> Option<Vec<&'b str>> {
        let (_, recipe) = self.book.get(from)?;
        for dep in &recipe.deps {
            let Some(name) = dep.get_ref().split_whitespace().next() else {
                continue;
            };
            if name == to {
                return Some(vec![name]);
            }
            if seen.insert(name)
                && let Some(mut path) = self.path(name, to, seen)
            {
                path.insert(0, name);
                return Some(path);
            }
        }
        None
    }

    fn step(
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

    /// Syntax, and names that nothing gives.
    fn template(
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

pub(super) fn secret(span: Range<usize>, name: &str, findings: &mut Findings) {
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
        findings.error(
            span,
            "outputs of steps cannot be used here",
            "no step has run when this is read",
            None,
        );
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
    findings.error(
        span,
        format!("recipe `{}` has no step `{id}`", recipe.name.get_ref()),
        "",
        hyphen.or_else(|| did_you_mean(id, ids)),
    );
}

fn step_exists(id: &Text, recipe: &Recipe, findings: &mut Findings) {
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
fn needs_circle(recipe: &Recipe, findings: &mut Findings) {
    let needs: BTreeMap<&str, Vec<&str>> = recipe
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let needs = super::needs::written(recipe, index);
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

/// `generates` stays inside the lab.
fn generated(path: &Text, findings: &mut Findings) {
    let text = path.get_ref();
    let outside = text.starts_with('/')
        || text
            .split('/')
            .any(|part| [".", "..", "**"].contains(&part));
    if outside || text.trim_matches(['/', '.', '*']).is_empty() {
        findings.error(
            path.span(),
            format!("`{text}` cannot be generated"),
            "expected a path inside the lab that is not all of it",
            None,
        );
    }
}

/// The place of a text in a string: all of it when it cannot be told.
fn within(findings: &Findings, text: &Text, part: &str) -> Range<usize> {
    place_of(findings, &text.span(), part)
}

/// Where `name` is written inside the string at `span`.
fn place_of(findings: &Findings, span: &Range<usize>, name: &str) -> Range<usize> {
    let raw = findings.source.text.get(span.clone()).unwrap_or_default();
    match raw.find(name) {
        Some(at) => span.start + at..span.start + at + name.len(),
        None => span.clone(),
    }
}

/// Where a byte range of a template is in the file, when the string is
/// written without escapes.
pub(super) fn inner(
    findings: &Findings,
    span: &Range<usize>,
    text: &str,
    range: Option<&Range<usize>>,
) -> Range<usize> {
    let raw = findings.source.text.get(span.clone()).unwrap_or_default();
    match (raw.find(text), range) {
        (Some(at), Some(range)) if range.end <= text.len() => {
            span.start + at + range.start..span.start + at + range.end
        }
        _ => span.clone(),
    }
}

/// Whether a node is written without templates.
pub(super) fn is_literal(kind: &NodeKind) -> bool {
    !matches!(kind, NodeKind::String(text) if is_template(text))
}
