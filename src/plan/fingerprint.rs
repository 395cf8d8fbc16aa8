//! What a step's result rests on, in two numbers: what it was told (action,
//! resolved inputs, variables) and what it read (the content of files).
//!
//! Pure: the caller has read the files and resolved the references.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::base::hex;

/// Two digests, 32 hex digits each. As text: `told-read`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    told: String,
    read: String,
}

/// What is different between now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// Action, inputs or variables.
    Told,
    /// The content of a file.
    Read,
}

impl Fingerprint {
    /// The fingerprint of an action with these inputs and variables. `files`
    /// are the digests of what it reads, by path.
    pub fn new(
        action: &str,
        inputs: &Value,
        variables: &BTreeMap<String, String>,
        files: &BTreeMap<String, String>,
    ) -> Self {
        let mut told = Parts::default();
        told.add("action", action);
        told.value(inputs);
        for (name, value) in variables {
            told.add(name, value);
        }
        let mut read = Parts::default();
        for (path, digest) in files {
            read.add(path, digest);
        }
        Self {
            told: told.hex(),
            read: read.hex(),
        }
    }

    /// How it differs from one that was written down.
    pub fn differs(&self, earlier: &str) -> Option<Difference> {
        let (told, read) = earlier.split_once('-').unwrap_or_default();
        match (told == self.told, read == self.read) {
            (true, true) => None,
            (true, false) => Some(Difference::Read),
            (false, _) => Some(Difference::Told),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.told, self.read)
    }
}

/// A digest over pairs of texts, each with its length before it: `ab` and `c`
/// are not `a` and `bc`.
#[derive(Default)]
struct Parts(Sha256);

impl Parts {
    fn add(&mut self, name: &str, value: &str) {
        for text in [name, value] {
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            self.0.update(length.to_be_bytes());
            self.0.update(text);
        }
    }

    /// A value with the keys of every object in order.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Array(items) => {
                self.add("array", &items.len().to_string());
                for item in items {
                    self.value(item);
                }
            }
            Value::Object(map) => {
                let sorted: BTreeMap<_, _> = map.iter().collect();
                self.add("object", &sorted.len().to_string());
                for (key, value) in sorted {
                    self.add("key", key);
                    self.value(value);
                }
            }
            Value::String(text) => self.add("text", text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                self.add("plain", &value.to_string());
            }
        }
    }

    fn hex(self) -> String {
        hex(&self.0.finalize()[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-c1-3]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ab]{0,2}", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn maps() -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map("[ab]{0,2}", "[ab]{0,2}", 0..3)
    }

    proptest! {
        #[test]
        fn it_is_the_same_when_all_is_the_same_and_only_then(
            a in ("[xy]", values(), maps(), maps()),
            b in ("[xy]", values(), maps(), maps()),
        ) {
            let of = |(action, inputs, variables, files): &(String, Value, _, _)| {
                Fingerprint::new(action, inputs, variables, files)
            };
            prop_assert_eq!(of(&a).differs(&of(&a).to_string()), None);
            let told = (&a.0, &a.1, &a.2) == (&b.0, &b.1, &b.2);
            let wanted = match (told, a.3 == b.3) {
                (true, true) => None,
                (true, false) => Some(Difference::Read),
                (false, _) => Some(Difference::Told),
            };
            prop_assert_eq!(of(&a).differs(&of(&b).to_string()), wanted);
        }
    }

    #[test]
    fn what_is_not_a_fingerprint_differs() {
        let none = BTreeMap::new();
        let now = Fingerprint::new("a", &json!({}), &none, &none);
        assert_eq!(now.to_string().len(), 65);
        for text in ["", "-", "sha256:abc"] {
            assert_eq!(now.differs(text), Some(Difference::Told));
        }
    }
}
