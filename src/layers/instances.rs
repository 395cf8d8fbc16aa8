//! Which recipes a request runs, with which arguments: each recipe once for
//! the same arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use minijinja::Value;

use super::args::{ArgError, Word, bind, typed};
use super::fields::join;
use super::model::{Layer, NodeKind, Param, ParamType, Recipe};
use super::template::{Renderer, Unrendered};
use super::{Book, words};
use crate::diag::{Diagnostic, Exit, Failure};
use crate::lab::Environment;
use crate::plan::quoted;

/// Where an argument's value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ArgSource {
    /// Typed by the user.
    Given,
    /// Given by the recipe that depends on this one.
    Dependent,
    /// The parameter's default.
    Default,
}

/// A parameter and its value.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Arg {
    /// The parameter.
    pub name: String,
    /// Its value.
    pub value: serde_json::Value,
    /// Whence.
    pub from: ArgSource,
}

/// A recipe with its arguments, as it is run.
pub(super) struct Instance<'a> {
    pub(super) layer: &'a Layer,
    pub(super) recipe: &'a Recipe,
    /// As asked: `l1-ensure debian-13`.
    pub(super) text: String,
    pub(super) args: Vec<Arg>,
    pub(super) deps: Vec<usize>,
    pub(super) renderer: Renderer<'a>,
    /// The node that it works on: the value of its parameter `node`.
    pub(super) node: Option<String>,
    values: Vec<Value>,
}

/// Collects instances, and what went wrong on the way.
pub(super) struct Instances<'a> {
    pub(super) book: &'a Book,
    pub(super) base: Renderer<'a>,
    pub(super) env: &'a Environment,
    pub(super) list: Vec<Instance<'a>>,
    /// Unset variables, each with the recipes that want it.
    pub(super) missing: BTreeMap<String, BTreeSet<String>>,
    pub(super) findings: Vec<Diagnostic>,
}

/// What stands in a plan for a variable that is not set.
fn placeholder(names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    format!("<{}>", names.join("><"))
}

impl<'a> Instances<'a> {
    pub(super) fn new(book: &'a Book, base: Renderer<'a>, env: &'a Environment) -> Self {
        Self {
            book,
            base,
            env,
            list: Vec::new(),
            missing: BTreeMap::new(),
            findings: Vec::new(),
        }
    }

    /// The instance that a user asks for by words.
    pub(super) fn ask(&mut self, recipe: &str, args: &[String]) -> Result<usize, Failure> {
        let (layer, recipe) = self.book.find(recipe)?;
        let words: Vec<Word> = args.iter().map(|arg| Word::typed(arg)).collect();
        let given = bind(recipe, &words).map_err(usage_failure)?;
        self.ask_bound(layer, recipe, given)
    }

    /// The instance that a user asks for by parameter.
    pub(super) fn ask_bound(
        &mut self,
        layer: &'a Layer,
        recipe: &'a Recipe,
        given: Vec<Option<String>>,
    ) -> Result<usize, Failure> {
        for (param, text) in recipe.params.iter().zip(&given) {
            if let Some(text) = text {
                typed(param, text).map_err(usage_failure)?;
            }
        }
        Ok(self.visit(layer, recipe, given, ArgSource::Given))
    }

    fn visit(
        &mut self,
        layer: &'a Layer,
        recipe: &'a Recipe,
        given: Vec<Option<String>>,
        from: ArgSource,
    ) -> usize {
        let text = asked(recipe, &given);
        let mut renderer = self.base.in_layer(layer);
        let mut args = Vec::with_capacity(given.len());
        let mut values = Vec::with_capacity(given.len());
        for (param, text) in recipe.params.iter().zip(given) {
            let source = if text.is_some() {
                from
            } else {
                ArgSource::Default
            };
            let value = match text {
                Some(text) => self.value(layer, recipe, param, &text),
                None => self.default(layer, recipe, param, &renderer),
            };
            renderer.set(param.name.get_ref(), value.clone());
            args.push(Arg {
                name: param.name.get_ref().clone(),
                value: serde_json::to_value(&value).unwrap_or_default(),
                from: source,
            });
            values.push(value);
        }
        let known = self
            .list
            .iter()
            .position(|other| other.recipe.name == recipe.name && other.values == values);
        if let Some(known) = known {
            return known;
        }
        let index = self.list.len();
        let node = args.iter().find(|arg| arg.name == "node");
        let node = node.and_then(|arg| match arg.value.as_str() {
            Some("") => self.env.node(),
            named => named,
        });
        let node = node.map(str::to_owned);
        match self.env.on(node.as_deref()) {
            Ok(env) => renderer.set_env(&env),
            Err(failure) => self.contradicted(failure),
        }
        self.list.push(Instance {
            layer,
            recipe,
            text,
            args,
            deps: Vec::new(),
            renderer: renderer.clone(),
            node,
            values,
        });
        let deps = recipe
            .deps
            .iter()
            .filter_map(|dep| self.dep(layer, recipe, dep.get_ref(), &dep.span(), &renderer))
            .collect();
        self.list[index].deps = deps;
        index
    }

    /// A node's file and a variable contradict each other: told once, however
    /// many recipes work on that node.
    fn contradicted(&mut self, failure: Failure) {
        for found in failure.diagnostics {
            if !self.findings.iter().any(|f| f.message == found.message) {
                self.findings.push(found);
            }
        }
    }

    fn dep(
        &mut self,
        layer: &'a Layer,
        recipe: &'a Recipe,
        text: &str,
        span: &Range<usize>,
        renderer: &Renderer<'a>,
    ) -> Option<usize> {
        let raw = words::split(text).unwrap_or_default();
        let (name, args) = raw.split_first()?;
        let (target_layer, target) = self.book.get(&name.text)?;
        let args: Vec<Word> = args
            .iter()
            .map(|word| Word {
                text: self.filled(layer, recipe, &word.text, span, renderer),
                opaque: word.opaque,
            })
            .collect();
        match bind(target, &args) {
            Ok(given) => Some(self.visit(target_layer, target, given, ArgSource::Dependent)),
            Err(error) => {
                self.wrong_argument(layer, span, error);
                None
            }
        }
    }

    fn value(&mut self, layer: &Layer, recipe: &Recipe, param: &Param, text: &str) -> Value {
        // What stands for an unset variable fits nothing; the variable is reported.
        let stands_in = self
            .missing
            .keys()
            .any(|name| text.contains(&format!("<{name}>")));
        match typed(param, text) {
            Ok(value) => value,
            Err(_) if stands_in => Value::from(text),
            Err(error) => {
                let name = recipe.name.get_ref();
                let error = ArgError {
                    message: format!("recipe `{name}`: {}", error.message),
                    help: error.help,
                };
                let span = param
                    .default
                    .as_ref()
                    .map_or_else(|| param.name.span(), |node| node.span.clone());
                self.wrong_argument(layer, &span, error);
                Value::from(text)
            }
        }
    }

    fn default(
        &mut self,
        layer: &'a Layer,
        recipe: &'a Recipe,
        param: &Param,
        renderer: &Renderer<'a>,
    ) -> Value {
        let Some(node) = &param.default else {
            return match param.kind {
                ParamType::String => Value::from(""),
                ParamType::Bool => Value::from(false),
                ParamType::Int => Value::from(()),
            };
        };
        match &node.kind {
            NodeKind::Bool(flag) => Value::from(*flag),
            NodeKind::Number(number) => {
                number.as_i64().map_or_else(|| Value::from(()), Value::from)
            }
            NodeKind::String(text) => {
                let text = self.filled(layer, recipe, text, &node.span, renderer);
                self.value(layer, recipe, param, &text)
            }
            NodeKind::Array(_) | NodeKind::Table(_) => Value::from(""),
        }
    }

    /// A template's text; where a variable is missing, what stands for it.
    pub(super) fn filled(
        &mut self,
        layer: &Layer,
        recipe: &Recipe,
        text: &str,
        span: &Range<usize>,
        renderer: &Renderer<'_>,
    ) -> String {
        match renderer.text(text) {
            Ok(text) => text,
            Err(reason) => self.unrendered(layer, recipe, text, span, reason),
        }
    }

    /// Notes why a string has no value, and gives what stands for it.
    pub(super) fn unrendered(
        &mut self,
        layer: &Layer,
        recipe: &Recipe,
        text: &str,
        span: &Range<usize>,
        reason: Unrendered,
    ) -> String {
        let mut findings = super::fields::Findings::new(layer.source.clone());
        match reason {
            Unrendered::Missing(names) => {
                for name in &names {
                    self.want(name, recipe);
                }
                return placeholder(&names);
            }
            Unrendered::Secret(names) => {
                for name in &names {
                    super::check::secret(span.clone(), name, &mut findings);
                }
            }
            Unrendered::UnknownStep(step) => findings.error(
                span.clone(),
                format!("no step `{step}` runs before `{}`", recipe.name.get_ref()),
                "",
                step.contains('/').then(|| {
                    "expected a step of a recipe in `deps` that runs with one set of arguments"
                        .to_owned()
                }),
            ),
            Unrendered::Computed(output) => findings.error(
                span.clone(),
                format!(
                    "template works with `{output}`, which is known only when the step has run"
                ),
                "outputs can be passed on, alone or inside a longer text",
                Some("let the step publish what is wanted here".to_owned()),
            ),
            Unrendered::Wrong(error) => {
                let span = super::check::inner(&findings, span, text, error.range.as_ref());
                findings.error(span, format!("template: {}", error.message), "", None);
            }
        }
        self.findings.extend(findings.list);
        text.to_owned()
    }

    /// A recipe wants a variable that is not set.
    pub(super) fn want(&mut self, variable: &str, recipe: &Recipe) {
        self.missing
            .entry(variable.to_owned())
            .or_default()
            .insert(recipe.name.get_ref().clone());
    }

    fn wrong_argument(&mut self, layer: &Layer, span: &Range<usize>, error: ArgError) {
        let mut found = Diagnostic::error(error.message).at(layer.source.at(span.clone(), ""));
        found.help = error.help;
        self.findings.push(found);
    }

    /// The name of every instance in step ids: the recipe's, with arguments
    /// where the plan has it more than once.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::with_capacity(self.list.len());
        for instance in &self.list {
            let recipe = instance.recipe.name.get_ref();
            let twins: Vec<_> = self
                .list
                .iter()
                .filter(|other| other.recipe.name == instance.recipe.name)
                .collect();
            let mut name = recipe.clone();
            if twins.len() > 1 {
                name = format!("{recipe}({})", distinguishing(instance, &twins).join(","));
            }
            let mut number = 1;
            let wanted = name.clone();
            while names.contains(&name) {
                number += 1;
                name = format!("{wanted}#{number}");
            }
            names.push(name);
        }
        names
    }
}

/// The values in which an instance differs from its twins; options that are
/// empty are left out.
fn distinguishing(instance: &Instance<'_>, twins: &[&Instance<'_>]) -> Vec<String> {
    let clean = |value: &Value| -> String {
        value
            .to_string()
            .chars()
            .map(|c| match c {
                c if c.is_alphanumeric() || "._:@+=-".contains(c) => c,
                _ => '_',
            })
            .collect()
    };
    let params = instance.recipe.params.iter().zip(&instance.values);
    params
        .enumerate()
        .filter(|(index, (_, value))| twins.iter().any(|twin| twin.values[*index] != **value))
        .filter(|(_, (param, value))| !param.option || value.is_true())
        .map(|(_, (param, value))| {
            if param.option {
                format!("{}={}", param.name.get_ref(), clean(value))
            } else {
                clean(value)
            }
        })
        .collect()
}

/// The call as a user would type it.
fn asked(recipe: &Recipe, given: &[Option<String>]) -> String {
    let mut words = vec![recipe.name.get_ref().clone()];
    let mut options = Vec::new();
    for (param, text) in recipe.params.iter().zip(given) {
        let Some(text) = text else { continue };
        match (param.option, param.kind) {
            (false, _) => words.push(quoted(text)),
            (true, ParamType::Bool) if text == "true" => options.push(param.flag()),
            (true, ParamType::Bool) => options.push(format!("{}={text}", param.flag())),
            (true, ParamType::String | ParamType::Int) => {
                options.push(param.flag());
                options.push(quoted(text));
            }
        }
    }
    words.extend(options);
    words.join(" ")
}

fn usage_failure(error: ArgError) -> Failure {
    let mut diagnostic = Diagnostic::error(error.message);
    diagnostic.help = error.help;
    Failure::new(Exit::Usage, diagnostic)
}

/// One error that names every missing variable.
pub(super) fn missing_failure(missing: &BTreeMap<String, BTreeSet<String>>) -> Failure {
    let names: Vec<&str> = missing.keys().map(String::as_str).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    let recipes: BTreeSet<&str> = missing.values().flatten().map(String::as_str).collect();
    let recipes: Vec<&str> = recipes.into_iter().collect();
    Failure::new(
        Exit::Runway,
        Diagnostic::error(format!("{} {verb} not set", join(&names, "and")))
            .note(format!("wanted by {}", join(&recipes, "and")))
            .help("set them in `.env` (`env.example` explains each), in Doppler, or in the environment"),
    )
}
