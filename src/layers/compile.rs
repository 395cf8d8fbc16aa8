//! Recipes to a [`Plan`]: ids, needs, inputs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use super::instances::{Arg, Instances, missing_failure};
use super::model::{Node, NodeKind, StepDef};
use super::template::{Renderer, engine};
use super::{Book, needs, timeout};
use crate::action::Registry;
use crate::diag::{Diagnostic, Exit, Failure};
use crate::lab::variables::is_secret;
use crate::lab::{Environment, Lab, Redactor};
use crate::plan::{Plan, Retry, Step, StepId, Timeout, order};

/// A recipe that a user asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// A recipe's name, or a layer's id for its default recipe.
    pub recipe: String,
    /// What was typed after it.
    pub args: Vec<String>,
}

/// What is run by `hl up`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpRequest {
    /// First layer; the lab's first when absent.
    pub from: Option<String>,
    /// Last layer; the lab's last when absent.
    pub to: Option<String>,
    /// Given to every recipe that has a parameter `env`.
    pub env: Option<String>,
    /// Given to every recipe that has a parameter `node`.
    pub node: Option<String>,
}

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
    /// The plan of a recipe and all it depends on. Invalid definitions are
    /// [`Exit::Definition`], an unknown recipe [`Exit::Unknown`], wrong
    /// arguments [`Exit::Usage`], missing variables [`Exit::Runway`].
    pub fn plan(&self, request: &Request, scope: &Scope<'_>) -> Result<Plan, Failure> {
        self.compile(request, scope)?.ready()
    }

    /// [`Book::plan`] that also works when variables are missing.
    pub fn compile(&self, request: &Request, scope: &Scope<'_>) -> Result<Compiled, Failure> {
        // Known first: a slip in the name is the likelier wish to be helped with.
        self.find(&request.recipe)?;
        self.check(scope.registry, &scope.lab.config)?;
        let engine = engine();
        let mut instances = Instances::new(self, Renderer::new(&engine, scope.lab, scope.env));
        let root = instances.ask(&request.recipe, &request.args)?;
        let name = instances.list[root].text.clone();
        assemble(instances, &[root], name, scope)
    }

    /// The plan of `hl up`: each layer's default recipe, from the first to the last.
    pub fn up(&self, request: &UpRequest, scope: &Scope<'_>) -> Result<Plan, Failure> {
        self.compile_up(request, scope)?.ready()
    }

    /// [`Book::up`] that also works when variables are missing.
    pub fn compile_up(&self, request: &UpRequest, scope: &Scope<'_>) -> Result<Compiled, Failure> {
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
        let engine = engine();
        let mut instances = Instances::new(self, Renderer::new(&engine, scope.lab, scope.env));
        let mut roots = Vec::new();
        for layer in layers {
            let id = layer.id.get_ref();
            if layer.default.is_none() {
                return Err(Failure::new(
                    Exit::Definition,
                    Diagnostic::error(format!("layer `{id}` has no default recipe to run"))
                        .at(layer.source.at(layer.id.span(), "this layer"))
                        .help("add `default = \"RECIPE\"` to its `[layer]`"),
                ));
            }
            let (layer, recipe) = self.find(id)?;
            let given = recipe
                .params
                .iter()
                .map(|param| match param.name.get_ref().as_str() {
                    "env" => request.env.clone(),
                    "node" => request.node.clone(),
                    _ => None,
                })
                .collect::<Vec<_>>();
            let lacking = recipe.params.iter().zip(&given);
            if let Some((param, _)) = lacking
                .into_iter()
                .find(|(p, g)| p.required() && g.is_none())
            {
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
            roots.push(instances.ask_bound(layer, recipe, given)?);
        }
        assemble(instances, &roots, up_text(request), scope)
    }

    /// Variables that the request needs and that are not set.
    pub fn missing_env(
        &self,
        request: &Request,
        scope: &Scope<'_>,
    ) -> Result<Vec<String>, Failure> {
        Ok(self.compile(request, scope)?.missing.into_keys().collect())
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
    text
}

/// Builds the plan that runs `roots` one after the other.
fn assemble(
    mut instances: Instances<'_>,
    roots: &[usize],
    text: String,
    scope: &Scope<'_>,
) -> Result<Compiled, Failure> {
    let names = instances.names();
    wanted(&mut instances, scope.env);
    let mut builder = Builder {
        names: &names,
        scope,
        steps: Vec::new(),
        leaves: BTreeMap::new(),
        instances,
    };
    let mut after = BTreeSet::new();
    for root in roots {
        let leaves = builder.emit(*root, &after);
        after.extend(leaves);
    }
    let Builder {
        steps, instances, ..
    } = builder;
    if !instances.findings.is_empty() {
        return Err(Failure::many(Exit::Definition, instances.findings));
    }
    let mut plan = Plan::new(text, steps);
    if let [root] = roots {
        plan.on_failure = instances.list[*root].recipe.on_failure;
    }
    order(&plan).map_err(|cycle| Failure::message(Exit::Definition, cycle.to_string()))?;
    refuse_secrets(&plan, scope.env)?;
    let mut tools: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut recipes = Vec::new();
    for (instance, name) in instances.list.iter().zip(&names) {
        let recipe = instance.recipe;
        for tool in instance.layer.tools.iter().chain(&recipe.tools) {
            tools
                .entry(tool.get_ref().clone())
                .or_default()
                .insert(recipe.name.get_ref().clone());
        }
        let env = instance.layer.env.iter().chain(&recipe.env);
        recipes.push(RunRecipe {
            layer: instance.layer.id.get_ref().clone(),
            name: recipe.name.get_ref().clone(),
            instance: name.clone(),
            text: instance.text.clone(),
            doc: recipe.doc.clone(),
            args: instance.args.clone(),
            env: env.map(|name| name.get_ref().clone()).collect(),
        });
    }
    Ok(Compiled {
        plan,
        recipes,
        missing: instances.missing,
        tools,
    })
}

/// Notes the declared variables that are not set.
fn wanted(instances: &mut Instances<'_>, env: &Environment) {
    let declared: Vec<_> = instances
        .list
        .iter()
        .flat_map(|instance| {
            let names = instance.layer.env.iter().chain(&instance.recipe.env);
            names.map(move |name| (name.get_ref().clone(), instance.recipe))
        })
        .filter(|(name, _)| env.get(name).is_none())
        .collect();
    for (name, recipe) in declared {
        instances.want(&name, recipe);
    }
}

struct Builder<'a, 'b> {
    instances: Instances<'a>,
    names: &'b [String],
    scope: &'b Scope<'b>,
    steps: Vec<Step>,
    /// For each instance that is in the plan: its last steps.
    leaves: BTreeMap<usize, BTreeSet<StepId>>,
}

impl Builder<'_, '_> {
    /// Adds an instance and all it depends on, unless it is there already;
    /// what is added comes after `after`. Gives its last steps.
    fn emit(&mut self, index: usize, after: &BTreeSet<StepId>) -> BTreeSet<StepId> {
        if let Some(leaves) = self.leaves.get(&index) {
            return leaves.clone();
        }
        let mut gate = after.clone();
        let recipe = self.instances.list[index].recipe;
        for dep in self.instances.list[index].deps.clone() {
            let leaves = if recipe.parallel {
                self.emit(dep, after)
            } else {
                self.emit(dep, &gate.clone())
            };
            gate.extend(leaves);
        }
        let gate = self.reduced(&gate);
        let leaves = self.own_steps(index, &gate);
        self.leaves.insert(index, leaves.clone());
        leaves
    }

    fn own_steps(&mut self, index: usize, gate: &BTreeSet<StepId>) -> BTreeSet<StepId> {
        let recipe = self.instances.list[index].recipe;
        let mut renderer = self.instances.list[index].renderer.clone();
        renderer.set_steps(self.visible(index));
        let mut inner: BTreeSet<StepId> = BTreeSet::new();
        let mut added: Vec<(StepId, bool)> = Vec::new();
        for (position, def) in recipe.steps.iter().enumerate() {
            let mut step = self.step(index, def, &renderer);
            let own = |id: &str| StepId(format!("{}/{id}", self.names[index]));
            step.needs = needs::written(recipe, position)
                .into_iter()
                .map(own)
                .collect();
            for used in renderer.take_steps() {
                let used = StepId(used);
                if used == step.id {
                    self.instances.findings.push(
                        Diagnostic::error(format!("step `{}` uses its own outputs", step.id)).at(
                            self.instances.list[index]
                                .layer
                                .source
                                .at(def.id.span(), ""),
                        ),
                    );
                } else if !step.needs.contains(&used) {
                    step.needs.push(used);
                }
            }
            let prefix = format!("{}/", self.names[index]);
            let has_own = step
                .needs
                .iter()
                .any(|need| need.as_str().starts_with(&prefix));
            if !has_own && !step.finally {
                for need in gate {
                    if !step.needs.contains(need) {
                        step.needs.push(need.clone());
                    }
                }
            }
            if !step.finally {
                inner.extend(step.needs.iter().cloned());
            }
            added.push((step.id.clone(), step.finally));
            self.steps.push(step);
        }
        let leaves: BTreeSet<StepId> = added
            .into_iter()
            .filter(|(id, finally)| !finally && !inner.contains(id))
            .map(|(id, _)| id)
            .collect();
        if leaves.is_empty() {
            gate.clone()
        } else {
            leaves
        }
    }

    fn step(&mut self, index: usize, def: &StepDef, renderer: &Renderer<'_>) -> Step {
        let id = format!("{}/{}", self.names[index], def.id.get_ref());
        let mut step = Step::new(id, def.action.get_ref().as_str());
        let (layer, recipe) = {
            let instance = &self.instances.list[index];
            (instance.layer, instance.recipe)
        };
        step.layer = Some(layer.id.get_ref().clone());
        step.recipe.clone_from(&self.instances.list[index].text);
        if let Some(doc) = &def.doc {
            let text = doc.get_ref();
            step.doc = self
                .instances
                .filled(layer, recipe, text, &doc.span(), renderer);
        }
        if let Some(when) = &def.when {
            let text = when.get_ref();
            step.when = Some(
                self.instances
                    .filled(layer, recipe, text, &when.span(), renderer),
            );
        }
        for (key, node) in &def.with {
            let value = self.json(index, node, renderer);
            step.with.insert(key.get_ref().clone(), value);
        }
        step.timeout_seconds = def
            .timeout
            .as_ref()
            .and_then(|text| timeout::resolve(text.get_ref(), Some(&self.scope.lab.config)).ok())
            .map(Timeout);
        step.retry = def.retry.as_ref().map(|retry| Retry {
            times: retry.times,
            backoff_seconds: retry
                .backoff
                .as_ref()
                .and_then(|text| timeout::seconds(text.get_ref()))
                .unwrap_or(5),
            on: retry.on,
        });
        step.approve = recipe.approve.as_ref() == Some(&def.id);
        step.finally = def.finally;
        step
    }

    fn json(&mut self, index: usize, node: &Node, renderer: &Renderer<'_>) -> Value {
        match &node.kind {
            NodeKind::String(text) => match renderer.value(text) {
                Ok(value) => value,
                Err(reason) => {
                    let instance = &self.instances.list[index];
                    let (layer, recipe) = (instance.layer, instance.recipe);
                    Value::String(
                        self.instances
                            .unrendered(layer, recipe, text, &node.span, reason),
                    )
                }
            },
            NodeKind::Bool(flag) => Value::Bool(*flag),
            NodeKind::Number(number) => Value::Number(number.clone()),
            NodeKind::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.json(index, item, renderer))
                    .collect(),
            ),
            NodeKind::Table(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, item)| (key.get_ref().clone(), self.json(index, item, renderer)))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// What `steps.` reaches: the recipe's own steps by id, and those of what
    /// it depends on as `recipe/step` where that recipe runs only once.
    fn visible(&self, index: usize) -> BTreeMap<String, String> {
        let mut reach: BTreeSet<usize> = BTreeSet::new();
        let mut open = self.instances.list[index].deps.clone();
        while let Some(dep) = open.pop() {
            if reach.insert(dep) {
                open.extend(&self.instances.list[dep].deps);
            }
        }
        let mut ids = BTreeMap::new();
        for dep in &reach {
            let recipe = self.instances.list[*dep].recipe;
            let twins = reach
                .iter()
                .filter(|other| self.instances.list[**other].recipe.name == recipe.name)
                .count();
            for step in recipe
                .steps
                .iter()
                .filter(|step| twins == 1 && !step.finally)
            {
                let id = step.id.get_ref();
                ids.insert(
                    format!("{}/{id}", recipe.name.get_ref()),
                    format!("{}/{id}", self.names[*dep]),
                );
            }
        }
        for step in &self.instances.list[index].recipe.steps {
            let id = step.id.get_ref();
            ids.insert(id.clone(), format!("{}/{id}", self.names[index]));
        }
        ids
    }

    /// Without those that another one of them needs anyway.
    fn reduced(&self, steps: &BTreeSet<StepId>) -> BTreeSet<StepId> {
        let index: BTreeMap<&StepId, &Step> = self.steps.iter().map(|s| (&s.id, s)).collect();
        let mut covered: BTreeSet<&StepId> = BTreeSet::new();
        let mut open: Vec<&StepId> = steps
            .iter()
            .filter_map(|id| index.get(id))
            .flat_map(|step| &step.needs)
            .collect();
        while let Some(id) = open.pop() {
            if covered.insert(id)
                && let Some(step) = index.get(id)
            {
                open.extend(&step.needs);
            }
        }
        steps
            .iter()
            .filter(|id| !covered.contains(id))
            .cloned()
            .collect()
    }
}

/// No secret's value may be in a plan, not even by an argument.
fn refuse_secrets(plan: &Plan, env: &Environment) -> Result<(), Failure> {
    let text = serde_json::to_string(plan).unwrap_or_default();
    for (name, var) in env.iter().filter(|(name, _)| is_secret(name)) {
        let escaped = Value::String(var.value.clone()).to_string();
        let value = escaped.trim_matches('"');
        if !Redactor::is_too_short(value) && text.contains(value) {
            return Err(Failure::message(
                Exit::Usage,
                format!("the value of the secret variable `{name}` would be written into the plan"),
            )
            .help(
                "leave it out of arguments: every step's tools get the variable by environment",
            ));
        }
    }
    Ok(())
}
