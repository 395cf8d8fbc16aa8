//! The tables as JSON Schemas (2020-12), for editors.

use serde_json::{Map, Value, json};

use super::files::{ENV, FLAT_POSTURE, HOST, NODE, POSTURE, PRESET, SECRETS, SITE, SPEC, TEMPLATE};
use super::manifests::{MANIFEST_V1, MANIFEST_V2};
use super::model::{Key, Others, Record, Shape};
use crate::site::tree::Kind;

/// The files that have a schema, by the name that `hl schema` takes.
pub const SCHEMAS: [&str; 11] = [
    "site",
    "secrets",
    "node",
    "host",
    "env",
    "template",
    "preset",
    "posture",
    "spec-posture",
    "spec",
    "manifest",
];

/// A part of an IPv4 address.
const OCTET: &str = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";

/// The JSON Schema of a file: one of [`SCHEMAS`].
pub fn schema(name: &str) -> Option<Value> {
    let (title, body) = match name {
        "site" => ("site.yaml", record(&SITE)),
        "secrets" => ("secrets.yaml", record(&SECRETS)),
        "node" => ("nodes/NODE.yaml", record(&NODE)),
        "host" => ("hosts/HOST.yaml", record(&HOST)),
        "env" => ("envs/ENV.yaml", record(&ENV)),
        "template" => ("vms/TEMPLATE.yaml", record(&TEMPLATE)),
        "preset" => ("vms/presets/PRESET.yaml", record(&PRESET)),
        "posture" => ("postures/POSTURE.yaml", record(&FLAT_POSTURE)),
        "spec-posture" => ("v2/postures/POSTURE.yaml", record(&POSTURE)),
        "spec" => ("v2/specs/SPEC.yaml", record(&SPEC)),
        "manifest" => (
            "manifests/MANIFEST.yaml",
            json!({ "anyOf": [record(&MANIFEST_V2), record(&MANIFEST_V1)] }),
        ),
        _ => return None,
    };
    let mut out = Map::new();
    let dialect = "https://json-schema.org/draft/2020-12/schema";
    out.insert("$schema".to_owned(), json!(dialect));
    out.insert("title".to_owned(), json!(title));
    if let Value::Object(body) = body {
        out.extend(body);
    }
    Some(Value::Object(out))
}

fn record(record: &Record) -> Value {
    let properties: Map<String, Value> = record
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let required: Vec<&str> = record
        .keys
        .iter()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    let mut out = json!({ "type": "object", "properties": properties });
    if let Some(out) = out.as_object_mut() {
        if !required.is_empty() {
            out.insert("required".to_owned(), json!(required));
        }
        if record.others == Others::Refused {
            out.insert("additionalProperties".to_owned(), json!(false));
        }
    }
    out
}

fn property(key: &Key) -> Value {
    // Nothing means "not given", but where something must be.
    let strict =
        key.required || matches!(key.shape, Shape::Name(Kind::Posture | Kind::SpecPosture));
    let inner = value(key.shape);
    let mut out = match (strict, inner) {
        (true, inner) => inner,
        (false, Value::Object(inner)) if inner.is_empty() => Value::Object(inner),
        (false, inner) => json!({ "anyOf": [inner, { "type": "null" }] }),
    };
    if let Some(out) = out.as_object_mut() {
        out.insert("description".to_owned(), json!(key.doc));
    }
    out
}

fn value(shape: Shape) -> Value {
    match shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Integer(low, high) if low == high => json!({ "const": low }),
        Shape::Integer(low, high) => {
            json!({ "type": "integer", "minimum": low, "maximum": high })
        }
        Shape::Address => json!({ "type": "string", "format": "ipv4" }),
        Shape::Cidr => json!({
            "type": "string",
            "pattern": format!(r"^(dhcp|{OCTET}(\.{OCTET}){{3}}/(3[0-2]|[0-2]?[0-9]))$"),
        }),
        Shape::Url => json!({ "type": "string", "pattern": "^(https?://[^ ]+)?$" }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Name(_) => json!({ "type": "string", "pattern": r"^[^/\\]+$" }),
        Shape::ApiToken | Shape::SshKey => json!({ "type": "string", "minLength": 1 }),
        Shape::List(inner) => json!({ "type": "array", "items": value(*inner) }),
        Shape::Record(inner) => record(inner),
        Shape::Keyed(inner) => json!({
            "type": "object",
            "additionalProperties": { "anyOf": [value(*inner), { "type": "null" }] },
        }),
        Shape::Any => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Advice, Commands, Source};
    use crate::site::secrets::Secrets;

    #[test]
    fn every_file_has_one_and_every_key_is_described() {
        for name in SCHEMAS {
            let schema = schema(name).unwrap();
            assert!(schema["$schema"].as_str().unwrap().contains("2020-12"));
            let mut open = vec![&schema];
            let mut described = 0;
            while let Some(value) = open.pop() {
                if let Some(properties) = value["properties"].as_object() {
                    for (key, property) in properties {
                        assert!(property["description"].is_string(), "{name}: {key}");
                        described += 1;
                    }
                }
                match value {
                    Value::Object(map) => open.extend(map.values()),
                    Value::Array(items) => open.extend(items),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
                }
            }
            assert!(described > 0, "{name}");
        }
        assert!(schema("nothing").is_none());
    }

    /// The table of secrets is for editors; their own reader knows the same keys.
    #[test]
    fn secrets_are_read_as_the_table_says() {
        let text = |record: &Record| -> String {
            let lines = record.keys.iter().map(|key| {
                if matches!(key.shape, Shape::Keyed(_)) {
                    format!("{}: {{a: b}}\n", key.name)
                } else if matches!(key.shape, Shape::Record(_)) {
                    format!("{}: {{site_token: a, node_tokens: {{a: b}}}}\n", key.name)
                } else {
                    String::new()
                }
            });
            lines.collect()
        };
        let secrets = Secrets::parse(Source::new("secrets.yaml", text(&SECRETS))).unwrap();
        assert_eq!(secrets.values().count(), 5);
        let other = Secrets::parse(Source::new("secrets.yaml", "other: {a: b}\n"));
        let help = Advice::joined(other.unwrap_err().diagnostics[0].help.clone(), "");
        let help = help.text(Commands::Live);
        for key in SECRETS.keys.iter().filter(|key| key.name != "sops") {
            assert!(help.contains(key.name), "{help}");
        }
    }
}
