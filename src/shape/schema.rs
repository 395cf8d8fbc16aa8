//! A table as a JSON Schema (2020-12), for editors.

use serde_json::{Map, Value, json};

use super::model::{Format, Key, Others, Record, Referent, Shape};

/// A schema as a document of its own.
pub fn document(title: &str, body: Value) -> Value {
    let mut out = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
    });
    if let (Some(out), Value::Object(body)) = (out.as_object_mut(), body) {
        out.extend(body);
    }
    out
}

/// A table as a schema.
pub fn schema<N: Referent>(format: Format, record: &Record<N>) -> Value {
    let properties: Map<String, Value> = record
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(format, key)))
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

fn property<N: Referent>(format: Format, key: &Key<N>) -> Value {
    // Nothing means "not given", but where something must be.
    let named = matches!(key.shape, Shape::Name(target) if target.never_null().is_some());
    let inner = value(format, key.shape);
    let mut out = if key.required || named {
        inner
    } else {
        nullable(format, inner)
    };
    if let Some(out) = out.as_object_mut() {
        out.insert("description".to_owned(), json!(key.doc));
    }
    out
}

/// The same, or nothing, where a file can say so.
fn nullable(format: Format, inner: Value) -> Value {
    if format == Format::Toml || inner.as_object().is_some_and(Map::is_empty) {
        return inner;
    }
    json!({ "anyOf": [inner, { "type": "null" }] })
}

fn text(pattern: &str) -> Value {
    if pattern.is_empty() {
        return json!({ "type": "string" });
    }
    json!({ "type": "string", "pattern": pattern })
}

fn value<N: Referent>(format: Format, shape: Shape<N>) -> Value {
    match shape {
        Shape::Text => text(""),
        Shape::Filled => text(r"\S"),
        Shape::Form(form) => text(form.pattern),
        Shape::Name(target) => text(target.pattern()),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Integer(low, high) if low == high => json!({ "const": low }),
        Shape::Integer(low, high) => {
            json!({ "type": "integer", "minimum": low, "maximum": high })
        }
        Shape::Scalar => json!({ "type": ["string", "boolean", "integer"] }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::List(inner) => json!({ "type": "array", "items": value(format, *inner) }),
        Shape::Record(inner) => schema(format, inner),
        Shape::Keyed(inner) | Shape::Named(_, inner) => {
            let mut out = json!({
                "type": "object",
                "additionalProperties": nullable(format, value(format, *inner)),
            });
            if let (Shape::Named(form, _), Some(out)) = (shape, out.as_object_mut()) {
                out.insert(
                    "propertyNames".to_owned(),
                    json!({ "pattern": form.pattern }),
                );
            }
            out
        }
        Shape::Any => json!({}),
    }
}
