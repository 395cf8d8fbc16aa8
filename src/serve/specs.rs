//! Specs: which there are, who may read one, and what it says. They are resolved once
//! and kept until a reload; a spec whose file is new is found without one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::refusal::Refusal;
use super::token::Token;
use crate::app::Caller;
use crate::diag::Failure;
use crate::site::Tree;
use crate::site::resolve::{Method, SpecError, SpecFault};
use crate::site::secrets::{Secret, Secrets, Vault};

/// The specs of a site-config, with the secrets that they rest on.
pub(in crate::serve) struct Specs {
    tree: Tree,
    secrets: Option<Secrets>,
    /// What should be mended, without secrets.
    warnings: Vec<String>,
    /// Only names of files that are there, so their number is that of the files.
    resolved: Mutex<HashMap<String, Arc<Spec>>>,
}

/// One spec, or why there is none.
#[derive(Debug)]
pub(super) struct Spec {
    /// Who may read it.
    pub(super) rule: Result<Rule, Refusal>,
    /// What it says, as it is sent.
    pub(super) body: Result<Bytes, Refusal>,
}

/// Who may read a spec.
#[derive(Debug)]
pub(super) enum Rule {
    /// All who reach the controller.
    Network,
    /// Those who have this token.
    Token(Token),
}

impl fmt::Debug for Specs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Specs")
            .field("root", &self.tree.root())
            .finish_non_exhaustive()
    }
}

impl Specs {
    /// Finds the site-config and opens its secrets. A lab is asked for it where there is
    /// one. It reads files and may run `sops`.
    ///
    /// # Errors
    /// There is no site-config, or its secrets cannot be opened.
    pub(super) fn load(caller: &Caller) -> Result<Self, Failure> {
        let lab = caller.lab_if_any()?;
        let root = lab.as_ref().map(|lab| lab.paths.root());
        let site = caller.find_site(None, root)?.root;
        let variables = match &lab {
            Some(lab) => {
                let env = caller.variables(lab, false)?.env;
                env.iter()
                    .map(|(name, var)| (name.to_owned(), var.value.clone()))
                    .collect()
            }
            None => caller.process.clone(),
        };
        let opened = Vault::new(&site, &site, &variables).load()?;
        let warnings = opened.iter().flat_map(|opened| &opened.warnings);
        Ok(Self {
            warnings: warnings.map(|warning| warning.message.clone()).collect(),
            tree: Tree::new(site.clone(), site),
            secrets: opened.map(|opened| opened.secrets),
            resolved: Mutex::default(),
        })
    }

    /// The names of the specs, sorted.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(super) fn names(&self) -> Result<Vec<String>, Failure> {
        self.tree.spec_names()
    }

    /// Logs what should be mended.
    pub(super) fn warn(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }

    /// Values that must not be shown.
    pub(super) fn hidden(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().flat_map(Secrets::values)
    }

    /// A spec that was resolved before.
    pub(super) fn known(&self, name: &str) -> Option<Arc<Spec>> {
        let resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.get(name).cloned()
    }

    /// The spec of that name; none where there is no such file. It reads files.
    pub(super) fn resolve(&self, name: &str) -> Option<Arc<Spec>> {
        if !self.tree.has_spec(name) {
            return None;
        }
        let spec = Arc::new(Spec {
            rule: self.rule(name),
            body: self.body(name),
        });
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = resolved.entry(name.to_owned()).or_insert(spec);
        Some(Arc::clone(kept))
    }

    /// Fails closed: what is not one of the three ways is an error.
    fn rule(&self, name: &str) -> Result<Rule, Refusal> {
        let method = self.tree.spec_method(name);
        let secrets = self.secrets.as_ref();
        let (token, what) = match method.map_err(|error| refusal(name, &error))? {
            Method::Network => return Ok(Rule::Network),
            Method::SiteToken => (
                secrets.and_then(|secrets| secrets.site_token.as_ref()),
                "site_token not configured in secrets".to_owned(),
            ),
            Method::NodeToken => (
                secrets.and_then(|secrets| secrets.node_tokens.get(name)),
                format!("node_token not configured for {name}"),
            ),
        };
        // An empty token is none: it would open to all who send an empty one.
        let token = token.map(Secret::reveal).filter(|token| !token.is_empty());
        token
            .map(|token| Rule::Token(Token::new(token)))
            .ok_or_else(|| {
                tracing::warn!(spec = name, "{what}");
                Refusal::server(what)
            })
    }

    fn body(&self, name: &str) -> Result<Bytes, Refusal> {
        let resolved = self.tree.resolve_spec(name, self.secrets.as_ref());
        let resolved = resolved.map_err(|error| refusal(name, &error))?;
        for warning in &resolved.warnings {
            tracing::warn!(spec = name, "{}", warning.message);
        }
        // Its secrets are public keys; tokens and passwords are in no spec.
        match resolved.document() {
            Ok(text) => Ok(Bytes::from(text)),
            Err(error) => Err(Refusal::server(format!("cannot write JSON: {error}"))),
        }
    }
}

/// What clients are told; the log is told all.
fn refusal(name: &str, error: &SpecError) -> Refusal {
    let why = &error.failure;
    tracing::warn!(spec = name, %why, "the spec cannot be served");
    match &error.fault {
        SpecFault::Posture(posture) => {
            Refusal::server(format!("Posture not found: {posture}")).with_code("E201")
        }
        SpecFault::Method(method) => Refusal::server(format!("Unknown auth method: {method}")),
        SpecFault::Keys => {
            Refusal::server("SSH key not found: the controller's log names it").with_code("E202")
        }
        SpecFault::Other => {
            Refusal::server("The spec cannot be resolved: the controller's log says why")
        }
    }
}
