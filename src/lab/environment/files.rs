//! The lab's files of variables, and what is odd about them.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::Provenance;
use super::alias;
use super::dotenv::{self, Entry};
use crate::base::ticked;
use crate::diag::{Diagnostic, Exit, Failure};
use crate::lab::variables::{self, Group};
use crate::lab::{Lab, write};

/// One file of variables.
pub(super) struct EnvFile {
    shown: Utf8PathBuf,
    pub(super) entries: Vec<Entry>,
    /// All of it is secret, whatever the names.
    pub(super) secret: bool,
}

impl EnvFile {
    pub(super) fn at(&self, entry: &Entry) -> Provenance {
        Provenance::File {
            path: self.shown.to_string(),
            line: entry.line,
        }
    }
}

/// The lab's files, strongest first; `.env` is the last.
pub(super) struct Files {
    pub(super) all: Vec<EnvFile>,
}

impl Files {
    pub(super) fn read(lab: &Lab, warnings: &mut Vec<Diagnostic>) -> Result<Self, Failure> {
        let paths = &lab.paths;
        let mut all = Vec::new();
        let mut wrong = Vec::new();
        for (path, ours, secret) in [
            (paths.proxmox_env(), true, false),
            (paths.secrets_env(), true, true),
            (paths.dotenv(), false, false),
        ] {
            let mut private = ours;
            let shown = paths.show(&path);
            match dotenv::read(&path, &shown) {
                Ok(entries) => {
                    let entries = if path == paths.proxmox_env() {
                        alias::ours(entries)
                    } else {
                        entries
                    };
                    private |= entries.iter().any(holds_secret);
                    warnings.extend(repeated(&entries, &shown));
                    warnings.extend(without_effect(&entries, &shown));
                    all.push(EnvFile {
                        shown,
                        entries,
                        secret,
                    });
                }
                Err(failure) => wrong.extend(failure.diagnostics),
            }
            if private {
                warnings.extend(readable_by_others(&path, &paths.show(&path)));
            }
        }
        if wrong.is_empty() {
            Ok(Self { all })
        } else {
            Err(Failure::many(Exit::Definition, wrong))
        }
    }

    /// What `.env` says of a variable.
    pub(super) fn dotenv(&self, name: &str) -> Option<&str> {
        let file = self.all.last()?;
        let entry = file.entries.iter().rev().find(|entry| entry.name == name)?;
        Some(&entry.value)
    }
}

fn holds_secret(entry: &Entry) -> bool {
    variables::is_secret(&entry.name) && !entry.value.is_empty()
}

fn readable_by_others(path: &Utf8Path, shown: &Utf8Path) -> Option<Diagnostic> {
    let mode = write::mode(path)?;
    (mode & 0o077 != 0).then(|| {
        Diagnostic::warning(format!(
            "`{shown}` can be read by other users (mode {mode:04o}, expected 0600)"
        ))
        .help(format!("chmod 600 {shown}"))
    })
}

fn repeated(entries: &[Entry], shown: &Utf8Path) -> Option<Diagnostic> {
    let mut last = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for entry in entries {
        if last.insert(&entry.name, entry.line).is_some() {
            twice.insert(&entry.name);
        }
    }
    let listed: Vec<String> = twice
        .into_iter()
        .filter_map(|name| Some(format!("`{name}` (line {})", last.get(name)?)))
        .collect();
    (!listed.is_empty()).then(|| {
        Diagnostic::warning(format!(
            "`{shown}` sets a variable more than once, the last one counts: {}",
            listed.join(", ")
        ))
    })
}

fn without_effect(entries: &[Entry], shown: &Utf8Path) -> Option<Diagnostic> {
    let names: BTreeSet<&str> = entries
        .iter()
        .map(|entry| entry.name.as_str())
        .filter(|name| variables::find(name).is_some_and(|v| v.group == Group::Flag))
        .collect();
    (!names.is_empty()).then(|| {
        Diagnostic::warning(format!("{} has no effect in `{shown}`", ticked(names)))
            .help("flags are read before any file: export them in the shell, or give them as flags")
    })
}
