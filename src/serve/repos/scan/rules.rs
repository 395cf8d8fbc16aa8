//! What is looked for: values that `hl` keeps secret, and marks of keys and states.

use aho_corasick::AhoCorasick;
use camino::Utf8Path;
use sha2::{Digest, Sha256};

use crate::app::Caller;
use crate::base::hex;
use crate::diag::{Exit, Failure};
use crate::lab::{Environment, Lab, Provenance, Redactor, Var, variables};
use crate::site::secrets::Vault;

/// What begins or names what may be a secret; [`super::look`] looks at what is around.
const MARKS: [&str; 6] = [
    "PRIVATE KEY-----",
    "PRIVATE KEY BLOCK-----",
    "PuTTY-User-Key-File-",
    "AGE-SECRET-KEY-",
    "\"terraform_version\"",
    "\"lineage\"",
];

/// Which of the marks it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// The end of the first line of a private key, if its beginning stands before.
    Pem,
    /// The first line of a private key.
    Putty,
    /// An age key, if the key stands behind.
    Age,
    /// One of two keys of a state of OpenTofu.
    Version,
    /// The other one.
    Lineage,
}

/// What is looked for in one lab.
#[derive(Debug)]
pub(in crate::serve::repos) struct Rules {
    redactor: Redactor,
    marks: AhoCorasick,
    id: String,
}

impl Rules {
    /// With the values that are kept secret: of the lab's variables, Doppler's among
    /// them, else of those that the controller was started with; and those of the site's
    /// `secrets.yaml`. Public keys are none: they are in repositories so that machines
    /// get them.
    ///
    /// # Errors
    /// The lab's variables cannot be had: a file is wrong (65), Doppler does not
    /// answer (69). The site's secrets cannot be opened.
    pub(in crate::serve::repos) fn of(
        caller: &Caller,
        lab: Option<&Lab>,
        site: &Utf8Path,
    ) -> Result<Self, Failure> {
        let env = match lab {
            Some(lab) => caller.variables(lab, true)?.env,
            None => started_with(caller),
        };
        let plain = env
            .iter()
            .map(|(name, var)| (name.to_owned(), var.value.clone()))
            .collect();
        let opened = Vault::new(site, site, &plain).load()?;
        let site = opened.iter().flat_map(|opened| opened.secrets.values());
        Self::new(env.secrets().chain(site))
    }

    /// With these values.
    ///
    /// # Errors
    /// There are too many marks (70).
    pub(super) fn new<'a>(values: impl Iterator<Item = &'a str>) -> Result<Self, Failure> {
        let mut values: Vec<&str> = values.filter(|value| !is_public_key(value)).collect();
        values.sort_unstable();
        values.dedup();
        let mut digest = Sha256::new();
        for value in &values {
            digest.update(value.len().to_be_bytes());
            digest.update(value);
        }
        let marks = AhoCorasick::new(MARKS)
            .map_err(|error| Failure::message(Exit::Bug, error.to_string()))?;
        Ok(Self {
            redactor: Redactor::new(values),
            marks,
            id: hex(&digest.finalize()),
        })
    }

    /// Tells these rules from others. No value can be had from it.
    pub(in crate::serve::repos) fn id(&self) -> &str {
        &self.id
    }

    /// A text as it may be shown.
    pub(in crate::serve::repos) fn shown(&self, text: &str) -> String {
        self.redactor.shown(text)
    }

    /// Whether a value that is kept secret is in `bytes`.
    pub(super) fn knows(&self, bytes: &[u8]) -> bool {
        self.redactor.is_in(bytes)
    }

    /// The marks in `bytes`: which, where it begins and where it ends.
    pub(super) fn marks<'b>(
        &'b self,
        bytes: &'b [u8],
    ) -> impl Iterator<Item = (Mark, usize, usize)> + 'b {
        self.marks.find_iter(bytes).map(|found| {
            let mark = match found.pattern().as_usize() {
                0 | 1 => Mark::Pem,
                2 => Mark::Putty,
                3 => Mark::Age,
                4 => Mark::Version,
                _ => Mark::Lineage,
            };
            (mark, found.start(), found.end())
        })
    }
}

/// The variables of the controller itself.
fn started_with(caller: &Caller) -> Environment {
    let vars = caller.process.iter().map(|(name, value)| {
        let var = Var {
            value: value.clone(),
            from: Provenance::Process,
            secret: variables::is_secret(name),
        };
        (name.clone(), var)
    });
    Environment::new(vars.collect())
}

/// A line of OpenSSH's public key format.
fn is_public_key(value: &str) -> bool {
    let mut words = value.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let known = ["ssh-", "ecdsa-", "sk-"];
    known.iter().any(|start| kind.starts_with(start))
        && words.next().is_some_and(|blob| blob.starts_with("AAAA"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_the_same_for_the_same_values_in_any_order() {
        let of = |values: &[&'static str]| Rules::new(values.iter().copied()).unwrap();
        let id = |values: &[&'static str]| of(values).id().to_owned();
        assert_eq!(id(&["one", "two"]), id(&["two", "one", "one"]));
        assert_ne!(id(&["one", "two"]), id(&["onetwo"]));
        assert_eq!(id(&["ssh-ed25519 AAAAC3 ana@desk"]), id(&[]));
        assert_ne!(id(&["ssh-is-my-password"]), id(&[]));
    }
}
