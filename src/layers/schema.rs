//! JSON Schemas for editors: `hl schema layer` and `hl schema hl`.

use schemars::Schema;
use serde_json::{Map, Value, json};

use super::table::{FILE, SCENARIO_FILE};
use crate::action::{Registry, builtin};
use crate::lab;
use crate::shape::{self, Format};

/// Where a step is in the schema.
const STEP: &str = "/properties/recipe/items/properties/step/items";

/// What the file is, for editors.
const ABOUT: &str = "A layer file: `layers/<id>-<name>/layer.toml`. Strings are minijinja templates where it says so; they know `var.NAME`, `lab`, `layer`, `paths`, `steps.ID.KEY` and the recipe's parameters.";

/// Where a phase is in the schema of a scenario.
const PHASE: &str = "/properties/phase/items";

/// What a scenario's file is, for editors.
const SCENARIO_ABOUT: &str = "A scenario: `scenarios/NOUN-VERB.toml`. Strings are minijinja templates where it says so; they know `var.NAME`, `lab`, `layer`, `paths`, `steps.PHASE.KEY` and the scenario's options.";

/// The JSON Schema of `scenarios/NAME.toml`, with the inputs of every action that
/// `hl` ships.
pub fn scenario_schema() -> Schema {
    let schema = shape::schema(Format::Toml, &SCENARIO_FILE);
    let schema = with_actions(&builtin(), schema, PHASE, SCENARIO_ABOUT);
    Schema::try_from(shape::document("scenarios/NAME.toml", schema)).unwrap_or_default()
}

/// The JSON Schema of `layer.toml`, with the inputs of every action that `hl` ships.
pub fn layer_schema() -> Schema {
    let schema = shape::schema(Format::Toml, &FILE);
    let schema = with_actions(&builtin(), schema, STEP, ABOUT);
    Schema::try_from(shape::document("layer.toml", schema)).unwrap_or_default()
}

/// A file's schema with the inputs of these actions; `at` is where a step is in it.
fn with_actions(actions: &Registry, mut schema: Value, at: &str, about: &str) -> Value {
    let mut cases = Vec::new();
    let mut defs = Map::new();
    for name in actions.names() {
        let Some(action) = actions.get(name) else {
            continue;
        };
        let mut inputs = (action.about().inputs)().to_value();
        if let Some(table) = inputs.as_object_mut() {
            table.remove("$schema");
            table.remove("title");
            if let Some(Value::Object(own)) = table.remove("$defs") {
                for (key, mut value) in own {
                    rename(&mut value, name);
                    defs.insert(format!("{name}.{key}"), value);
                }
            }
        }
        rename(&mut inputs, name);
        templated(&mut inputs);
        cases.push(json!({
            "if": { "properties": { "use": { "const": name } }, "required": ["use"] },
            "then": { "properties": { "with": inputs } },
        }));
    }
    let docs: Vec<Value> = actions
        .names()
        .filter_map(|name| Some(actions.get(name)?.about()))
        .map(|about| json!({ "const": about.name, "description": about.doc }))
        .collect();
    if let Some(step) = schema.pointer_mut(at).and_then(Value::as_object_mut) {
        let action = step
            .get_mut("properties")
            .and_then(|keys| keys.get_mut("use"));
        if let Some(action) = action.and_then(Value::as_object_mut) {
            action.insert("oneOf".to_owned(), Value::Array(docs));
        }
        step.insert("allOf".to_owned(), Value::Array(cases));
    }
    if let Some(root) = schema.as_object_mut() {
        root.insert("description".to_owned(), json!(about));
        root.insert("$defs".to_owned(), Value::Object(defs));
    }
    schema
}

/// The JSON Schema of `hl.toml`.
pub fn hl_schema() -> Schema {
    Schema::try_from(lab::schema()).unwrap_or_default()
}

/// Points local references to the definitions as they are named in the whole.
fn rename(value: &mut Value, action: &str) {
    match value {
        Value::Object(table) => {
            if let Some(Value::String(reference)) = table.get_mut("$ref")
                && let Some(name) = reference.strip_prefix("#/$defs/")
            {
                *reference = format!("#/$defs/{action}.{name}");
            }
            table.values_mut().for_each(|inner| rename(inner, action));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| rename(inner, action)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A template may stand where something else than a text is wanted.
fn templated(inputs: &mut Value) {
    let Some(properties) = inputs.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for property in properties.values_mut() {
        let text = property.get("type").and_then(Value::as_str) == Some("string");
        let free = property.get("enum").is_none();
        if text && free {
            continue;
        }
        let wanted = property.take();
        let mut either = Map::new();
        for about in ["description", "default"] {
            if let Some(value) = wanted.get(about) {
                either.insert(about.to_owned(), value.clone());
            }
        }
        let template = json!({ "type": "string", "pattern": r"\{\{" });
        either.insert("anyOf".to_owned(), json!([wanted, template]));
        *property = Value::Object(either);
    }
}

#[cfg(test)]
mod tests {
    use boon::{Compiler, Schemas};
    use camino::Utf8Path;

    use super::super::parse::parse;
    use super::*;
    use crate::diag::Source;

    const GOOD: &str = r#"
[layer]
id = "l2"
name = "N"
doc = "d"
default = "a"
env = ["A"]
optional_env = ["B"]
tools = ["tofu"]
generates = [".build/x"]
[[recipe]]
name = "a"
doc = "d"
params = [{ name = "p", type = "int", default = 3, values = ["3"], doc = "d", option = true }]
deps = ["b"]
parallel = true
env = ["A"]
tools = ["x"]
approve = "s"
on_failure = "continue"
private = true
[[recipe.step]]
id = "s"
doc = "d"
use = "command"
with = { argv = ["x"], n = 1.5, t = { a = true } }
needs = []
when = "true"
timeout = "5m"
retry = { times = 2, backoff = "5s", on = "any" }
finally = true
"#;

    /// Every line taken out, and every value replaced by one of another type:
    /// the parser and the schema judge alike.
    #[test]
    fn schema_and_parser_judge_alike() {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        let schema = shape::schema(Format::Toml, &FILE);
        compiler.add_resource("layer.json", schema).unwrap();
        let index = compiler.compile("layer.json", &mut schemas).unwrap();
        let both = |text: &str| {
            let source = Source::new("layers/l2-n/layer.toml", text);
            let (_, findings) = parse(source, Utf8Path::new("layers/l2-n"));
            let value: Value = toml::from_str(text).unwrap();
            (findings.is_empty(), schemas.validate(&value, index).is_ok())
        };
        assert_eq!(both(GOOD), (true, true));
        let lines: Vec<&str> = GOOD.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let Some((key, _)) = line.split_once(" = ") else {
                continue;
            };
            for value in [
                None,
                Some("true"),
                Some("7"),
                Some("\"x\""),
                Some("[]"),
                Some("{}"),
                Some("[1]"),
            ] {
                let replaced = value.map(|value| format!("{key} = {value}"));
                let text: Vec<&str> = lines
                    .iter()
                    .enumerate()
                    .filter_map(|(i, line)| {
                        if i == index {
                            replaced.as_deref()
                        } else {
                            Some(*line)
                        }
                    })
                    .collect();
                // Rules beyond shape: the folder's name.
                if key == "id" && value == Some("\"x\"") {
                    continue;
                }
                let (parser, shapes) = both(&text.join("\n"));
                assert_eq!(parser, shapes, "line `{line}` as `{replaced:?}`");
            }
        }
    }

    #[test]
    fn inputs_of_actions_are_in_it() {
        let schema = layer_schema().to_value();
        let cases = schema.pointer(STEP).unwrap()["allOf"].as_array().unwrap();
        let command = cases
            .iter()
            .find(|case| case["if"]["properties"]["use"]["const"] == "command")
            .unwrap();
        let argv = &command["then"]["properties"]["with"]["properties"]["argv"];
        assert_eq!(argv["anyOf"][0]["type"], "array");
        assert_eq!(argv["anyOf"][1]["type"], "string");
        // Every reference leads somewhere.
        let mut open = vec![&schema];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(table) => {
                    if let Some(reference) = table.get("$ref").and_then(Value::as_str) {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(schema.pointer(pointer).is_some(), "{reference}");
                    }
                    open.extend(table.values());
                }
                Value::Array(items) => open.extend(items),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
    }
}
