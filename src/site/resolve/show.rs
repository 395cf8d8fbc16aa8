//! An answer as JSON, and as a list of where each value is from.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::value::{Object, Origin, Resolved, Traced, Value};
use crate::base::json::pretty;

/// What stands where a secret would.
const HIDDEN: &str = "(secret)";

/// An answer to be written as JSON.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    object: &'a Object,
    reveal: bool,
}

/// Where a value is from.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Explained {
    /// Where in the answer: `vms[0].cores`.
    pub path: String,
    /// The value as JSON; `(secret)` for a secret.
    pub value: String,
    /// File and line, `default` or `command line`.
    pub from: String,
}

impl Resolved {
    /// As JSON with secrets as `(secret)`.
    pub fn redacted(&self) -> Shown<'_> {
        Shown {
            object: &self.value,
            reveal: false,
        }
    }

    /// As JSON in the clear: only for a 0600 file, or where it was asked for.
    pub fn revealed(&self) -> Shown<'_> {
        Shown {
            object: &self.value,
            reveal: true,
        }
    }

    /// As it is sent to machines: JSON with secrets in the clear. Of a spec these are
    /// public keys.
    ///
    /// # Errors
    /// It cannot be written, which is a mistake of the program's.
    pub fn document(&self) -> Result<String, serde_json::Error> {
        Ok(pretty(&self.revealed())? + "\n")
    }

    /// Every value that is no collection, and every empty collection, with
    /// where it is from. Never shows a secret.
    pub fn explain(&self) -> Vec<Explained> {
        let mut out = Vec::new();
        object(&self.value, "", &mut out);
        out
    }
}

fn object(map: &Object, path: &str, out: &mut Vec<Explained>) {
    for (key, value) in map.iter() {
        let key = plain(key);
        let path = if path.is_empty() {
            key
        } else {
            format!("{path}.{key}")
        };
        explain(value, path, out);
    }
}

/// A key as it is written in a path.
fn plain(key: &str) -> String {
    let simple = |c: char| c.is_ascii_alphanumeric() || "_-@".contains(c);
    if !key.is_empty() && key.chars().all(simple) {
        return key.to_owned();
    }
    format!("[{}]", json(&key))
}

fn explain(value: &Traced, path: String, out: &mut Vec<Explained>) {
    match &value.value {
        Value::Map(map) if !map.is_empty() => object(map, &path, out),
        Value::List(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                explain(item, format!("{path}[{index}]"), out);
            }
        }
        Value::Secret(_) => out.push(row(path, HIDDEN.to_owned(), &value.origin)),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Map(_) => {
            let shown = json(&View {
                value,
                reveal: false,
            });
            out.push(row(path, shown, &value.origin));
        }
    }
}

fn row(path: String, value: String, origin: &Origin) -> Explained {
    Explained {
        path,
        value,
        from: origin.to_string(),
    }
}

/// Values that are read from text can be written as text.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A value to be written.
struct View<'a> {
    value: &'a Traced,
    reveal: bool,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.object.len()))?;
        for (key, value) in self.object.iter() {
            let reveal = self.reveal;
            map.serialize_entry(key, &View { value, reveal })?;
        }
        map.end()
    }
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reveal = self.reveal;
        match &self.value.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(number) => number.serialize(serializer),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Secret(secret) if reveal || secret.reveal().is_empty() => {
                serializer.serialize_str(secret.reveal())
            }
            Value::Secret(_) => serializer.serialize_str(HIDDEN),
            Value::List(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for value in items {
                    seq.serialize_element(&View { value, reveal })?;
                }
                seq.end()
            }
            Value::Map(object) => Shown { object, reveal }.serialize(serializer),
        }
    }
}
