//! The resolved environment: what every variable is, where it came from, and
//! whether it must stay secret.

use std::collections::BTreeMap;
use std::{env, fmt};

use serde::Serialize;

/// Where a variable's value came from, strongest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// `--env KEY=VALUE`
    Flag,
    /// The environment `hl` was started with.
    Process,
    /// Doppler.
    Doppler,
    /// A file (`state/proxmox.env`, `.env`, ...) and the line in it.
    File {
        /// Path as the user knows it.
        path: String,
        /// Line, from 1.
        line: usize,
    },
    /// `[env]` in `hl.toml`.
    Config,
    /// Made up for a rehearsal, or a documented default.
    Default,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("--env"),
            Self::Process => f.write_str("process environment"),
            Self::Doppler => f.write_str("Doppler"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Config => f.write_str("[env] in hl.toml"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Var {
    /// Its value.
    pub value: String,
    /// Its source.
    pub from: Provenance,
    /// Never shown.
    pub secret: bool,
}

/// The environment of this process. What is not UTF-8 cannot be a variable of
/// `hl`, and is left out.
pub fn process() -> BTreeMap<String, String> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// All variables of an invocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    vars: BTreeMap<String, Var>,
}

impl Environment {
    /// An environment of these variables.
    pub fn new(vars: BTreeMap<String, Var>) -> Self {
        Self { vars }
    }

    /// The value of a variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.vars
            .get(name)
            .map(|var| var.value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The variable with its source.
    pub fn var(&self, name: &str) -> Option<&Var> {
        self.vars.get(name)
    }

    /// Sets a variable.
    pub fn set(&mut self, name: impl Into<String>, var: Var) {
        self.vars.insert(name.into(), var);
    }

    /// All variables by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// The names of those that are secret.
    pub fn secret_names(&self) -> impl Iterator<Item = &str> {
        self.iter()
            .filter(|(_, var)| var.secret)
            .map(|(name, _)| name)
    }

    /// The values that no sink may show.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.vars
            .values()
            .filter(|var| var.secret)
            .map(|var| var.value.as_str())
    }
}
