//! The plan of a scenario: its phases, those left out, and what an earlier run
//! wrote in the context file instead of them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::args::{Word, bind};
use super::assemble::assemble;
use super::book::Book;
use super::instances::{Instances, usage_failure};
use super::model::{Param, ParamType, Recipe};
use super::request::{Compiled, Scope};
use super::template::{Renderer, engine};
use crate::diag::{Exit, Failure, did_you_mean, say};
use crate::plan::{Plan, Step, StepId, references};
use crate::runs::ScenarioRequest;

/// Options that name the machine a scenario works on.
const MACHINE: [&str; 4] = ["host", "remote", "vm_ip", "local"];

/// Compiles it. `book` is one of scenarios.
pub(super) fn compile(
    book: &Book,
    request: &ScenarioRequest,
    scope: &Scope<'_>,
) -> Result<Compiled, Failure> {
    let (layer, recipe, head) = book.scenario(&request.name)?;
    book.check(scope.registry, &scope.lab.config)?;
    known_phases(recipe, &request.skip)?;
    let words: Vec<Word> = request.args.iter().map(|arg| Word::typed(arg)).collect();
    let mut given = bind(recipe, &words).map_err(usage_failure)?;
    let nothing = Map::new();
    let context = request.context.as_ref();
    let values = context.map_or(&nothing, |context| &context.values);
    for (param, text) in recipe.params.iter().zip(&mut given) {
        // Flags win over what an earlier run left.
        if text.is_none() {
            *text = values
                .get(param.name.get_ref())
                .and_then(|v| plain(param, v));
        }
    }
    if head.host_required && !names_machine(recipe, &given) {
        let message = format!("scenario `{}` needs a machine to work on", request.name);
        let way = format!("scenario {} --host NAME", request.name);
        return Err(Failure::message(Exit::Usage, message).help(say("name it: ").hl(way)));
    }
    let engine = engine();
    let renderer = Renderer::new(&engine, scope.lab, scope.env);
    let mut instances = Instances::new(book, renderer, scope.env);
    let root = instances.ask_bound(layer, recipe, &given)?;
    let name = instances.list[root].text.clone();
    let mut compiled = assemble(instances, &[root], name, scope)?;
    leave_out(&mut compiled.plan, &request.skip, values)?;
    Ok(compiled)
}

fn known_phases(recipe: &Recipe, skip: &[String]) -> Result<(), Failure> {
    let phases = || recipe.steps.iter().map(|step| step.id.get_ref().as_str());
    let Some(unknown) = skip.iter().find(|name| phases().all(|id| id != *name)) else {
        return Ok(());
    };
    let scenario = recipe.name.get_ref();
    let message = format!("scenario `{scenario}` has no phase `{unknown}`");
    Err(Failure::message(Exit::Unknown, message)
        .helps(did_you_mean(unknown, phases()))
        .help(say("its phases: ").hl(format!("scenario {scenario} --phases"))))
}

/// A value of the context file as an option is given.
fn plain(param: &Param, value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => {
            let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            items?.join(",")
        }
        Value::Null | Value::Object(_) => return None,
    };
    let fits = match param.kind {
        ParamType::String => true,
        ParamType::Bool => text.parse::<bool>().is_ok(),
        ParamType::Int => text.parse::<i64>().is_ok(),
    };
    fits.then_some(text)
}

fn names_machine(recipe: &Recipe, given: &[Option<String>]) -> bool {
    let mut params = recipe.params.iter().zip(given);
    params.any(|(param, text)| {
        let says = text
            .as_deref()
            .is_some_and(|text| !text.is_empty() && text != "false");
        says && MACHINE.contains(&param.name.get_ref().as_str())
    })
}

/// Leaves phases out. What others use of them comes from the context.
fn leave_out(
    plan: &mut Plan,
    skip: &[String],
    context: &Map<String, Value>,
) -> Result<(), Failure> {
    let is_left = |step: &&Step| skip.iter().any(|name| step.id.is_called(name));
    let left: BTreeSet<StepId> = plan
        .steps
        .iter()
        .filter(is_left)
        .map(|s| s.id.clone())
        .collect();
    for step in &mut plan.steps {
        if left.contains(&step.id) {
            step.when = Some("false".to_owned());
            continue;
        }
        let id = step.id.clone();
        for value in step.with.values_mut() {
            for (from, key) in references(value) {
                if !left.contains(&from) {
                    continue;
                }
                let known = context.get(&key).ok_or_else(|| unknown(&id, &from, &key))?;
                put(value, &format!("${{steps.{from}.{key}}}"), known);
            }
        }
        if let Some(when) = &mut step.when {
            let used = references(&Value::String(when.clone()));
            for (from, key) in used.into_iter().filter(|(from, _)| left.contains(from)) {
                let known = context.get(&key).ok_or_else(|| unknown(&id, &from, &key))?;
                *when = when.replace(&format!("${{steps.{from}.{key}}}"), &shown(known));
            }
        }
    }
    Ok(())
}

fn unknown(step: &StepId, from: &StepId, key: &str) -> Failure {
    Failure::message(
        Exit::Usage,
        format!(
            "phase `{}` uses `{key}` of phase `{}`, which is skipped",
            step.name(),
            from.name()
        ),
    )
    .help(format!(
        "name a file that an earlier run wrote and that holds `{key}`: `--context-file FILE`"
    ))
}

/// Puts a value where it is referred to: whole, or inside a longer text.
fn put(value: &mut Value, reference: &str, known: &Value) {
    match value {
        Value::String(text) if text == reference => *value = known.clone(),
        Value::String(text) => *text = text.replace(reference, &shown(known)),
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| put(item, reference, known)),
        Value::Object(map) => map
            .values_mut()
            .for_each(|item| put(item, reference, known)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan() -> Plan {
        let mut fetch = Step::new("s/fetch", "command");
        fetch
            .with
            .insert("a".to_owned(), json!("${steps.s/build.images}"));
        fetch
            .with
            .insert("b".to_owned(), json!(["x ${steps.s/build.images}"]));
        Plan::new("s", vec![Step::new("s/build", "command"), fetch])
    }

    #[test]
    fn what_is_left_out_comes_from_the_context() {
        let mut plan = plan();
        let context = Map::from_iter([("images".to_owned(), json!(["d12"]))]);
        leave_out(&mut plan, &["build".to_owned()], &context).unwrap();
        assert_eq!(plan.steps[0].when.as_deref(), Some("false"));
        assert_eq!(plan.steps[1].with["a"], json!(["d12"]));
        assert_eq!(plan.steps[1].with["b"], json!(["x [\"d12\"]"]));
        assert_eq!(plan.steps[1].when, None);
    }

    #[test]
    fn what_nobody_knows_is_named() {
        let failure = leave_out(&mut plan(), &["build".to_owned()], &Map::new()).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(
            failure.to_string(),
            "phase `fetch` uses `images` of phase `build`, which is skipped"
        );
    }
}
