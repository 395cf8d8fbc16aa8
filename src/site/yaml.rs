//! YAML as a tree in which every key and value knows where it stands, so that
//! all findings of a file can be told at once, each with its line.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::diag::{Diagnostic, Exit, Failure, Place, Source};

/// A value and where it is.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    location: Location,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool,
    Integer(i64),
    Float,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    key_location: Location,
    pub(super) value: Node,
}

/// A parsed file.
pub(super) struct Document {
    source: Source,
    pub(super) root: Node,
}

impl Document {
    /// Parses a text; not YAML at all is exit 65 with the place.
    pub(super) fn parse(source: Source) -> Result<Self, Failure> {
        match serde_saphyr::from_str::<Option<Node>>(&source.text) {
            Ok(root) => {
                let root = root.unwrap_or(Node {
                    value: Value::Null,
                    location: Location::UNKNOWN,
                });
                Ok(Self { source, root })
            }
            Err(error) => {
                let error = error.without_snippet();
                let message = error.to_string();
                let message = message.lines().next().unwrap_or("invalid YAML");
                let mut diagnostic =
                    Diagnostic::error(format!("`{}` is not valid YAML: {message}", source.path));
                if let Some(location) = error.location() {
                    let span = span(&source.text, location);
                    diagnostic = diagnostic.at(source.at(span, ""));
                }
                Err(Failure::new(Exit::Definition, diagnostic))
            }
        }
    }

    /// The place of a value.
    pub(super) fn at(&self, node: &Node, label: impl Into<String>) -> Place {
        self.source
            .at(span(&self.source.text, node.location), label)
    }

    /// The place of a key.
    pub(super) fn at_key(&self, entry: &Entry, label: impl Into<String>) -> Place {
        self.source
            .at(span(&self.source.text, entry.key_location), label)
    }
}

impl Node {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool => "true or false",
            Value::Integer(_) => "a number",
            Value::Float => "a number with a fraction",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Bytes of a location: the library's where it knows them, else its line and column.
fn span(text: &str, location: Location) -> Range<usize> {
    let at = location.span();
    if let (Some(start), Some(len)) = (at.byte_offset(), at.byte_len())
        && let (Ok(start), Ok(len)) = (usize::try_from(start), usize::try_from(len))
    {
        // A block's span runs to the next token: keep to its first line.
        let end = (start + len).min(text.len());
        let first = text
            .get(start..end)
            .and_then(|part| part.lines().next())
            .map_or(0, str::len);
        return start.min(text.len())..start.min(text.len()) + first;
    }
    let line = usize::try_from(location.line()).unwrap_or(1).max(1) - 1;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    start.min(text.len())..start.min(text.len())
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            value: spanned.value,
            location: spanned.referenced,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Bool)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value)
            .map(Value::Integer)
            .map_err(|_| E::custom(format!("number {value} is too large")))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Float)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push(Entry {
                key: key.value,
                key_location: key.referenced,
                value: map.next_value()?,
            });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_know_their_places() {
        let text = "vms:\n  - name: wéb\n    vmid: 12\n    tags: [a, b]\nx:\n";
        let document = Document::parse(Source::new("e.yaml", text)).unwrap();
        let Value::Map(entries) = &document.root.value else {
            panic!("{:?}", document.root)
        };
        assert_eq!(document.at_key(&entries[0], "").line_column(), (1, 1));
        let Value::List(vms) = &entries[0].value.value else {
            panic!()
        };
        let Value::Map(vm) = &vms[0].value else {
            panic!()
        };
        let places: Vec<_> = vm
            .iter()
            .map(|e| {
                let value = document.at(&e.value, "");
                (
                    document.at_key(e, "").line_column(),
                    value.line_column(),
                    text.get(value.span.clone()).unwrap(),
                )
            })
            .collect();
        assert_eq!(
            places,
            [
                ((2, 5), (2, 11), "wéb"),
                ((3, 5), (3, 11), "12"),
                ((4, 5), (4, 11), "[")
            ]
        );
        assert!(matches!(entries[1].value.value, Value::Null));
    }

    #[test]
    fn no_yaml_is_told_with_its_place() {
        for text in ["vms: [1,\n", "a: 1\na: 2\n"] {
            let Err(failure) = Document::parse(Source::new("e.yaml", text)) else {
                panic!("{text:?} parsed")
            };
            assert_eq!(failure.exit, Exit::Definition);
            assert!(failure.diagnostics[0].place.is_some(), "{text:?}");
        }
    }
}
