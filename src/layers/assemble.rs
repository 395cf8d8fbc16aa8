//! Instances of recipes to one plan.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::builder::Builder;
use super::instance_names;
use super::instances::Instances;
use super::request::{Compiled, RunRecipe, Scope};
use crate::diag::{Exit, Failure};
use crate::lab::variables::is_secret;
use crate::lab::{Environment, Redactor};
use crate::plan::{Plan, Step, order};

/// Builds the plan that runs `roots` one after the other.
pub(super) fn assemble(
    mut instances: Instances<'_>,
    roots: &[usize],
    text: String,
    scope: &Scope<'_>,
) -> Result<Compiled, Failure> {
    instances.limit()?;
    let names = instance_names::names(&instances.list);
    wanted(&mut instances);
    let mut builder = Builder::new(instances, &names, scope);
    let mut after = BTreeSet::new();
    for root in roots {
        let leaves = builder.emit(*root, &after);
        after.extend(leaves.iter().cloned());
    }
    let Builder {
        steps, instances, ..
    } = builder;
    if !instances.findings.is_empty() {
        return Err(Failure::many(Exit::Definition, instances.findings));
    }
    if !instances.too_long.is_empty() {
        return Err(Failure::many(Exit::Usage, instances.too_long));
    }
    let mut plan = Plan::new(text, steps);
    if let [root] = roots {
        plan.on_failure = instances.list[*root].recipe.on_failure;
    }
    order(&plan).map_err(|cycle| Failure::message(Exit::Definition, cycle.to_string()))?;
    refuse_secrets(&plan, "", scope.env)?;
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
            args: instance.args(),
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
fn wanted(instances: &mut Instances<'_>) {
    let mut declared = Vec::new();
    for (index, instance) in instances.list.iter().enumerate() {
        let Some(env) = instances.env_of(index) else {
            continue;
        };
        // A group of others does nothing itself; they say what they need.
        let does = !instance.recipe.steps.is_empty();
        let of_layer = instance.layer.env.iter().filter(|_| does);
        let names = of_layer.chain(&instance.recipe.env);
        let unset = names.filter(|name| env.get(name.get_ref()).is_none());
        declared.extend(unset.map(|name| (name.get_ref().clone(), instance.recipe)));
    }
    for (name, recipe) in declared {
        instances.want(&name, recipe);
    }
}

/// No secret's value may be in a plan, not even by an argument, nor in the `text` of
/// what was asked for, which is written down beside it.
///
/// # Errors
/// One is (2).
pub fn refuse_secrets(plan: &Plan, text: &str, env: &Environment) -> Result<(), Failure> {
    let secrets = secrets(plan, env);
    if secrets.is_empty() {
        return Ok(());
    }
    let look = |text: &str| {
        let mut secrets = secrets.iter();
        secrets.find(|(_, value)| text.contains(value.as_str()))
    };
    let mut steps = plan.steps.iter();
    let asked = [plan.recipe.as_str(), text].into_iter().find_map(look);
    let found = asked.or_else(|| steps.find_map(|step| in_step(step, &look)));
    let Some((name, _)) = found else {
        return Ok(());
    };
    let message =
        format!("the value of the secret variable `{name}` would be written into the plan");
    Err(Failure::message(Exit::Usage, message)
        .help("leave it out of arguments: every step's tools get the variable by environment"))
}

/// The secret variables of all nodes of a plan, with their values.
fn secrets(plan: &Plan, env: &Environment) -> BTreeSet<(String, String)> {
    let nodes = plan.steps.iter().filter_map(|step| step.node.as_deref());
    let nodes: BTreeSet<&str> = nodes.collect();
    let of_nodes = nodes
        .into_iter()
        .filter_map(|node| env.for_node(Some(node)).ok());
    let all: Vec<_> = std::iter::once(Cow::Borrowed(env))
        .chain(of_nodes)
        .collect();
    let vars = all.iter().flat_map(|env| env.iter());
    vars.filter(|(name, var)| is_secret(name) && !Redactor::is_too_short(&var.value))
        .map(|(name, var)| (name.to_owned(), var.value.clone()))
        .collect()
}

/// What `look` finds first in the texts of a step. They are looked at one by one: a plan
/// of many steps is not written out for it.
fn in_step<T>(step: &Step, look: &impl Fn(&str) -> Option<T>) -> Option<T> {
    let own = [step.id.as_str(), &step.recipe, &step.doc, &step.action];
    let more = [
        &step.layer,
        &step.node,
        &step.machine,
        &step.when,
        &step.continues,
    ];
    let more = more.into_iter().filter_map(|text| text.as_deref());
    let found = own.into_iter().chain(more).find_map(look);
    found.or_else(|| in_map(&step.with, look))
}

fn in_map<T>(map: &Map<String, Value>, look: &impl Fn(&str) -> Option<T>) -> Option<T> {
    map.iter()
        .find_map(|(key, value)| look(key).or_else(|| in_value(value, look)))
}

fn in_value<T>(value: &Value, look: &impl Fn(&str) -> Option<T>) -> Option<T> {
    match value {
        Value::String(text) => look(text),
        Value::Number(number) => look(&number.to_string()),
        Value::Array(items) => items.iter().find_map(|item| in_value(item, look)),
        Value::Object(map) => in_map(map, look),
        Value::Null | Value::Bool(_) => None,
    }
}
