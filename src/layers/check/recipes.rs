//! Layers, recipes, their parameters and dependencies.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use minijinja::Environment as Engine;
use schemars::Schema;

use super::circles::circles;
use super::places::place_of;
use super::steps::{needs_circle, places, step_exists};
use crate::action::Registry;
use crate::diag::{Advice, Diagnostic, did_you_mean};
use crate::lab::Config;
use crate::layers::args::{Word, bind, typed};
use crate::layers::fields::Findings;
use crate::layers::model::{Layer, Recipe, Text};
use crate::layers::template::{engine, is_template};
use crate::layers::{Book, components, dep_words};

/// All findings. Without `config`, tiers of timeouts are not looked up.
pub(in crate::layers) fn findings(
    book: &Book,
    actions: &Registry,
    config: Option<&Config>,
) -> Vec<Diagnostic> {
    let checker = Checker {
        book,
        actions,
        config,
        engine: engine(),
        circles: circles(book),
        schemas: RefCell::default(),
    };
    let mut all = Vec::new();
    for layer in book.layers() {
        let mut findings = Findings::new(layer.source.clone());
        checker.layer(layer, &mut findings);
        all.extend(findings.list);
    }
    let is_lab = book.layers().iter().all(|layer| layer.scenario.is_none());
    if let Some(config) = config.filter(|_| is_lab) {
        all.extend(components::findings(book, config));
    }
    all
}

pub(super) struct Checker<'a> {
    book: &'a Book,
    pub(super) actions: &'a Registry,
    pub(super) config: Option<&'a Config>,
    pub(super) engine: Engine<'static>,
    circles: BTreeMap<&'a str, Vec<&'a str>>,
    /// The inputs of each action that was asked for.
    schemas: RefCell<HashMap<String, Rc<Schema>>>,
}

impl Checker<'_> {
    /// The inputs of an action, described once however many steps use it.
    pub(super) fn inputs(&self, action: &str) -> Option<Rc<Schema>> {
        if let Some(known) = self.schemas.borrow().get(action) {
            return Some(Rc::clone(known));
        }
        let schema = Rc::new((self.actions.get(action)?.about().inputs)());
        let mut schemas = self.schemas.borrow_mut();
        schemas.insert(action.to_owned(), Rc::clone(&schema));
        Some(schema)
    }

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
        let places = places(recipe);
        if let Some(approve) = &recipe.approve {
            step_exists(approve, recipe, &places, findings);
        }
        for step in &recipe.steps {
            self.step(step, &known, recipe, &places, findings);
        }
        needs_circle(recipe, &places, findings);
    }

    fn dep(&self, dep: &Text, known: &BTreeSet<&str>, recipe: &Recipe, findings: &mut Findings) {
        let raw = match dep_words::split(dep.get_ref()) {
            Ok(raw) => raw,
            Err(message) => {
                let wrong = format!("a dependency cannot be read: {message}");
                findings.error(dep.span(), wrong, "", None);
                return;
            }
        };
        let Some((name, args)) = raw.split_first() else {
            let wrong = "a dependency is empty";
            findings.error(dep.span(), wrong, "expected a recipe's name", None);
            return;
        };
        self.template(dep.get_ref(), dep.span(), known, recipe, false, findings);
        if is_template(&name.text) {
            let wrong = "a dependency's name cannot be a template";
            findings.error(dep.span(), wrong, "only its arguments can", None);
            return;
        }
        let Some((_, target)) = self.book.get(&name.text) else {
            let known = self.book.recipes().map(|(_, r)| r.name.get_ref().as_str());
            findings.error(
                place_of(findings, &dep.span(), &name.text),
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
                last.help.extend(help.map(Advice::from));
            }
        }
    }

    /// Told at the first recipe of the circle.
    fn circle(&self, recipe: &Recipe, findings: &mut Findings) {
        let start = recipe.name.get_ref().as_str();
        let Some(round) = self.circles.get(start) else {
            return;
        };
        findings.error(
            recipe.name.span(),
            format!(
                "recipes depend on each other in a circle: {start} -> {}",
                round.join(" -> ")
            ),
            "starts here",
            Some("take one of these out of its `deps`".to_owned()),
        );
    }
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
