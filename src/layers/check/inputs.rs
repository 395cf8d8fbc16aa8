//! `with` of a step against the JSON Schema of its action's inputs.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::diag::did_you_mean;
use crate::layers::fields::{Findings, either, join};
use crate::layers::model::StepDef;
use crate::layers::template::is_template;
use crate::shape::{self, Node, Value as Given};

/// Reports unknown keys, missing ones, and literals of the wrong type.
pub(super) fn check(schema: &schemars::Schema, step: &StepDef, findings: &mut Findings) {
    let root = schema.as_value();
    let what = format!("action `{}`", step.action.get_ref());
    let walk = Walk { root };
    walk.table(root, &step.with, &step.action.span(), &what, findings);
}

struct Walk<'a> {
    root: &'a Value,
}

impl<'a> Walk<'a> {
    fn table(
        &self,
        schema: &'a Value,
        entries: &shape::Map,
        span: &Range<usize>,
        what: &str,
        findings: &mut Findings,
    ) {
        let schema = self.follow(schema);
        let empty = Map::new();
        let properties = schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        let others = schema.get("additionalProperties");
        // A schema without keys of its own, or one that says so, takes any.
        let open = match others {
            None => properties.is_empty() && what.starts_with('`'),
            Some(Value::Bool(open)) => *open,
            Some(_) => true,
        };
        for entry in entries {
            let (name, node) = (&entry.key, &entry.value);
            match properties.get(name) {
                Some(property) => self.value(property, name, node, findings),
                None if open => {
                    if let Some(other) = others.filter(|other| other.is_object()) {
                        self.value(other, name, node, findings);
                    }
                }
                None => {
                    let help = if properties.is_empty() {
                        None
                    } else {
                        did_you_mean(name, properties.keys().map(String::as_str))
                    };
                    let wrong = format!("{what} has no input `{name}`");
                    findings.error(entry.key_mark.range(), wrong, "unknown input", help);
                }
            }
        }
        let missing: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|name| entries.get(name).is_none())
            .collect();
        if !missing.is_empty() {
            let wrong = format!("{what} needs {}", join(&missing, "and"));
            findings.error(span.clone(), wrong, "missing in `with`", None);
        }
    }

    fn value(&self, schema: &'a Value, name: &str, node: &Node, findings: &mut Findings) {
        if !is_literal(&node.value) {
            return;
        }
        let variants = self.variants(schema);
        if let Some(words) = words(&variants)
            && let Given::Text(text) = &node.value
        {
            if !words.contains(&text.as_str()) {
                let help = crate::diag::closest(text, words.iter().copied())
                    .map(|word| format!("did you mean `{word}`?"));
                findings.error(
                    node.mark.range(),
                    format!("`{name}` cannot be `{text}`"),
                    format!("expected {}", either(&words)),
                    help,
                );
            }
            return;
        }
        let allowed: Vec<&str> = variants.iter().flat_map(|v| types(v)).collect();
        if allowed.is_empty() || variants.iter().any(|v| types_of(v).is_none()) {
            return;
        }
        if !allowed.iter().any(|wanted| fits(wanted, &node.value)) {
            let wanted: Vec<&str> = allowed.iter().copied().filter(|t| *t != "null").collect();
            findings.error(
                node.mark.range(),
                format!("`{name}` has the wrong type"),
                format!("expected {}, found {}", nouns(&wanted), kind(&node.value)),
                None,
            );
            return;
        }
        match &node.value {
            Given::List(items) => {
                let item = variants.iter().find_map(|v| v.get("items"));
                for (element, schema) in items.iter().zip(std::iter::repeat(item)) {
                    if let Some(schema) = schema {
                        self.value(schema, name, element, findings);
                    }
                }
            }
            Given::Map(entries) => {
                let tables: Vec<_> = variants
                    .iter()
                    .filter(|v| types(v).contains(&"object"))
                    .collect();
                if let [only] = tables.as_slice() {
                    self.table(
                        only,
                        entries,
                        &node.mark.range(),
                        &format!("`{name}`"),
                        findings,
                    );
                }
            }
            Given::Null | Given::Text(_) | Given::Bool(_) | Given::Number(_) => {}
        }
    }

    /// The schema behind local references.
    fn follow(&self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        for _ in 0..16 {
            let Some(pointer) = schema
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|reference| reference.strip_prefix('#'))
            else {
                break;
            };
            match self.root.pointer(pointer) {
                Some(target) => schema = target,
                None => break,
            }
        }
        schema
    }

    /// The alternatives of a schema, references followed.
    fn variants(&self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.follow(schema);
        let several = ["anyOf", "oneOf"]
            .iter()
            .find_map(|key| schema.get(key))
            .and_then(Value::as_array);
        match several {
            Some(list) => list.iter().flat_map(|v| self.variants(v)).collect(),
            None => vec![schema],
        }
    }
}

/// How many characters the inputs of an action may have: those that become
/// names of files say so.
pub(in crate::layers) fn longest(schema: &schemars::Schema) -> BTreeMap<String, usize> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let limits = properties
        .into_iter()
        .flatten()
        .filter_map(|(name, about)| {
            let most = about.get("maxLength")?.as_u64()?;
            Some((name.clone(), usize::try_from(most).ok()?))
        });
    limits.collect()
}

/// The words of an enumeration, when it is nothing else.
fn words<'a>(variants: &[&'a Value]) -> Option<Vec<&'a str>> {
    let mut all = Vec::new();
    for variant in variants {
        if variant.get("type").and_then(Value::as_str) == Some("null") {
            continue;
        }
        match (
            variant.get("enum").and_then(Value::as_array),
            variant.get("const"),
        ) {
            (Some(list), _) => all.extend(list.iter().filter_map(Value::as_str)),
            (None, Some(Value::String(word))) => all.push(word.as_str()),
            _ => return None,
        }
    }
    (!all.is_empty()).then_some(all)
}

/// "an integer or a string".
fn nouns(types: &[&str]) -> String {
    let nouns: Vec<&str> = types
        .iter()
        .map(|name| match *name {
            "integer" => "an integer",
            "array" => "a list",
            "object" => "a table",
            "boolean" => "a boolean",
            "number" => "a number",
            _ => "a string",
        })
        .collect();
    nouns.join(" or ")
}

fn types_of(schema: &Value) -> Option<&Value> {
    schema.get("type")
}

fn types(schema: &Value) -> Vec<&str> {
    match types_of(schema) {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn fits(wanted: &str, kind: &Given) -> bool {
    match kind {
        Given::Text(_) => wanted == "string",
        Given::Bool(_) => wanted == "boolean",
        Given::Number(number) => wanted == "number" || (wanted == "integer" && !number.is_f64()),
        Given::List(_) => wanted == "array",
        Given::Map(_) => wanted == "object",
        Given::Null => true,
    }
}

fn kind(kind: &Given) -> &'static str {
    match kind {
        Given::Text(_) => "a string",
        Given::Bool(_) => "a boolean",
        Given::Number(_) => "a number",
        Given::List(_) => "a list",
        Given::Map(_) => "a table",
        Given::Null => "nothing",
    }
}

/// Whether a node is written without templates.
fn is_literal(kind: &Given) -> bool {
    !matches!(kind, Given::Text(text) if is_template(text))
}
