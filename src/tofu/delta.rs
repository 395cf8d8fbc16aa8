//! How a resource changes, value by value.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// `change` of a resource in `show -json`.
#[derive(Debug, Deserialize)]
pub struct Delta {
    /// `create`, `update`, `delete`, `read`, `no-op`.
    pub actions: Vec<String>,
    #[serde(default)]
    /// The attributes as they are.
    pub before: Value,
    #[serde(default)]
    /// The attributes as they would be.
    pub after: Value,
    #[serde(default)]
    after_unknown: Value,
    #[serde(default)]
    before_sensitive: Value,
    #[serde(default)]
    after_sensitive: Value,
    #[serde(default)]
    /// Which attributes make a new resource of it.
    pub replace_paths: Vec<Vec<Value>>,
}

/// A value, or a step of a path, as text.
pub fn segment(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// At most this many changed values are written out.
pub const SHOWN: usize = 6;

impl Delta {
    /// Whether a value is marked as sensitive.
    fn hides(&self, path: &str) -> bool {
        let top = path.split('.').next().unwrap_or_default();
        [&self.before_sensitive, &self.after_sensitive]
            .into_iter()
            .filter_map(|marks| marks.get(top))
            .any(holds_true)
    }
}

/// All of a change as data, to be compared with that of another plan: every
/// value that differs, and what is known only after the apply. Values that are
/// sensitive are named and left out.
pub fn exact(delta: &Delta) -> Value {
    let (mut before, mut after, mut unknown) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    leaves(&delta.before, String::new(), &mut before);
    leaves(&delta.after, String::new(), &mut after);
    leaves(&delta.after_unknown, String::new(), &mut unknown);
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let values: Map<String, Value> = paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| {
            let value = if delta.hides(path) {
                Value::Null
            } else {
                json!([before.get(path), after.get(path)])
            };
            (path.clone(), value)
        })
        .collect();
    unknown.retain(|_, mark| mark == "true");
    let unknown: Vec<&String> = unknown.keys().collect();
    json!({ "actions": delta.actions, "values": values, "unknown": unknown })
}

/// The values that differ, by path, without those only known after the apply.
pub fn differences(delta: &Delta) -> Vec<String> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    leaves(&delta.before, String::new(), &mut before);
    leaves(&delta.after, String::new(), &mut after);
    let hidden = |path: &str| delta.hides(path);
    let mut unknown = BTreeMap::new();
    leaves(&delta.after_unknown, String::new(), &mut unknown);
    let is_unknown = |path: &str| {
        unknown.iter().any(|(prefix, mark)| {
            let below = path.strip_prefix(prefix.as_str());
            mark == "true" && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let mut all: Vec<String> = Vec::new();
    for path in before
        .keys()
        .chain(after.keys().filter(|path| !before.contains_key(*path)))
    {
        let (old, new) = (before.get(path), after.get(path));
        if old == new || is_unknown(path) {
            continue;
        }
        let show = |value: Option<&String>| match value {
            None => "nothing".to_owned(),
            Some(_) if hidden(path) => "(secret)".to_owned(),
            Some(value) => value.clone(),
        };
        // `memory.0.dedicated` reads as `memory.dedicated`.
        let words: Vec<&str> = path
            .split('.')
            .filter(|word| word.parse::<u32>().is_err())
            .collect();
        all.push(format!(
            "{} {} -> {}",
            words.join("."),
            show(old),
            show(new)
        ));
    }
    if all.len() > SHOWN {
        let more = all.len() - SHOWN;
        all.truncate(SHOWN);
        all.push(format!("and {more} more"));
    }
    all
}

fn leaves(value: &Value, path: String, into: &mut BTreeMap<String, String>) {
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        Value::Null => {}
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, below(&index.to_string()), into);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                leaves(item, below(key), into);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            into.insert(path, segment(value));
        }
    }
}

fn holds_true(marks: &Value) -> bool {
    match marks {
        Value::Bool(mark) => *mark,
        Value::Array(items) => items.iter().any(holds_true),
        Value::Object(map) => map.values().any(holds_true),
        Value::Null | Value::Number(_) | Value::String(_) => false,
    }
}
