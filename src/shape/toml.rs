//! TOML as a tree with places, and a TOML file as a checked type.

use serde::de::DeserializeOwned;
use serde_json::Number;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::check;
use super::model::{Format, Nothing, Record};
use super::node::{Entry, Map, Mark, Node, Value};
use crate::diag::{Diagnostic, Exit, Failure, Source};

/// The file as a type, once its table and `more` find nothing wrong with it.
/// `more` adds what no table can say.
///
/// # Errors
/// All that is wrong with the file, in its order (65). Where it is no TOML, that alone.
pub fn read<T: DeserializeOwned>(
    source: &Source,
    record: &'static Record<Nothing>,
    more: impl FnOnce(&Node, &mut Vec<Diagnostic>),
) -> Result<T, Failure> {
    let (root, mut findings) = tree(source);
    if findings.is_empty() {
        findings = check(source, Format::Toml, &root, record, true).errors;
        more(&root, &mut findings);
    }
    if findings.is_empty() {
        return serde_json::from_value(root.to_json()).map_err(|error| {
            let message = format!("`{}` cannot be read: {error}", source.path);
            Failure::message(Exit::Definition, message)
        });
    }
    findings.sort_by_key(|found| found.place.as_ref().map(|place| place.span.start));
    Err(Failure::many(Exit::Definition, findings))
}

/// What could be read of a file, and what is wrong with it as TOML.
pub fn tree(source: &Source) -> (Node, Vec<Diagnostic>) {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    let mut reader = Reader {
        source,
        faults: Vec::new(),
    };
    for error in errors {
        let message = error.message();
        let finding = Diagnostic::error(message.lines().next().unwrap_or(message));
        let place = source.at(error.span().unwrap_or(0..0), "not valid TOML");
        reader.faults.push(finding.at(place));
    }
    let root = Node {
        value: Value::Map(reader.map(document.get_ref())),
        mark: reader.mark(0..0),
    };
    (root, reader.faults)
}

struct Reader<'s> {
    source: &'s Source,
    faults: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// The entries of a table, in the order of the file.
    fn map(&mut self, table: &DeTable<'_>) -> Map {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut map = Map::default();
        for (key, value) in entries {
            map.insert(Entry {
                key: key.get_ref().clone().into_owned(),
                key_mark: self.mark(key.span()),
                value: self.node(value),
            });
        }
        map
    }

    fn node(&mut self, value: &Spanned<DeValue<'_>>) -> Node {
        let number = |text: &str, number: Option<Number>, faults: &mut Vec<Diagnostic>| {
            if number.is_none() {
                let finding = Diagnostic::error(format!("`{text}` is not a number that fits"));
                let label = "expected a 64-bit integer or a finite float";
                faults.push(finding.at(self.source.at(value.span(), label)));
            }
            number.map_or(Value::Null, Value::Number)
        };
        let inner = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Datetime(date) => Value::Text(date.to_string()),
            DeValue::Integer(integer) => {
                let read = i64::from_str_radix(integer.as_str(), integer.radix());
                number(
                    integer.as_str(),
                    read.ok().map(Number::from),
                    &mut self.faults,
                )
            }
            DeValue::Float(float) => {
                let read = float.as_str().parse().ok().and_then(Number::from_f64);
                number(float.as_str(), read, &mut self.faults)
            }
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| self.node(item)).collect())
            }
            DeValue::Table(table) => Value::Map(self.map(table)),
        };
        Node {
            value: inner,
            mark: self.mark(value.span()),
        }
    }

    fn mark(&self, span: std::ops::Range<usize>) -> Mark {
        let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Mark {
            start: short(span.start),
            end: short(span.end),
            line: short(self.source.line_of(span.start) + 1),
        }
    }
}
