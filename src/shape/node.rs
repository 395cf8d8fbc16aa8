//! A file as a tree in which every key and value knows where it stands.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Number;

use crate::diag::{Place, Source};

/// Where something stands in its file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// First byte.
    pub start: u32,
    /// The byte behind the last one.
    pub end: u32,
    /// Line, from 1.
    pub line: u32,
}

impl Mark {
    /// Its bytes.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Its place in its file, kept to its first line: a block's run to the next
    /// token.
    pub fn place(self, source: &Source, label: impl Into<String>) -> Place {
        let text = &source.text;
        let range = self.range();
        let start = range.start.min(text.len());
        let end = range.end.clamp(start, text.len());
        let line = text.get(start..end).and_then(|part| part.lines().next());
        let length = line.map_or(0, |line| line.trim_end().len());
        source.at(start..start + length, label)
    }
}

/// A value and where it is.
#[derive(Debug, Clone)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it is.
    pub mark: Mark,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text; a date of TOML too.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping; a table of TOML.
    Map(Map),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key is.
    pub key_mark: Mark,
    /// The value.
    pub value: Node,
}

/// A mapping, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Map {
    entries: Vec<Entry>,
    /// Only of mappings that are too long to be searched from the front.
    index: Option<HashMap<String, usize>>,
}

/// Mappings up to this length are searched from the front.
const SHORT: usize = 16;

impl Node {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(number) if number.is_f64() => "a number with a fraction",
            Value::Number(_) => "a number",
            Value::Text(text) if text.is_empty() => "empty text",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// Its text, when it is one.
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value {
            return Some(text);
        }
        None
    }

    /// Its entries, when it is a mapping.
    pub fn map(&self) -> Option<&Map> {
        if let Value::Map(map) = &self.value {
            return Some(map);
        }
        None
    }

    /// Its items; nothing when it is no list.
    pub fn items(&self) -> &[Node] {
        if let Value::List(items) = &self.value {
            return items;
        }
        &[]
    }

    /// The value of a key, when it is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.get(key)
    }

    /// The value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(number) => number.clone().into(),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(map) => {
                let entries = map.iter();
                let entries = entries.map(|entry| (entry.key.clone(), entry.value.to_json()));
                serde_json::Value::Object(entries.collect())
            }
        }
    }

    /// All texts in it, with their places, in order.
    pub fn texts(&self) -> Vec<(&str, Range<usize>)> {
        match &self.value {
            Value::Text(text) => vec![(text.as_str(), self.mark.range())],
            Value::List(items) => items.iter().flat_map(Self::texts).collect(),
            Value::Map(map) => map.iter().flat_map(|entry| entry.value.texts()).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
        }
    }

    /// How many nodes it is, with all that is in it.
    pub fn count(&self) -> usize {
        1 + match &self.value {
            Value::List(items) => items.iter().map(Self::count).sum(),
            Value::Map(map) => map.iter().map(|entry| 1 + entry.value.count()).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => 0,
        }
    }
}

impl Map {
    /// The entries, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    /// The entries, to be changed in place.
    pub fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    /// The mapping without a key.
    #[must_use]
    pub fn without(self, key: &str) -> Self {
        let mut rest = Self::default();
        for entry in self.entries.into_iter().filter(|entry| entry.key != key) {
            rest.insert(entry);
        }
        rest
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// A key with its value.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.position(key).and_then(|at| self.entries.get(at))
    }

    fn position(&self, key: &str) -> Option<usize> {
        if self.entries.len() <= SHORT {
            return self.entries.iter().position(|entry| entry.key == key);
        }
        self.index.as_ref()?.get(key).copied()
    }

    /// Adds an entry and says so; one whose key is there already stays out.
    pub fn insert(&mut self, entry: Entry) -> bool {
        if self.position(&entry.key).is_some() {
            return false;
        }
        self.entries.push(entry);
        let length = self.entries.len();
        if length == SHORT + 1 {
            let keys = self.entries.iter().enumerate();
            let index = keys.map(|(at, entry)| (entry.key.clone(), at)).collect();
            self.index = Some(index);
        } else if length > SHORT + 1
            && let (Some(index), Some(last)) = (&mut self.index, self.entries.last())
        {
            index.insert(last.key.clone(), length - 1);
        }
        true
    }

    /// Lays the entries of a merge key under these: they come first, and a key
    /// that both have keeps the value that it has here.
    #[must_use]
    pub fn merged_under(self, sources: &[&Self]) -> Self {
        let mut whole = Self::default();
        for entry in sources.iter().flat_map(|source| source.iter()) {
            let own = self.entry(&entry.key).unwrap_or(entry).clone();
            // An earlier source wins, so one that is there already stays.
            whole.insert(own);
        }
        for entry in self.entries {
            whole.insert(entry);
        }
        whole
    }
}

impl<'m> IntoIterator for &'m Map {
    type Item = &'m Entry;
    type IntoIter = std::slice::Iter<'m, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(key: &str, line: u32) -> Entry {
        let mark = Mark {
            line,
            ..Mark::default()
        };
        Entry {
            key: key.to_owned(),
            key_mark: mark,
            value: Node {
                value: Value::Null,
                mark,
            },
        }
    }

    proptest! {
        #[test]
        fn a_map_of_any_length_finds_what_came_first(keys in prop::collection::vec("[a-e]{1,3}", 0..60)) {
            let mut map = Map::default();
            let mut first = Vec::new();
            for (line, key) in keys.iter().enumerate() {
                let line = u32::try_from(line).unwrap();
                let is_new = map.insert(entry(key, line));
                prop_assert_eq!(is_new, !first.iter().any(|(known, _)| known == key));
                if is_new {
                    first.push((key.clone(), line));
                }
            }
            prop_assert_eq!(map.iter().count(), first.len());
            for (key, line) in &first {
                prop_assert_eq!(map.get(key).unwrap().mark.line, *line);
            }
            prop_assert!(map.get("zzz").is_none());
            let order: Vec<_> = map.iter().map(|entry| entry.key.clone()).collect();
            prop_assert_eq!(order, first.into_iter().map(|(key, _)| key).collect::<Vec<_>>());
        }
    }
}
