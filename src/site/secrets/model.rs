//! The values of `secrets.yaml`.

use std::collections::HashMap;
use std::fmt;

use camino::Utf8PathBuf;

/// One value. Printing it shows `(secret)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    line: usize,
}

impl Secret {
    /// A value that stands in this line, from 1.
    pub fn new(text: impl Into<String>, line: usize) -> Self {
        Self {
            text: text.into(),
            line,
        }
    }

    /// The value itself: for files of mode 0600, environments of children, and
    /// where it was asked for in the clear.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Where it stands, from 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Values by name, in the file's order.
#[derive(Debug, Clone, Default)]
pub struct Keyed {
    entries: Vec<(String, Secret)>,
    index: HashMap<String, usize>,
}

impl Keyed {
    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        let (_, secret) = self.entries.get(*self.index.get(name)?)?;
        Some(secret)
    }

    /// All of them, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> + Clone {
        self.entries
            .iter()
            .map(|(name, secret)| (name.as_str(), secret))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The names, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.iter().map(|(name, _)| name)
    }
}

impl FromIterator<(String, Secret)> for Keyed {
    /// Of two of a name the first stays.
    fn from_iter<I: IntoIterator<Item = (String, Secret)>>(entries: I) -> Self {
        let mut keyed = Self::default();
        for (name, secret) in entries {
            if !keyed.index.contains_key(&name) {
                keyed.index.insert(name.clone(), keyed.entries.len());
                keyed.entries.push((name, secret));
            }
        }
        keyed
    }
}

/// All of `secrets.yaml`.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// The file, as the user knows it.
    pub file: Utf8PathBuf,
    /// `api_tokens`: by the name that a node's `api_token` gives.
    pub api_tokens: Keyed,
    /// `passwords`: `vm_root` is the only one that is read.
    pub passwords: Keyed,
    /// `ssh_keys`: public keys by `user@host`.
    pub ssh_keys: Keyed,
    /// `auth.site_token`
    pub site_token: Option<Secret>,
    /// `auth.node_tokens`: by machine or spec.
    pub node_tokens: Keyed,
    /// The file has errors: what is not here may be in it.
    pub partial: bool,
}

impl Secrets {
    /// Every value, for a redactor.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let keyed = [
            &self.api_tokens,
            &self.passwords,
            &self.ssh_keys,
            &self.node_tokens,
        ];
        keyed
            .into_iter()
            .flat_map(Keyed::iter)
            .map(|(_, secret)| secret)
            .chain(&self.site_token)
            .map(Secret::reveal)
    }
}
