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

/// All variables of an invocation: a base that all nodes share, and what differs
/// from it on the node that is meant. Copies share both.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    base: Vars,
    overlay: Vars,
    nodes: Arc<Nodes>,
}

type Vars = Arc<BTreeMap<String, Var>>;

/// What the site says of nodes, beside the variables that hold for all.
#[derive(Debug, Clone, Default)]
pub struct Nodes {
    /// For each node that has a file what differs there; or why it cannot be had.
    pub of: BTreeMap<String, Result<BTreeMap<String, Var>, Failure>>,
    /// The node that is meant when none is named: its file's name.
    pub picked: Option<String>,
    /// What differs where no node is named.
    pub unnamed: BTreeMap<String, Var>,
    /// Values of files that no sink may show, whatever variable they are in.
    pub hidden: BTreeSet<String>,
}

/// The variable that names the node.
const NODE: &str = "PVE_NODE";

impl Environment {
    /// An environment of these variables.
    pub fn new(vars: BTreeMap<String, Var>) -> Self {
        Self {
            base: Arc::new(vars),
            ..Self::default()
        }
    }

    /// The same with what is known of nodes.
    #[must_use]
    pub fn with_nodes(mut self, mut nodes: Nodes) -> Self {
        self.overlay = Arc::new(std::mem::take(&mut nodes.unnamed));
        self.nodes = Arc::new(nodes);
        self
    }

    /// Adds what differs on a node, which is one from then on; a node whose file
    /// cannot be had stays so.
    pub fn add_node(&mut self, node: &str, more: &BTreeMap<String, Var>) {
        let nodes = Arc::make_mut(&mut self.nodes);
        if nodes.picked.as_deref() == Some(node) {
            Arc::make_mut(&mut self.overlay).extend(more.clone());
        }
        let known = nodes.of.entry(node.to_owned());
        if let Ok(vars) = known.or_insert_with(|| Ok(BTreeMap::new())) {
            vars.extend(more.clone());
        }
    }

    /// The nodes that have a file.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.of.keys().map(String::as_str)
    }

    /// All variables as they are without any node's file.
    pub fn plain(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.base.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// Sets a variable that nobody and no node's file gives a value.
    pub fn fill(&mut self, name: &str, var: &Var) -> bool {
        let given =
            |vars: &BTreeMap<String, Var>| vars.get(name).is_some_and(|var| !var.value.is_empty());
        let mut overlays = self.nodes.of.values().flatten();
        if given(&self.base) || given(&self.overlay) || overlays.any(given) {
            return false;
        }
        Arc::make_mut(&mut self.base).insert(name.to_owned(), var.clone());
        // One that is set to nothing would hide it.
        Arc::make_mut(&mut self.overlay).remove(name);
        for overlay in Arc::make_mut(&mut self.nodes).of.values_mut().flatten() {
            overlay.remove(name);
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
    pub fn for_node(&self, node: Option<&str>) -> Result<Cow<'_, Self>, Failure> {
        let Some(node) = node.filter(|node| !node.is_empty()) else {
            return Ok(Cow::Borrowed(self));
        };
        let overlay = match self.nodes.of.get(node) {
            Some(Ok(overlay)) => overlay.clone(),
            Some(Err(failure)) => return Err(failure.clone()),
            None if self.base.get(NODE).is_some_and(|var| var.value == node) => BTreeMap::new(),
            None => {
                let var = Var {
                    value: node.to_owned(),
                    from: Provenance::Flag,
                    secret: false,
                };
                BTreeMap::from([(NODE.to_owned(), var)])
            }
        };
        Ok(Cow::Owned(Self {
            base: Arc::clone(&self.base),
            overlay: Arc::new(overlay),
            nodes: Arc::clone(&self.nodes),
        }))
    }

    /// The value of a variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.var(name)
            .map(|var| var.value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The variable with its source.
    pub fn var(&self, name: &str) -> Option<&Var> {
        self.overlay.get(name).or_else(|| self.base.get(name))
    }

    /// Sets a variable, also for nodes whose file says nothing of it.
    pub fn set(&mut self, name: impl Into<String>, var: Var) {
        let name = name.into();
        Arc::make_mut(&mut self.overlay).remove(&name);
        Arc::make_mut(&mut self.base).insert(name, var);
    }

    /// All variables by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Var)> {
        let mut all: BTreeMap<&str, &Var> = self.plain().collect();
        all.extend(self.overlay.iter().map(|(name, var)| (name.as_str(), var)));
        all.into_iter()
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
        let overlays = self.nodes.of.values().flatten();
        let all = [&*self.base, &*self.overlay].into_iter().chain(overlays);
        all.flat_map(BTreeMap::values)
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
        let first = vars(&[("PVE_STORAGE_VM", "tank")]);
        let second = vars(&[("PVE_NODE", "n2"), ("PM_TOKEN_SECRET", "canary")]);
        let torn = Failure::message(Exit::Definition, "two places");
        let env = Environment::new(vars(&[("PVE_NODE", "n1")])).with_nodes(Nodes {
            unnamed: first.clone(),
            of: [("n1", Ok(first)), ("n2", Ok(second)), ("n3", Err(torn))]
                .map(|(name, vars)| (name.to_owned(), vars))
                .into(),
            picked: None,
            hidden: ["crypt".to_owned()].into(),
        });
        let get = |node: &str, name: &str| {
            let env = env.for_node(Some(node)).unwrap();
            env.get(name).map(str::to_owned)
        };
        assert_eq!(get("", "PVE_STORAGE_VM").as_deref(), Some("tank"));
        assert_eq!(get("n1", "PVE_STORAGE_VM").as_deref(), Some("tank"));
        assert_eq!(get("n2", "PVE_STORAGE_VM"), None);
        assert_eq!(get("n4", "PVE_NODE").as_deref(), Some("n4"));
        assert_eq!(get("n4", "PVE_STORAGE_VM"), None);
        assert_eq!(env.for_node(Some("n3")).unwrap_err().exit, Exit::Definition);
        let secrets: Vec<&str> = env.secrets().collect();
        assert_eq!(secrets, ["canary", "crypt"]);
        assert!(matches!(env.for_node(None).unwrap(), Cow::Borrowed(_)));
    }
}
