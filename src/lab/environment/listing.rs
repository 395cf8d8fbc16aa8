//! The environment as `hl env` tells it: every name with its source,
//! no secret with its value.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Environment, Provenance, Var};
use crate::lab::variables::{self, Group};
use crate::lab::{Redactor, mask_within};

/// One variable, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its value, or `(secret)`; nothing when it is not set.
    pub value: Option<String>,
    /// Where the value came from.
    pub from: Option<Provenance>,
    /// Whether the value is never shown.
    pub secret: bool,
    /// Layers that cannot work without it.
    pub required: Vec<String>,
    /// What it is for, when `hl` knows it.
    pub doc: &'static str,
}

/// The variables that `hl` knows, those that the lab sets anywhere but in the
/// process environment, and those in `layers` (what layers name, each with the ids
/// of the layers that cannot work without it), by name. Flags are listed only when
/// they are set.
pub fn list(env: &Environment, layers: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<Listed> {
    let mut names: BTreeSet<&str> = layers.keys().copied().collect();
    names.extend(
        variables::ALL
            .iter()
            .filter(|variable| variable.group != Group::Flag || env.get(variable.name).is_some())
            .map(|variable| variable.name),
    );
    names.extend(
        env.iter()
            .filter(|(_, var)| var.from != Provenance::Process)
            .map(|(name, _)| name),
    );
    let redactor = Redactor::new(env.secrets());
    names
        .into_iter()
        .map(|name| {
            let needed = layers.get(name).into_iter().flatten();
            let required = needed.map(|layer| (*layer).to_owned()).collect();
            listed(name, env.var(name), required, &redactor)
        })
        .collect()
}

fn listed(name: &str, var: Option<&Var>, required: Vec<String>, redactor: &Redactor) -> Listed {
    let known = variables::find(name);
    let var = var.filter(|var| !var.value.is_empty());
    let secret = var.map_or_else(|| variables::is_secret(name), |var| var.secret);
    Listed {
        name: name.to_owned(),
        value: var.map(|var| {
            if secret {
                "(secret)".to_owned()
            } else {
                // A value may hold another variable's secret.
                redactor.text(&mask_within(&var.value))
            }
        }),
        from: var.map(|var| var.from.clone()),
        secret,
        required,
        doc: known.map_or("", |variable| variable.doc),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(vars: &[(&str, &str, Provenance)]) -> Environment {
        let mut env = Environment::default();
        for (name, value, from) in vars {
            env.set(
                *name,
                Var {
                    value: (*value).to_owned(),
                    from: from.clone(),
                    secret: variables::is_secret(name),
                },
            );
        }
        env
    }

    #[test]
    fn names_and_sources_are_shown_and_secrets_are_not() {
        let env = env(&[
            ("PM_TOKEN_SECRET", "canary-1", Provenance::Doppler),
            ("URL", "https://me:canary-1@host", Provenance::Config),
            ("PM_TOKEN_ID", "hl@pve!hl=canary-2", Provenance::Config),
            ("PROXY", "http://me:cny@proxy", Provenance::Config),
            ("PVE_NODE", "", Provenance::Process),
            ("HOME", "/home/me", Provenance::Process),
            ("EDITOR", "vi", Provenance::Process),
        ]);
        let named = BTreeMap::from([
            ("EDITOR", BTreeSet::new()),
            ("PM_TOKEN_SECRET", BTreeSet::from(["l1", "l2"])),
        ]);
        let all = list(&env, &named);
        let find = |name: &str| all.iter().find(|listed| listed.name == name);
        let secret = find("PM_TOKEN_SECRET").unwrap();
        assert_eq!(secret.value.as_deref(), Some("(secret)"));
        assert_eq!(secret.from, Some(Provenance::Doppler));
        assert_eq!(secret.required, ["l1", "l2"]);
        assert_eq!(
            find("URL").unwrap().value.as_deref(),
            Some("https://me:(secret)@host")
        );
        let value = |name: &str| find(name).and_then(|row| row.value.as_deref());
        assert_eq!(value("PM_TOKEN_ID"), Some("hl@pve!hl=(secret)"));
        assert_eq!(value("PROXY"), Some("http://me:(secret)@proxy"));
        assert_eq!(find("PVE_NODE").unwrap().value, None);
        assert_eq!(find("EDITOR").unwrap().value.as_deref(), Some("vi"));
        assert_eq!(find("HOME"), None);
        assert_eq!(find("HL_YES"), None);
        assert!(!serde_json::to_string(&all).unwrap().contains("canary"));
    }
}
