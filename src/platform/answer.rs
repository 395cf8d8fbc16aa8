//! Text that somebody typed, as the value of an input.

use serde_json::{Map, Value};

use super::model::{Field, Input, Kind};

/// The value that a text stands for.
///
/// # Errors
/// It stands for none of the input's type; the text says what was expected.
pub(super) fn parse_answer(input: &Input, text: &str) -> Result<Value, String> {
    let text = text.trim();
    match input.kind {
        Kind::Text | Kind::Secret | Kind::Choice => Ok(Value::from(text)),
        Kind::Bool => flag(text),
        Kind::Int => number(text),
        Kind::List => {
            if text.starts_with('[') {
                return json(text);
            }
            let items = text.split(',').map(str::trim);
            Ok(items.filter(|item| !item.is_empty()).collect())
        }
        Kind::Records => {
            if text.starts_with('[') {
                return json(text);
            }
            let records = text.split([';', '\n']).map(str::trim);
            records
                .filter(|record| !record.is_empty())
                .map(|text| record(&input.fields, text))
                .collect()
        }
    }
}

/// A value as it would be typed.
pub(super) fn typed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let records = items.iter().map(|item| {
                let pairs = item.as_object().into_iter().flatten();
                let pairs = pairs.map(|(key, value)| format!("{key}={}", typed(value)));
                pairs.collect::<Vec<_>>().join(",")
            });
            records.collect::<Vec<_>>().join("; ")
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(typed).collect();
            items.join(",")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn flag(text: &str) -> Result<Value, String> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "true" => Ok(true.into()),
        "n" | "no" | "false" => Ok(false.into()),
        _ => Err("expected yes or no".to_owned()),
    }
}

fn number(text: &str) -> Result<Value, String> {
    let number: Result<i64, _> = text.parse();
    number
        .map(Value::from)
        .map_err(|_| "expected a whole number".to_owned())
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

/// `name=cp01,ip=10.0.0.5,role=worker`
fn record(fields: &[Field], text: &str) -> Result<Value, String> {
    let mut all = Map::new();
    for pair in text.split(',') {
        let Some((key, value)) = pair.split_once('=') else {
            let names: Vec<String> = fields
                .iter()
                .map(|field| format!("{}=...", field.name))
                .collect();
            return Err(format!("expected {}", names.join(",")));
        };
        let (key, value) = (key.trim(), value.trim());
        let field = fields.iter().find(|field| field.name == key);
        let kind = field.map_or(Kind::Text, |field| field.kind);
        let value = match kind {
            Kind::Int => number(value).map_err(|why| format!("{key}: {why}"))?,
            Kind::Bool => flag(value).map_err(|why| format!("{key}: {why}"))?,
            Kind::Text | Kind::Secret | Kind::Choice | Kind::List | Kind::Records => {
                Value::from(value)
            }
        };
        all.insert(key.to_owned(), value);
    }
    Ok(Value::Object(all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn what_is_typed_becomes_the_type_of_its_input() {
        let nodes = json!({"name": "nodes", "type": "records", "fields": [
            {"name": "name"}, {"name": "ip"}, {"name": "vmid", "type": "int"}]});
        let of = |input: Value, text: &str| {
            let input: Input = from_value(input).unwrap();
            parse_answer(&input, text)
        };
        let value = of(
            nodes.clone(),
            "name=a,ip=10.0.0.1,vmid=100; name=b, ip=10.0.0.2,vmid=101",
        );
        let expected = json!([
            {"name": "a", "ip": "10.0.0.1", "vmid": 100},
            {"name": "b", "ip": "10.0.0.2", "vmid": 101},
        ]);
        assert_eq!(value, Ok(expected.clone()));
        assert_eq!(of(nodes.clone(), &typed(&expected)), Ok(expected.clone()));
        assert_eq!(of(nodes.clone(), &expected.to_string()), Ok(expected));
        assert!(of(nodes, "a").unwrap_err().contains("name=...,ip=..."));
        // A name that ends in `s` is no list, and digits in a text stay a text.
        let address = json!({"name": "address", "type": "text"});
        assert_eq!(of(address.clone(), "a,b"), Ok(json!("a,b")));
        assert_eq!(of(address, "2870814"), Ok(json!("2870814")));
        let list = json!({"name": "x", "type": "list"});
        assert_eq!(of(list, " a, b,"), Ok(json!(["a", "b"])));
        let flag = json!({"name": "x", "type": "bool"});
        assert_eq!(of(flag.clone(), "Yes"), Ok(json!(true)));
        assert!(of(flag, "maybe").is_err());
    }
}
