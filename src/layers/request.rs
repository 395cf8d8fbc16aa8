//! The plan of a request.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Book;
use super::args::{Word, bind, typed};
use super::assemble::assemble;
use super::components;
use super::instances::{Arg, Instances, missing_failure};
use super::model::{Layer, Recipe};
use super::template::{Renderer, engine};
use crate::action::Registry;
use crate::diag::{Diagnostic, Exit, Failure};
use crate::lab::{Environment, Lab};
use crate::plan::Plan;
use crate::runs::{ManifestRequest, RecipeRequest, RunRequest, UpRequest};

/// What plans are made in.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The lab.
    pub lab: &'a Lab,
    /// Its resolved environment.
    pub env: &'a Environment,
    /// The actions there are.
    pub registry: &'a Registry,
}

/// A plan, and what is known of it besides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compiled {
    /// The plan. Where a variable is missing it holds `<NAME>` instead.
    pub plan: Plan,
    /// The recipes it runs, in order, with their arguments.
    pub recipes: Vec<RunRecipe>,
    /// Variables that are not set, each with the recipes that want it.
    pub missing: BTreeMap<String, BTreeSet<String>>,
    /// Programs, each with the recipes that want it.
    pub tools: BTreeMap<String, BTreeSet<String>>,
}

/// A recipe of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRecipe {
    /// Its layer.
    pub layer: String,
    /// Its name.
    pub name: String,
    /// Its name in step ids, with arguments where it runs more than once.
    pub instance: String,
    /// The call: `l1-ensure debian-13`.
    pub text: String,
    /// Its doc line.
    pub doc: String,
    /// Its arguments.
    pub args: Vec<Arg>,
    /// Variables it declares, with its layer's.
    pub env: Vec<String>,
}

impl Book {
    /// The plan of a recipe.
    pub(super) fn recipe(
        &self,
        request: &RecipeRequest,
        scope: &Scope<'_>,
    ) -> Result<Compiled, Failure> {
        // Known first: a slip in the name is the likelier wish to be helped with.
        self.find(&request.name)?;
        self.check(scope.registry, &scope.lab.config)?;
        let engine = engine();
        let renderer = Renderer::new(&engine, scope.lab, scope.env);
        let mut instances = Instances::new(self, renderer, scope.env);
        let root = instances.ask(&request.name, &request.args)?;
        let name = instances.list[root].text.clone();
        assemble(instances, &[root], name, scope)
    }

    /// A layer without a default recipe has no part in it.
    pub(super) fn up(&self, request: &UpRequest, scope: &Scope<'_>) -> Result<Compiled, Failure> {
        let first = match &request.from {
            Some(id) => self.find_layer(id)?,
            None => 0,
        };
        let last = match &request.to {
            Some(id) => self.find_layer(id)?,
            None => self.layers.len().saturating_sub(1),
        };
        let layers = self.layers.get(first..=last).unwrap_or_default();
        if layers.is_empty() {
            let id = |index: usize| self.layers.get(index).map_or("", |l| l.id.get_ref());
            return Err(Failure::message(
                Exit::Usage,
                format!("`--from {}` comes after `--to {}`", id(first), id(last)),
            )
            .help("layers run upwards, `--from` the lower one"));
        }
        self.check(scope.registry, &scope.lab.config)?;
        let optional = components::recipes(&request.with, &scope.lab.config, layers)?;
        let engine = engine();
        let renderer = Renderer::new(&engine, scope.lab, scope.env);
        let mut instances = Instances::new(self, renderer, scope.env);
        let mut roots = Vec::new();
        for layer in layers {
            let id = layer.id.get_ref();
            let named = [&request.from, &request.to];
            let parts = layer.recipes.iter();
            let parts: Vec<&Recipe> = parts
                .filter(|recipe| optional.contains(recipe.name.get_ref().as_str()))
                .collect();
            if layer.default.is_some() {
                let (layer, recipe) = self.find(id)?;
                roots.push(ask(&mut instances, request, layer, recipe)?);
            } else if parts.is_empty() {
                // A folder of recipes to call by name has no part in `up`.
                if !named.contains(&&Some(id.clone())) {
                    continue;
                }
                return Err(Failure::new(
                    Exit::Definition,
                    Diagnostic::error(format!("layer `{id}` has no default recipe to run"))
                        .at(layer.source.at(layer.id.span(), "this layer"))
                        .help("add `default = \"RECIPE\"` to its `[layer]`"),
                ));
            }
            for recipe in parts {
                roots.push(ask(&mut instances, request, layer, recipe)?);
            }
        }
        if roots.is_empty() {
            return Err(Failure::message(
                Exit::Definition,
                "`up` has nothing to run: no layer has a default recipe",
            )
            .help("add `default = \"RECIPE\"` to the `[layer]` of each that has a part in it"));
        }
        assemble(instances, &roots, up_text(request), scope)
    }

    /// The options that a recipe or `up` was given, by name: what the header of its
    /// run says beside the flags of `hl`.
    pub fn options(&self, request: &RunRequest) -> BTreeMap<String, serde_json::Value> {
        match request {
            RunRequest::Recipe(request) => self.options_of_recipe(request),
            RunRequest::Up(request) => options_of_up(request),
            RunRequest::Platform(request) => {
                [("env".to_owned(), request.env.as_str().into())].into()
            }
            RunRequest::Manifest(request) => options_of_manifest(request),
            RunRequest::Scenario(request) => self.options_of_recipe(&RecipeRequest {
                name: request.name.clone(),
                args: request.args.clone(),
            }),
        }
    }

    fn options_of_recipe(&self, request: &RecipeRequest) -> BTreeMap<String, serde_json::Value> {
        let Ok((_, recipe)) = self.find(&request.name) else {
            return BTreeMap::new();
        };
        let words: Vec<Word> = request.args.iter().map(|arg| Word::typed(arg)).collect();
        let given = bind(recipe, &words).unwrap_or_default();
        let options = recipe.params.iter().zip(given);
        options
            .filter(|(param, _)| param.option)
            .filter_map(|(param, text)| {
                let value = typed(param, &text?).ok()?;
                let value = serde_json::to_value(value).ok()?;
                Some((param.name.get_ref().clone(), value))
            })
            .collect()
    }
}

impl Compiled {
    /// The plan, unless variables are missing: then one error names them all.
    pub fn ready(self) -> Result<Plan, Failure> {
        if self.missing.is_empty() {
            Ok(self.plan)
        } else {
            Err(missing_failure(&self.missing))
        }
    }
}

fn options_of_manifest(request: &ManifestRequest) -> BTreeMap<String, serde_json::Value> {
    let on_error = request.on_error.map(|mode| serde_json::json!(mode));
    let skips = request.skip_preflight.then(|| true.into());
    let given = [("on_error", on_error), ("skip_preflight", skips)];
    let given = given.into_iter();
    given
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn options_of_up(request: &UpRequest) -> BTreeMap<String, serde_json::Value> {
    let options = serde_json::to_value(request).unwrap_or_default();
    let options = options.as_object().into_iter().flatten();
    // The environment is an argument.
    let options = options.filter(|(name, _)| *name != "env");
    options
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// A recipe of `up`, with what was said for all of them.
fn ask<'a>(
    instances: &mut Instances<'a>,
    request: &UpRequest,
    layer: &'a Layer,
    recipe: &'a Recipe,
) -> Result<usize, Failure> {
    let params = recipe.params.iter();
    let said = params.map(|param| match param.name.get_ref().as_str() {
        "env" => request.env.clone(),
        "node" => request.node.clone(),
        _ => None,
    });
    let given: Vec<_> = said.collect();
    let mut params = recipe.params.iter().zip(&given);
    if let Some((param, _)) = params.find(|(p, g)| p.required() && g.is_none()) {
        return Err(Failure::new(
            Exit::Definition,
            Diagnostic::error(format!(
                "`up` runs `{}`, whose parameter `{}` has no default",
                recipe.name.get_ref(),
                param.name.get_ref()
            ))
            .at(layer.source.at(param.name.span(), "needs a default")),
        ));
    }
    instances.ask_bound(layer, recipe, &given)
}

fn up_text(request: &UpRequest) -> String {
    let mut text = "up".to_owned();
    let mut add = |prefix: &str, value: &Option<String>| {
        if let Some(value) = value {
            text.push_str(prefix);
            text.push_str(value);
        }
    };
    add(" ", &request.env);
    add(" --node ", &request.node);
    add(" --from ", &request.from);
    add(" --to ", &request.to);
    let with = (!request.with.is_empty()).then(|| request.with.join(","));
    add(" --with ", &with);
    text
}
