//! The resolved environment: what every variable is, where it came from, and
//! whether it must stay secret.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::{env, fmt};

use serde::Serialize;

use crate::diag::Failure;
use crate::lab::within;

/// Where a variable's value came from, strongest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// `--set KEY=VALUE`
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
            Self::Flag => f.write_str("--set"),
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

impl Var {
    /// What of its value no sink may show.
    pub fn secrets(&self) -> Vec<&str> {
        if self.secret {
            vec![&self.value]
        } else {
            within(&self.value)
        }
    }
}

/// The environment of this process. What is not UTF-8 cannot be a variable of
/// `hl`, and is left out.
pub fn process() -> BTreeMap<String, String> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// All variables of an invocation. Copies share them: every step looks at those
/// of its node.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    vars: Vars,
    nodes: Arc<OfNodes>,
}

type Vars = Arc<BTreeMap<String, Var>>;

/// [`Nodes`], shared.
#[derive(Debug, Clone, Default)]
struct OfNodes {
    of: BTreeMap<String, Result<Vars, Failure>>,
    picked: Option<String>,
    plain: Option<Vars>,
    hidden: BTreeSet<String>,
}

/// The variables by node, where the site says more of a node than they do.
#[derive(Debug, Clone, Default)]
pub struct Nodes {
    /// The variables of each node that has a file; or why there are none.
    pub of: BTreeMap<String, Result<BTreeMap<String, Var>, Failure>>,
    /// The node that is meant when none is named: its file's name.
    pub picked: Option<String>,
    /// What the variables are without any node's file.
    pub plain: Option<BTreeMap<String, Var>>,
    /// Values of files that no sink may show, whatever variable they are in.
    pub hidden: BTreeSet<String>,
}

/// The variable that names the node.
const NODE: &str = "PVE_NODE";

impl Environment {
    /// An environment of these variables.
    pub fn new(vars: BTreeMap<String, Var>) -> Self {
        Self {
            vars: Arc::new(vars),
            nodes: Arc::default(),
        }
    }

    /// The same with what is known of nodes.
    #[must_use]
    pub fn with_nodes(mut self, nodes: Nodes) -> Self {
        let of = nodes.of.into_iter();
        self.nodes = Arc::new(OfNodes {
            of: of.map(|(name, vars)| (name, vars.map(Arc::new))).collect(),
            picked: nodes.picked,
            plain: nodes.plain.map(Arc::new),
            hidden: nodes.hidden,
        });
        self
    }

    /// The nodes that have a file.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.of.keys().map(String::as_str)
    }

    /// All variables as they are without any node's file.
    pub fn plain(&self) -> impl Iterator<Item = (&str, &Var)> {
        let vars = self.nodes.plain.as_ref().unwrap_or(&self.vars);
        vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// Sets a variable that nobody and no node's file gives a value.
    pub fn fill(&mut self, name: &str, var: &Var) -> bool {
        let empty =
            |vars: &BTreeMap<String, Var>| vars.get(name).is_none_or(|var| var.value.is_empty());
        let of_nodes = || self.nodes.of.values().flatten();
        if !empty(&self.vars) || of_nodes().any(|vars| !empty(vars)) {
            return false;
        }
        let nodes = Arc::make_mut(&mut self.nodes);
        let of_nodes = nodes.of.values_mut().flatten();
        let plain = nodes.plain.iter_mut();
        for vars in of_nodes.chain(plain).chain([&mut self.vars]) {
            Arc::make_mut(vars).insert(name.to_owned(), var.clone());
        }
        true
    }

    /// The node that is meant when none is named.
    pub fn node(&self) -> Option<&str> {
        self.nodes.picked.as_deref().or_else(|| self.get(NODE))
    }

    /// The variables for work on that node: its file's values where it has one,
    /// and its name as `PVE_NODE`. Without a node, they are these.
    ///
    /// # Errors
    /// The node's file and a variable contradict each other.
    pub fn on(&self, node: Option<&str>) -> Result<Cow<'_, Self>, Failure> {
        let Some(node) = node.filter(|node| !node.is_empty()) else {
            return Ok(Cow::Borrowed(self));
        };
        let vars = match self.nodes.of.get(node) {
            Some(Ok(vars)) => Arc::clone(vars),
            Some(Err(failure)) => return Err(failure.clone()),
            None if self.nodes.plain.is_none() && self.get(NODE) == Some(node) => {
                return Ok(Cow::Borrowed(self));
            }
            None => {
                let mut vars = Arc::clone(self.nodes.plain.as_ref().unwrap_or(&self.vars));
                if vars.get(NODE).is_none_or(|var| var.value != node) {
                    let var = Var {
                        value: node.to_owned(),
                        from: Provenance::Flag,
                        secret: false,
                    };
                    Arc::make_mut(&mut vars).insert(NODE.to_owned(), var);
                }
                vars
            }
        };
        Ok(Cow::Owned(Self {
            vars,
            nodes: Arc::clone(&self.nodes),
        }))
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
        Arc::make_mut(&mut self.vars).insert(name.into(), var);
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

    /// The values that no sink may show, those for all nodes among them, and
    /// what is secret inside of others: passwords of URLs, tokens pasted whole.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let of_nodes = self.nodes.of.values().flatten();
        let all = std::iter::once(&self.vars).chain(of_nodes);
        all.flat_map(|vars| vars.values())
            .flat_map(Var::secrets)
            .chain(self.nodes.hidden.iter().map(String::as_str))
    }

    /// More values that no sink may show.
    pub fn hide<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) {
        let values = values.into_iter().map(str::to_owned);
        Arc::make_mut(&mut self.nodes).hidden.extend(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Exit;

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, Var> {
        let var = |(name, value): &(&str, &str)| {
            let var = Var {
                value: (*value).to_owned(),
                from: Provenance::Process,
                secret: *name == "PM_TOKEN_SECRET",
            };
            ((*name).to_owned(), var)
        };
        pairs.iter().map(var).collect()
    }

    #[test]
    fn each_node_has_variables_of_its_own_and_others_have_none_of_them() {
        let plain = vars(&[("PVE_NODE", "n1")]);
        let first = vars(&[("PVE_NODE", "n1"), ("PVE_STORAGE_VM", "tank")]);
        let second = vars(&[("PVE_NODE", "n2"), ("PM_TOKEN_SECRET", "canary")]);
        let torn = Failure::message(Exit::Definition, "two places");
        let env = Environment::new(first.clone()).with_nodes(Nodes {
            of: [("n1", Ok(first)), ("n2", Ok(second)), ("n3", Err(torn))]
                .map(|(name, vars)| (name.to_owned(), vars))
                .into(),
            picked: None,
            plain: Some(plain),
            hidden: ["crypt".to_owned()].into(),
        });
        let get = |node: &str, name: &str| {
            let env = env.on(Some(node)).unwrap();
            env.get(name).map(str::to_owned)
        };
        assert_eq!(get("", "PVE_STORAGE_VM").as_deref(), Some("tank"));
        assert_eq!(get("n1", "PVE_STORAGE_VM").as_deref(), Some("tank"));
        assert_eq!(get("n2", "PVE_STORAGE_VM"), None);
        assert_eq!(get("n4", "PVE_NODE").as_deref(), Some("n4"));
        assert_eq!(get("n4", "PVE_STORAGE_VM"), None);
        assert_eq!(env.on(Some("n3")).unwrap_err().exit, Exit::Definition);
        let secrets: Vec<&str> = env.secrets().collect();
        assert_eq!(secrets, ["canary", "crypt"]);
        assert!(matches!(env.on(None).unwrap(), Cow::Borrowed(_)));
    }
}
