//! A guest's config, and what lists read of it. Lists ask that of every guest, and a
//! config is a dozen texts all over the memory: what was read is kept until it changes.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::listed::Listed;

/// The config file of a guest, key by key, every value as text.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Config {
    keys: BTreeMap<String, String>,
    #[serde(skip)]
    listed: OnceLock<Listed>,
}

impl Config {
    /// What lists tell of it.
    pub(super) fn listed(&self) -> &Listed {
        self.listed.get_or_init(|| Listed::of(&self.keys))
    }
}

impl From<BTreeMap<String, String>> for Config {
    fn from(keys: BTreeMap<String, String>) -> Self {
        let listed = OnceLock::new();
        Self { keys, listed }
    }
}

impl Deref for Config {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.keys
    }
}

impl DerefMut for Config {
    fn deref_mut(&mut self) -> &mut Self::Target {
        // Whoever can write may: what was read of it holds no longer.
        self.listed.take();
        &mut self.keys
    }
}

impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}

impl Eq for Config {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_read_again() {
        let mut config = Config::default();
        assert_eq!(config.listed().memory, 512 << 20);
        config.insert("memory".to_owned(), "1024".to_owned());
        assert_eq!(config.listed().memory, 1 << 30);
        let copy = config.clone();
        config.remove("memory");
        assert_eq!(config.listed().memory, 512 << 20);
        assert_eq!(copy.listed().memory, 1 << 30);
        assert_ne!(config, copy);
    }

    #[test]
    fn its_file_has_the_keys_alone() {
        let config = Config::from(BTreeMap::from([("name".to_owned(), "web".to_owned())]));
        config.listed();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(text, r#"{"name":"web"}"#);
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
    }
}
