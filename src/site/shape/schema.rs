//! The tables as JSON Schemas (2020-12), for editors.

use serde_json::{Value, json};

use super::files::{ENV, FLAT_POSTURE, HOST, NODE, POSTURE, PRESET, SECRETS, SITE, SPEC, TEMPLATE};
use super::manifests::{MANIFEST_V1, MANIFEST_V2};
use super::target::Record;
use crate::shape::{self, Format, document};

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

/// The JSON Schema of a file: one of [`SCHEMAS`].
pub fn schema(name: &str) -> Option<Value> {
    let (title, table) = match name {
        "site" => ("site.yaml", &SITE),
        "secrets" => ("secrets.yaml", &SECRETS),
        "node" => ("nodes/NODE.yaml", &NODE),
        "host" => ("hosts/HOST.yaml", &HOST),
        "env" => ("envs/ENV.yaml", &ENV),
        "template" => ("vms/TEMPLATE.yaml", &TEMPLATE),
        "preset" => ("vms/presets/PRESET.yaml", &PRESET),
        "posture" => ("postures/POSTURE.yaml", &FLAT_POSTURE),
        "spec-posture" => ("v2/postures/POSTURE.yaml", &POSTURE),
        "spec" => ("v2/specs/SPEC.yaml", &SPEC),
        "manifest" => {
            let forms = [&MANIFEST_V2, &MANIFEST_V1].map(record);
            return Some(document(
                "manifests/MANIFEST.yaml",
                json!({ "anyOf": forms }),
            ));
        }
        _ => return None,
    };
    Some(document(title, record(table)))
}

fn record(table: &Record) -> Value {
    shape::schema(Format::Yaml, table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Advice, Commands, Source};
    use crate::shape::Shape;
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
