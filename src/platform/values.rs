//! What is wrong with the value of an input.

use serde_json::{Map, Value};

use super::model::{Field, Format, Input, Kind};
use crate::base::ticked;
use crate::diag::did_you_mean;

/// Something that is wrong: where in the value, as keys and numbers, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    /// The way to it: `["0", "ip"]`; empty for the value itself.
    pub path: Vec<String>,
    /// What is wrong, its subject in front.
    pub message: String,
    /// What helps.
    pub help: Option<String>,
}

/// Text that is a secret in any input.
const SECRETS: [&str; 2] = ["PRIVATE KEY-----", "AGE-SECRET-KEY-"];

/// All that is wrong with a value.
pub(super) fn misfits(input: &Input, value: &Value) -> Vec<Misfit> {
    let mut found = Vec::new();
    let mut check = Check {
        path: Vec::new(),
        found: &mut found,
    };
    let name = format!("`{}`", input.name);
    match input.kind {
        Kind::Text | Kind::Secret => check.text(&name, value, input.format),
        Kind::Bool => check.is(&name, value.is_boolean(), value, "`true` or `false`"),
        Kind::Int => check.int(&name, value, input.min, input.max),
        Kind::Choice => check.choice(&name, value, &input.choices),
        Kind::List => check.items(&name, value, input, |check, item| {
            check.text(&format!("an item of {name}"), item, input.format);
        }),
        Kind::Records => check.items(&name, value, input, |check, item| {
            check.record(&name, item, &input.fields);
        }),
    }
    found
}

struct Check<'f> {
    path: Vec<String>,
    found: &'f mut Vec<Misfit>,
}

impl Check<'_> {
    fn tell(&mut self, message: String, help: Option<String>) {
        self.found.push(Misfit {
            path: self.path.clone(),
            message,
            help,
        });
    }

    fn is(&mut self, name: &str, fits: bool, value: &Value, expected: &str) {
        if !fits {
            self.tell(
                format!("{name} is {}, expected {expected}", kind(value)),
                None,
            );
        }
    }

    fn text(&mut self, name: &str, value: &Value, format: Option<Format>) {
        let Some(text) = value.as_str() else {
            let quotes = matches!(value, Value::Bool(_) | Value::Number(_));
            let help = quotes.then(|| "put it in quotes".to_owned());
            self.tell(format!("{name} is {}, expected text", kind(value)), help);
            return;
        };
        if SECRETS.iter().any(|mark| text.contains(mark)) {
            let help = "keep it in the lab's secret store, and take it out of this file";
            self.tell(format!("{name} holds a private key"), Some(help.to_owned()));
        } else if text.trim().is_empty() {
            self.tell(format!("{name} is empty, expected text"), None);
        } else if let Some(format) = format.filter(|format| !format.fits(text)) {
            let message = format!("{name} is `{text}`, expected {}", format.expected());
            self.tell(message, None);
        }
    }

    fn int(&mut self, name: &str, value: &Value, min: Option<i64>, max: Option<i64>) {
        let Some(number) = value.as_i64() else {
            return self.is(name, false, value, "a whole number");
        };
        if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
            let range = range(min, max);
            self.tell(format!("{name} is {number}, expected {range}"), None);
        }
    }

    fn choice(&mut self, name: &str, value: &Value, choices: &[String]) {
        let Some(text) = value.as_str() else {
            return self.is(name, false, value, &format!("one of {}", ticked(choices)));
        };
        if !choices.iter().any(|choice| choice == text) {
            let message = format!("{name} is `{text}`, expected one of {}", ticked(choices));
            let help = did_you_mean(text, choices.iter().map(String::as_str));
            self.tell(message, help.filter(|help| help.starts_with("did you")));
        }
    }

    fn items(
        &mut self,
        name: &str,
        value: &Value,
        input: &Input,
        mut each: impl FnMut(&mut Check<'_>, &Value),
    ) {
        let Some(items) = value.as_array() else {
            return self.is(name, false, value, "a list");
        };
        let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
        if input.min.is_some_and(|min| count < min) || input.max.is_some_and(|max| count > max) {
            let range = range(input.min, input.max);
            self.tell(format!("{name} has {count} items, expected {range}"), None);
        }
        for (at, item) in items.iter().enumerate() {
            self.path.push(at.to_string());
            each(self, item);
            self.path.pop();
        }
    }

    fn record(&mut self, name: &str, value: &Value, fields: &[Field]) {
        let Some(map) = value.as_object() else {
            return self.is(&format!("an item of {name}"), false, value, "a mapping");
        };
        self.unknown(name, map, fields);
        for field in fields {
            let of = format!("`{}` of {name}", field.name);
            let Some(value) = map.get(&field.name).filter(|value| !value.is_null()) else {
                if !field.optional {
                    self.tell(format!("an item of {name} has no `{}`", field.name), None);
                }
                continue;
            };
            self.path.push(field.name.clone());
            match field.kind {
                Kind::Int => self.int(&of, value, None, None),
                Kind::Bool => self.is(&of, value.is_boolean(), value, "`true` or `false`"),
                Kind::Choice => self.choice(&of, value, &field.choices),
                Kind::Text | Kind::Secret | Kind::List | Kind::Records => {
                    self.text(&of, value, field.format);
                }
            }
            self.path.pop();
        }
    }

    fn unknown(&mut self, name: &str, map: &Map<String, Value>, fields: &[Field]) {
        let known = || fields.iter().map(|field| field.name.as_str());
        let unknown: Vec<&String> = map
            .keys()
            .filter(|key| !known().any(|known| known == key.as_str()))
            .collect();
        for key in unknown {
            let help = did_you_mean(key, known());
            self.path.push(key.clone());
            self.tell(format!("unknown key `{key}` in an item of {name}"), help);
            self.path.pop();
        }
    }
}

fn range(min: Option<i64>, max: Option<i64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) if min == max => min.to_string(),
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("{min} or more"),
        (None, Some(max)) => format!("{max} or less"),
        (None, None) => "any".to_owned(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    fn said(input: &Value, value: &Value) -> Vec<String> {
        let input: Input = from_value(input.clone()).unwrap();
        let found = misfits(&input, value).into_iter();
        found
            .map(|misfit| format!("{} {}", misfit.path.join("."), misfit.message))
            .collect()
    }

    #[test]
    fn values_are_held_against_their_types() {
        let nodes = json!({"name": "nodes", "type": "records", "min": 1, "fields": [
            {"name": "name", "format": "name"},
            {"name": "ip", "format": "ip"},
            {"name": "role", "type": "choice", "choices": ["controlplane", "worker"]},
        ]});
        let right = json!([{"name": "cp01", "ip": "10.0.0.5", "role": "controlplane"}]);
        assert_eq!(said(&nodes, &right), [""; 0]);
        let wrong = json!([{"name": "cp01", "ip": "10.0.0.500", "rol": "worker"}, 3]);
        assert_eq!(
            said(&nodes, &wrong),
            [
                "0.rol unknown key `rol` in an item of `nodes`",
                "0.ip `ip` of `nodes` is `10.0.0.500`, expected an address such as 192.168.1.10",
                "0 an item of `nodes` has no `role`",
                "1 an item of `nodes` is a number, expected a mapping",
            ]
        );
        assert_eq!(
            said(&nodes, &json!([])),
            [" `nodes` has 0 items, expected 1 or more"]
        );
        // A number is not guessed to be text, nor text a number.
        let id = json!({"name": "id", "type": "text"});
        assert_eq!(
            said(&id, &json!(2_870_814)),
            [" `id` is a number, expected text"]
        );
        let port = json!({"name": "port", "type": "int", "min": 1, "max": 10});
        assert_eq!(said(&port, &json!(11)), [" `port` is 11, expected 1 to 10"]);
        assert_eq!(
            said(&port, &json!("1")),
            [" `port` is text, expected a whole number"]
        );
        let key = json!("-----BEGIN RSA PRIVATE KEY-----\nx");
        assert_eq!(said(&id, &key), [" `id` holds a private key"]);
    }
}
