//! JSON Schemas for editors: `hl schema layer` and `hl schema hl`.
//!
//! The types here say in serde's words what [`super::parse`] reads key by key
//! (it collects every mistake, which serde cannot). Tests hold the two together.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::action::{Registry, builtin};
use crate::lab;
use crate::plan::{OnFailure, RetryOn};

/// A layer file: `layers/<id>-<name>/layer.toml`. Strings are minijinja
/// templates where it says so; they know `var.NAME`, `lab`, `layer`, `paths`,
/// `steps.ID.KEY` and the recipe's parameters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a shape, for schemas")]
struct LayerFile {
    /// About the layer.
    layer: LayerTable,
    /// What a user can run.
    #[serde(default)]
    recipe: Vec<RecipeTable>,
}

/// `[layer]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a shape, for schemas")]
struct LayerTable {
    /// First word of the folder's name, e.g. `l2`; `hl l2` runs the default recipe.
    #[schemars(length(min = 1))]
    id: String,
    /// Name for people.
    #[schemars(length(min = 1))]
    name: String,
    /// One line of documentation.
    #[serde(default)]
    doc: String,
    /// The recipe that the id stands for, and that `hl up` runs.
    #[serde(default)]
    default: Option<String>,
    /// Variables that every recipe of the layer needs.
    #[serde(default)]
    env: Vec<String>,
    /// Variables that its recipes read when they are set.
    #[serde(default)]
    optional_env: Vec<String>,
    /// Programs that every recipe of the layer needs.
    #[serde(default)]
    tools: Vec<String>,
    /// What its recipes write, relative to the lab; `*` stands for part of one
    /// name. `hl clean` may remove it.
    #[serde(default)]
    generates: Vec<String>,
}

/// `[[recipe]]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a shape, for schemas")]
struct RecipeTable {
    /// What is typed after `hl`.
    #[schemars(regex(pattern = "^[a-z][a-z0-9_-]*$"))]
    name: String,
    /// One line of documentation.
    #[serde(default)]
    doc: String,
    /// Parameters, by position unless `option`.
    #[serde(default)]
    params: Vec<ParamTable>,
    /// Recipes that run first, with arguments: `l1-ensure debian-13`,
    /// `l2-apply {{ env }} --node {{ node }}`. Templates.
    #[serde(default)]
    deps: Vec<String>,
    /// The `deps` may run at the same time.
    #[serde(default)]
    parallel: bool,
    /// Variables that it needs, besides the layer's.
    #[serde(default)]
    env: Vec<String>,
    /// Programs that it needs, besides the layer's.
    #[serde(default)]
    tools: Vec<String>,
    /// The step that shows what it would do and asks.
    #[serde(default)]
    approve: Option<String>,
    /// What happens to the rest when a step fails.
    #[serde(default)]
    on_failure: OnFailure,
    /// Not listed.
    #[serde(default)]
    private: bool,
    /// What it does, in order. Without any it is a group of its `deps`.
    #[serde(default)]
    step: Vec<StepTable>,
}

/// One of `params`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a shape, for schemas")]
struct ParamTable {
    /// Name in templates; `update_image` is typed `--update-image` as an option.
    #[schemars(regex(pattern = "^[a-z_][a-z0-9_]*$"))]
    name: String,
    /// Used when it is not given. A string is a template. Without a default a
    /// parameter must be given, an option is empty.
    #[serde(default)]
    default: Option<DefaultValue>,
    /// The only values it takes.
    #[serde(default)]
    values: Vec<String>,
    /// One line of documentation.
    #[serde(default)]
    doc: String,
    /// Given as `--name VALUE`, or `--name` when it is a bool.
    #[serde(default)]
    option: bool,
    /// Its type.
    #[serde(default, rename = "type")]
    kind: KindWord,
}

/// A default.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a shape, for schemas")]
enum DefaultValue {
    /// A text or a template.
    String(String),
    /// For `type = "bool"`.
    Bool(bool),
    /// For `type = "int"`.
    Int(i64),
}

/// A parameter's type.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum KindWord {
    /// Any text.
    #[default]
    String,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
}

/// `[[recipe.step]]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a shape, for schemas")]
struct StepTable {
    /// Name, unique in the recipe.
    #[schemars(regex(pattern = "^[a-z][a-z0-9_-]*$"))]
    id: String,
    /// One line for people. A template.
    #[serde(default)]
    doc: Option<String>,
    /// The action.
    #[serde(rename = "use")]
    action: String,
    /// The action's inputs; every string is a template.
    #[serde(default)]
    with: BTreeMap<String, Value>,
    /// Steps of the recipe that come first; when absent, the step before.
    #[serde(default)]
    needs: Option<Vec<String>>,
    /// Runs only when this template gives `true`.
    #[serde(default)]
    when: Option<String>,
    /// Interrupted as by Ctrl-C when it takes longer: `90s`, `60m`, or a tier
    /// (`quick`, `short`, `medium`, `long`, `extended`, or one of `hl.toml`).
    /// `none`: no limit is meant. Absent: `long`, but for `command` and
    /// `script`, which have no limit and are told of after as long.
    #[serde(default)]
    timeout: Option<String>,
    /// Tried again after failures.
    #[serde(default)]
    retry: Option<RetryTable>,
    /// Runs at the end, whatever happened.
    #[serde(default)]
    finally: bool,
}

/// `retry`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a shape, for schemas")]
struct RetryTable {
    /// Attempts after the first one; 1 when absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    times: Option<u32>,
    /// Wait before the second attempt, doubled each time; 5 s when absent.
    #[serde(default)]
    backoff: Option<String>,
    /// Which failures count.
    #[serde(default)]
    on: RetryOn,
}

/// The JSON Schema of `layer.toml`, with the inputs of every action that `hl` ships.
pub fn layer_schema() -> Schema {
    with_actions(&builtin())
}

fn with_actions(actions: &Registry) -> Schema {
    let mut schema = schema_for!(LayerFile);
    let mut cases = Vec::new();
    let mut defs = Map::new();
    for name in actions.names() {
        let Some(action) = actions.get(name) else {
            continue;
        };
        let mut inputs = action.inputs().to_value();
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
        .filter_map(|name| actions.get(name))
        .map(|action| json!({ "const": action.name(), "description": action.doc() }))
        .collect();
    let root = schema.ensure_object();
    if let Some(all) = root.get_mut("$defs").and_then(Value::as_object_mut) {
        if let Some(step) = all.get_mut("StepTable").and_then(Value::as_object_mut) {
            if !docs.is_empty()
                && let Some(action) = step
                    .get_mut("properties")
                    .and_then(|properties| properties.get_mut("use"))
                    .and_then(Value::as_object_mut)
            {
                action.insert("oneOf".to_owned(), Value::Array(docs));
            }
            step.insert("allOf".to_owned(), Value::Array(cases));
        }
        all.extend(defs);
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
    use std::collections::BTreeSet;

    use camino::Utf8Path;
    use rstest::rstest;

    use super::super::parse::{
        FILE_KEYS, LAYER_KEYS, PARAM_KEYS, RECIPE_KEYS, RETRY_KEYS, STEP_KEYS, parse,
    };
    use super::*;
    use crate::diag::Source;

    #[rstest]
    #[case::layer("LayerTable", LAYER_KEYS)]
    #[case::recipe("RecipeTable", RECIPE_KEYS)]
    #[case::param("ParamTable", PARAM_KEYS)]
    #[case::step("StepTable", STEP_KEYS)]
    #[case::retry("RetryTable", RETRY_KEYS)]
    fn schema_and_parser_know_the_same_keys(#[case] table: &str, #[case] keys: &[&str]) {
        let schema = layer_schema().to_value();
        let properties = &schema["$defs"][table]["properties"];
        let described: BTreeSet<&str> = properties
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(described, keys.iter().copied().collect());
    }

    #[test]
    fn the_file_has_the_same_tables() {
        let schema = layer_schema().to_value();
        let described: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(described, FILE_KEYS);
    }

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

    fn both(text: &str) -> (bool, bool) {
        let source = Source::new("layers/l2-n/layer.toml", text);
        let (_, findings) = parse(source, Utf8Path::new("layers/l2-n"));
        (
            findings.is_empty(),
            toml::from_str::<LayerFile>(text).is_ok(),
        )
    }

    /// Every line taken out, and every value replaced by one of another type:
    /// the parser and the shapes of the schema judge alike.
    #[test]
    fn schema_and_parser_judge_alike() {
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
                // serde reads a list as a struct, field by field.
                if key == "retry" && value.is_some_and(|value| value.starts_with('[')) {
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
        let cases = schema["$defs"]["StepTable"]["allOf"].as_array().unwrap();
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
