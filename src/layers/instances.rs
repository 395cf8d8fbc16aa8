//! Which recipes a request runs, with which arguments: each recipe once for
//! the same arguments.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::rc::Rc;

use minijinja::Value;

use super::args::{ArgError, Word, bind, typed};
use super::fields::join;
use super::model::{Layer, Param, ParamType, Recipe};
use super::template::{Renderer, Unrendered};
use super::{Book, dep_words};
use crate::base::quoted;
use crate::diag::{Advice, Diagnostic, Exit, Failure};
use crate::lab::Environment;
use crate::plan::MOST_STEPS;
use crate::shape::Value as Given;

/// What the parameter `node` says where no node is meant.
const NO_NODE: &str = "-";

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
    /// Where its value came from.
    pub from: ArgSource,
}

/// A recipe with its arguments, as it is run. There may be very many of them:
/// what can be made again is not kept.
pub(super) struct Instance<'a> {
    pub(super) layer: &'a Layer,
    pub(super) recipe: &'a Recipe,
    /// As asked: `l1-ensure debian-13`.
    pub(super) text: String,
    pub(super) deps: Vec<usize>,
    /// The node that it works on: the value of its parameter `node`.
    pub(super) node: Option<Rc<str>>,
    /// The values of its parameters, and where each came from.
    pub(super) values: Rc<[Value]>,
    from: Vec<ArgSource>,
}

impl Instance<'_> {
    /// Its arguments.
    pub(super) fn args(&self) -> Vec<Arg> {
        let given = self.values.iter().zip(&self.from);
        let params = self.recipe.params.iter().zip(given);
        params
            .map(|(param, (value, from))| Arg {
                name: param.name.get_ref().clone(),
                value: serde_json::to_value(value).unwrap_or_default(),
                from: *from,
            })
            .collect()
    }
}

/// What a node's file makes of the variables.
struct OfNode<'a> {
    env: Cow<'a, Environment>,
    /// The same, as templates see them.
    vars: Value,
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
    /// Arguments that are too long.
    pub(super) too_long: Vec<Diagnostic>,
    /// Where each instance is in `list`.
    known: HashMap<(&'a str, Rc<[Value]>), usize>,
    /// By node; none where its file and a variable contradict each other.
    nodes: HashMap<Rc<str>, Option<OfNode<'a>>>,
    /// Steps so far; an instance without any counts as one.
    steps: usize,
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
            too_long: Vec::new(),
            known: HashMap::new(),
            nodes: HashMap::new(),
            steps: 0,
        }
    }

    /// The instance that a user asks for by words.
    pub(super) fn ask(&mut self, recipe: &str, args: &[String]) -> Result<usize, Failure> {
        let (layer, recipe) = self.book.find(recipe)?;
        let words: Vec<Word> = args.iter().map(|arg| Word::typed(arg)).collect();
        let given = bind(recipe, &words).map_err(usage_failure)?;
        self.ask_bound(layer, recipe, &given)
    }

    /// The instance that a user asks for by parameter.
    pub(super) fn ask_bound(
        &mut self,
        layer: &'a Layer,
        recipe: &'a Recipe,
        given: &[Option<String>],
    ) -> Result<usize, Failure> {
        for (param, text) in recipe.params.iter().zip(given) {
            if let Some(text) = text {
                typed(param, text).map_err(usage_failure)?;
            }
        }
        Ok(self.visit(layer, recipe, given, ArgSource::Given))
    }

    /// An instance and all that it depends on, each before what it depends on
    /// itself. Stops where the plan becomes too large: [`Instances::limit`] says so.
    fn visit(
        &mut self,
        layer: &'a Layer,
        recipe: &'a Recipe,
        given: &[Option<String>],
        from: ArgSource,
    ) -> usize {
        let (root, new) = self.enter(layer, recipe, given, from);
        let mut open = Vec::new();
        if new {
            open.push((root, 0, self.renderer(root)));
        }
        while let Some((index, next, renderer)) = open.last_mut() {
            let index = *index;
            let (layer, recipe) = (self.list[index].layer, self.list[index].recipe);
            let Some(dep) = recipe.deps.get(*next).filter(|_| self.steps <= MOST_STEPS) else {
                open.pop();
                continue;
            };
            *next += 1;
            let asked = self.dep(layer, recipe, dep.get_ref(), &dep.span(), renderer);
            let Some((layer, recipe, given)) = asked else {
                continue;
            };
            let (target, new) = self.enter(layer, recipe, &given, ArgSource::Dependent);
            self.list[index].deps.push(target);
            if new {
                open.push((target, 0, self.renderer(target)));
            }
        }
        root
    }

    /// The place of an instance, and whether it is new.
    fn enter(
        &mut self,
        layer: &'a Layer,
        recipe: &'a Recipe,
        given: &[Option<String>],
        from: ArgSource,
    ) -> (usize, bool) {
        let mut renderer = self.base.in_layer(layer);
        let mut sources = Vec::with_capacity(given.len());
        let mut values = Vec::with_capacity(given.len());
        for (param, text) in recipe.params.iter().zip(given) {
            let (source, value) = if let Some(text) = text {
                (from, self.value(layer, recipe, param, text))
            } else {
                let value = self.default(layer, recipe, param, &renderer);
                (ArgSource::Default, value)
            };
            renderer.set(param.name.get_ref(), value.clone());
            sources.push(source);
            values.push(value);
        }
        let values: Rc<[Value]> = values.into();
        let key = (recipe.name.get_ref().as_str(), Rc::clone(&values));
        if let Some(known) = self.known.get(&key) {
            return (*known, false);
        }
        let index = self.list.len();
        self.known.insert(key, index);
        self.steps += recipe.steps.len().max(1);
        let node = self.node_of(recipe, &values);
        self.list.push(Instance {
            layer,
            recipe,
            text: asked(recipe, given),
            deps: Vec::with_capacity(recipe.deps.len()),
            node,
            values,
            from: sources,
        });
        (index, true)
    }

    /// The node that the parameter `node` names, or stands for when it is empty. `-` is
    /// none: the variables are those of no node, whatever the lab's own one is.
    fn node_of(&mut self, recipe: &Recipe, values: &[Value]) -> Option<Rc<str>> {
        let variables = self.env;
        let mut params = recipe.params.iter().zip(values);
        let (_, value) = params.find(|(param, _)| param.name.get_ref() == "node")?;
        let node: Rc<str> = match value.as_str()? {
            "" => variables.node()?,
            NO_NODE => return None,
            named => named,
        }
        .into();
        if !self.nodes.contains_key(&node) {
            let of_node = match variables.for_node(Some(&node)) {
                Ok(env) => {
                    let vars = self.base.vars(&env);
                    Some(OfNode { env, vars })
                }
                Err(failure) => {
                    self.contradicted(failure);
                    None
                }
            };
            self.nodes.insert(Rc::clone(&node), of_node);
        }
        Some(node)
    }

    /// What renders the texts of an instance.
    pub(super) fn renderer(&self, index: usize) -> Renderer<'a> {
        let instance = &self.list[index];
        let mut renderer = self.base.in_layer(instance.layer);
        for (param, value) in instance.recipe.params.iter().zip(instance.values.iter()) {
            renderer.set(param.name.get_ref(), value.clone());
        }
        let node = instance.node.as_ref().and_then(|node| self.nodes.get(node));
        if let Some(Some(of_node)) = node {
            renderer.set("var", of_node.vars.clone());
        }
        renderer
    }

    /// The variables that an instance works with; none where its node's file
    /// and a variable contradict each other, which is reported as that.
    pub(super) fn env_of(&self, index: usize) -> Option<&Environment> {
        match &self.list[index].node {
            None => Some(self.env),
            Some(node) => self.nodes.get(node)?.as_ref().map(|of| of.env.as_ref()),
        }
    }

    /// That the plan is too large, if it is; at the recipe that it has most of.
    pub(super) fn limit(&self) -> Result<(), Failure> {
        if self.steps <= MOST_STEPS {
            return Ok(());
        }
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for instance in &self.list {
            *counts.entry(instance.recipe.name.get_ref()).or_default() += 1;
        }
        let count = |instance: &Instance<'_>| {
            let name = instance.recipe.name.get_ref().as_str();
            counts.get(name).copied().unwrap_or_default()
        };
        let root = self.list.first().map_or("", |root| root.text.as_str());
        let mut found = Diagnostic::error(format!("`{root}` has more than {MOST_STEPS} steps"));
        if let Some(most) = self.list.iter().max_by_key(|instance| count(instance)) {
            let name = most.recipe.name.get_ref();
            let label = format!(
                "runs more than {} times, each with other arguments",
                count(most)
            );
            found = found
                .at(most.layer.source.at(most.recipe.name.span(), label))
                .help(format!(
                    "give `{name}` the same arguments in the `deps` that lead to it: for the same \
                     ones it runs once"
                ));
        }
        Err(Failure::new(Exit::Definition, found))
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
    ) -> Option<(&'a Layer, &'a Recipe, Vec<Option<String>>)> {
        let raw = dep_words::split(text).unwrap_or_default();
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
            Ok(given) => Some((target_layer, target, given)),
            Err(error) => {
                self.wrong_argument(layer, span, error);
                None
            }
        }
    }

    fn value(&mut self, layer: &Layer, recipe: &Recipe, param: &Param, text: &str) -> Value {
        // What stands for an unset variable fits nothing; the variable is reported.
        let stands_in = |name: &String| text.contains(&format!("<{name}>"));
        match typed(param, text) {
            Ok(value) => value,
            Err(_) if self.missing.keys().any(stands_in) => Value::from(text),
            Err(error) => {
                let name = recipe.name.get_ref();
                let error = ArgError {
                    message: format!("recipe `{name}`: {}", error.message),
                    help: error.help,
                };
                let span = param
                    .default
                    .as_ref()
                    .map_or_else(|| param.name.span(), |node| node.mark.range());
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
        match &node.value {
            Given::Bool(flag) => Value::from(*flag),
            Given::Number(number) => number.as_i64().map_or_else(|| Value::from(()), Value::from),
            Given::Text(text) => {
                let text = self.filled(layer, recipe, text, &node.mark.range(), renderer);
                self.value(layer, recipe, param, &text)
            }
            Given::Null | Given::List(_) | Given::Map(_) => Value::from(""),
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

    /// Notes that an input has more characters than fit: at the parameter that
    /// it comes from, once, or where it is written.
    pub(super) fn refuse_long(
        &mut self,
        index: usize,
        input: &str,
        span: &Range<usize>,
        (length, most): (usize, usize),
        text: &str,
    ) {
        let instance = &self.list[index];
        let mut params = instance.recipe.params.iter().zip(instance.values.iter());
        let param = params.find(|(_, value)| value.as_str() == Some(text));
        let (what, span) = match param {
            Some((param, _)) => (
                format!(
                    "argument `{}` of `{}`",
                    param.name.get_ref(),
                    instance.recipe.name.get_ref()
                ),
                param.name.span(),
            ),
            None => (format!("input `{input}`"), span.clone()),
        };
        let found = Diagnostic::error(format!(
            "{what} has {length} characters, at most {most} fit"
        ))
        .at(instance
            .layer
            .source
            .at(span, "becomes a part of names of files"));
        if !self
            .too_long
            .iter()
            .any(|known| known.message == found.message)
        {
            self.too_long.push(found);
        }
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
        found.help = error.help.iter().map(Advice::from).collect();
        self.findings.push(found);
    }
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

pub(super) fn usage_failure(error: ArgError) -> Failure {
    let mut diagnostic = Diagnostic::error(error.message);
    diagnostic.help = error.help.iter().map(Advice::from).collect();
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
