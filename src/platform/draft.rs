//! `platform.yaml` while `hl platform init` asks: what is said so far, and the text.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::edit::{Unchanged, remove, set};
use super::platform_file::{FILE, source};
use crate::diag::{Exit, Failure};
use crate::lab::{Paths, write};
use crate::site::parse_yaml;

/// What a new file begins with.
const HEAD: &str = "\
# The platform: its adapters, and what each is told. `hl platform render` makes its
# files from it, `hl platform init` asks for what is missing. No secrets in here.
version: \"1.0\"
";

/// What is said so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// Whose platform it is.
    pub organization: Option<String>,
    /// Its name.
    pub app_name: Option<String>,
    /// The adapters, in their order, each with what it is told.
    pub adapters: Vec<(String, Map<String, Value>)>,
    /// No adapter was chosen before: all groups are asked for.
    pub fresh: bool,
    /// Groups that stay without an adapter.
    pub declined: BTreeSet<String>,
    /// Variables with secrets that are set.
    pub secrets: BTreeSet<String>,
    /// Defaults that were looked at and left.
    pub seen: BTreeSet<(String, String)>,
}

impl Told {
    /// What an adapter is told.
    pub fn of(&self, adapter: &str) -> Option<&Map<String, Value>> {
        let found = self.adapters.iter().find(|(name, _)| name == adapter);
        found.map(|(_, told)| told)
    }

    /// The same, to be changed; the adapter is added where it is not there.
    pub fn of_mut(&mut self, adapter: &str) -> Option<&mut Map<String, Value>> {
        if self.of(adapter).is_none() {
            self.adapters.push((adapter.to_owned(), Map::new()));
        }
        let mut all = self.adapters.iter_mut();
        all.find(|(name, _)| name == adapter).map(|(_, told)| told)
    }
}

/// The file, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Its text.
    text: String,
    /// What the text says.
    written: Told,
}

impl Draft {
    /// The lab's file, or the beginning of a new one.
    ///
    /// # Errors
    /// It cannot be read, or is no YAML (65).
    pub fn read(paths: &Paths) -> Result<Self, Failure> {
        let source = source(paths)?;
        let Some(source) = source else {
            return Ok(Self {
                text: HEAD.to_owned(),
                written: Told::default(),
            });
        };
        let text = source.text.to_string();
        let yaml = parse_yaml(source)?;
        if !yaml.errors.is_empty() {
            return Err(Failure::many(Exit::Definition, yaml.errors));
        }
        let about = |key: &str| {
            let node = yaml.root.get("platform").and_then(|about| about.get(key));
            node.and_then(|node| node.text()).map(str::to_owned)
        };
        let adapters = yaml.root.get("adapters").and_then(|node| node.map());
        let adapters = adapters.into_iter().flatten().map(|entry| {
            let told = entry.value.to_json();
            let told = told.as_object().cloned().unwrap_or_default();
            (entry.key.clone(), told)
        });
        let written = Told {
            organization: about("organization"),
            app_name: about("app_name"),
            adapters: adapters.collect(),
            ..Told::default()
        };
        Ok(Self { text, written })
    }

    /// What the file says.
    pub fn told(&self) -> &Told {
        &self.written
    }

    /// Writes what is said now into the file. Nothing else of it changes, and where
    /// nothing is new nothing is written.
    ///
    /// # Errors
    /// It cannot be written (73), or its style leaves no place for a value (65).
    pub fn save(&mut self, paths: &Paths, told: &Told) -> Result<bool, Failure> {
        let text = self.with(told).map_err(|Unchanged(why)| {
            let message = format!("`platform/{FILE}` cannot be changed: {why}");
            Failure::message(Exit::Definition, message)
                .help("write its mappings as blocks, a key on each line, and try again")
        })?;
        if text == self.text && paths.platform().join(FILE).exists() {
            return Ok(false);
        }
        write(&paths.platform().join(FILE), &text, 0o644)?;
        self.text = text;
        self.written = told.clone();
        Ok(true)
    }

    fn with(&self, told: &Told) -> Result<String, Unchanged> {
        let mut text = self.text.clone();
        let before = &self.written;
        for (key, value, was) in [
            ("organization", &told.organization, &before.organization),
            ("app_name", &told.app_name, &before.app_name),
        ] {
            if let Some(value) = value
                && Some(value) != was.as_ref()
            {
                text = set(&text, &["platform", key], &Value::from(value.as_str()))?;
            }
        }
        for (name, _) in &before.adapters {
            if told.of(name).is_none() {
                text = remove(&text, &["adapters", name])?;
            }
        }
        for (name, values) in &told.adapters {
            let empty = Map::new();
            let was = before.of(name);
            if was.is_none() {
                text = set(&text, &["adapters", name], &Value::Object(Map::new()))?;
            }
            let was = was.unwrap_or(&empty);
            for key in was.keys().filter(|key| !values.contains_key(*key)) {
                text = remove(&text, &["adapters", name, key])?;
            }
            let changed: BTreeMap<&String, &Value> = values
                .iter()
                .filter(|(key, value)| was.get(*key) != Some(*value))
                .collect();
            for (key, value) in changed {
                text = set(&text, &["adapters", name, key], value)?;
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8Path;
    use serde_json::json;

    #[test]
    fn only_what_is_new_is_written_and_comments_stay() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        let mut draft = Draft::read(&paths).unwrap();
        let mut told = draft.told().clone();
        told.organization = Some("acme".to_owned());
        told.of_mut("k3s")
            .unwrap()
            .insert("cidr".to_owned(), json!("10.42.0.0/16"));
        assert!(draft.save(&paths, &told).unwrap());
        assert!(!draft.save(&paths, &told).unwrap());
        let file = paths.platform().join(FILE);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("cidr", "# mine\n    cidr")).unwrap();
        let mut draft = Draft::read(&paths).unwrap();
        assert_eq!(draft.told().organization.as_deref(), Some("acme"));
        let mut told = draft.told().clone();
        told.of_mut("sops").unwrap();
        told.of_mut("k3s").unwrap().insert("x".to_owned(), json!(1));
        draft.save(&paths, &told).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.contains("# mine\n") && text.contains("sops: {}"),
            "{text}"
        );
        // An adapter that is chosen no longer goes.
        told.adapters.retain(|(name, _)| name != "k3s");
        draft.save(&paths, &told).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("k3s") && text.contains("sops"), "{text}");
    }
}
