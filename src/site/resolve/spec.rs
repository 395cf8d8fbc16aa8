//! A spec, with what the site gives and the keys of its users.

use std::sync::Arc;

use serde_json::json;

use super::env::{done, no_secrets};
use super::node::{Defaults, secret_missing};
use super::posture::{self, Method, Named};
use super::value::{Object, Origin, Resolved, Traced, Value};
use crate::diag::{Diagnostic, Exit, Failure};
use crate::shape::{self, Node};
use crate::site::kind::Kind;
use crate::site::secrets::Secrets;
use crate::site::tree::{Loader, Tree};
use crate::site::yaml::Document;

/// What may stand before the name of a key.
pub(in crate::site) const KEY_PREFIX: &str = "ssh_keys.";

/// Why a spec is not given out.
#[derive(Debug, Clone)]
pub struct SpecError {
    /// What is wrong, as far as a server tells it apart.
    pub fault: SpecFault,
    /// Every finding.
    pub failure: Failure,
}

/// What is wrong with a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpecFault {
    /// There is no posture of this name.
    Posture(String),
    /// Its posture's `auth.method` is this, which is none.
    Method(String),
    /// Keys of its users are not among the secrets, and nothing else is wrong.
    Keys,
    /// Anything else.
    Other,
}

impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Self {
        error.failure
    }
}

impl From<Failure> for SpecError {
    fn from(failure: Failure) -> Self {
        Self {
            fault: SpecFault::Other,
            failure,
        }
    }
}

impl Tree {
    /// How the machine of a spec proves who it is, by the posture that the spec names.
    /// A posture that is not there is an error here, also where nobody names one.
    ///
    /// # Errors
    /// As of [`Tree::resolve_spec`].
    pub fn spec_method(&self, identity: &str) -> Result<Method, SpecError> {
        let mut loader = Loader::new(self);
        let Some(file) = self.asked(&mut loader, Kind::Spec, identity)? else {
            return Err(refused(loader, SpecFault::Other));
        };
        let posture = Named::in_file(&file, posture_of(&file));
        let method = posture::method(&mut loader, &posture);
        if !loader.has(Kind::SpecPosture, &posture.name) {
            return Err(refused(loader, SpecFault::Posture(posture.name)));
        }
        let Some(method) = method else {
            let unknown = posture::unknown_method(&mut loader, &posture.name);
            let fault = unknown.map_or(SpecFault::Other, SpecFault::Method);
            return Err(refused(loader, fault));
        };
        loader.finish()?;
        Ok(method)
    }

    /// The settings of the posture that a spec names, without how its machine proves who
    /// it is; empty where there is none.
    ///
    /// # Errors
    /// As of [`Tree::resolve_spec`].
    pub fn spec_posture(&self, identity: &str) -> Result<serde_json::Value, SpecError> {
        let mut loader = Loader::new(self);
        let Some(file) = self.asked(&mut loader, Kind::Spec, identity)? else {
            return Err(refused(loader, SpecFault::Other));
        };
        let named = Named::in_file(&file, posture_of(&file));
        let document = posture::file(&mut loader, Kind::SpecPosture, &named);
        loader.finish()?;
        let mut settings = document.map_or_else(|| json!({}), |found| found.root.to_json());
        if let Some(settings) = settings.as_object_mut() {
            settings.remove("auth");
        }
        Ok(settings)
    }

    /// A spec as a machine of that identity gets it: its own keys, the site's
    /// domain and time zone, its identity as host name, and the texts of its
    /// users' SSH keys. Of its posture only the name.
    ///
    /// # Errors
    /// As of [`Tree::resolve_env`].
    pub fn resolve_spec(
        &self,
        identity: &str,
        secrets: Option<&Secrets>,
    ) -> Result<Resolved, SpecError> {
        let mut loader = Loader::new(self);
        let file = self.asked(&mut loader, Kind::Spec, identity)?;
        let defaults = Defaults::load(&mut loader);
        let Some(file) = file else {
            return Err(refused(loader, SpecFault::Other));
        };
        // Nobody is served whose way to prove itself is not known.
        posture::method(&mut loader, &Named::in_file(&file, posture_of(&file)));
        let mut out = Object::default();
        let mut missing = 0;
        for entry in file.root.map().into_iter().flat_map(shape::Map::iter) {
            let value = if entry.key == "access" {
                let before = loader.errors.len();
                let access = access(&mut loader, &file, &entry.value, secrets);
                missing = loader.errors.len() - before;
                access
            } else {
                Traced::of(&file, &entry.value)
            };
            out.set(&entry.key, value);
        }
        if let Some(domain) = defaults.given("domain") {
            inner(&mut out, "identity", "domain", domain);
        }
        if let Some(timezone) = defaults.given("timezone") {
            inner(&mut out, "config", "timezone", timezone);
        }
        let hostname = Traced::given(Value::Text(identity.to_owned()));
        inner(&mut out, "identity", "hostname", hostname);
        if out.get("access").is_none_or(Traced::is_null) {
            out.set("access", Traced::default(Value::Map(Object::default())));
        }
        if missing > 0 && loader.errors.len() == missing {
            return Err(refused(loader, SpecFault::Keys));
        }
        Ok(done(loader, out)?)
    }
}

/// The posture that a spec names.
fn posture_of(file: &Document) -> Option<&Node> {
    file.root.get("access")?.get("posture")
}

/// All that was found, or that nothing more is known.
fn refused(loader: Loader<'_>, fault: SpecFault) -> SpecError {
    let failure = match loader.finish() {
        Err(failure) => failure,
        Ok(_) => Failure::new(
            Exit::Definition,
            Diagnostic::error(match &fault {
                SpecFault::Posture(name) => format!("there is no posture `{name}`"),
                SpecFault::Method(_) | SpecFault::Keys | SpecFault::Other => {
                    "the spec cannot be resolved".to_owned()
                }
            })
            .help("look at the whole of it: `hl site check`"),
        ),
    };
    SpecError { fault, failure }
}

/// Sets a key of a section where it is absent or `null`; makes the section.
fn inner(out: &mut Object, section: &str, key: &str, value: Traced) {
    if out.get(section).is_none_or(Traced::is_null) {
        out.set(section, Traced::default(Value::Map(Object::default())));
    }
    if let Some(Traced {
        value: Value::Map(map),
        ..
    }) = out.get_mut(section)
        && map.get(key).is_none_or(Traced::is_null)
    {
        map.set(key, value);
    }
}

/// `access` with the users' keys.
fn access(
    loader: &mut Loader<'_>,
    file: &Arc<Document>,
    node: &Node,
    secrets: Option<&Secrets>,
) -> Traced {
    let mut access = Traced::of(file, node);
    let users = node.get("users").map(Node::items).unwrap_or_default();
    let Value::Map(map) = &mut access.value else {
        return access;
    };
    let Some(Traced {
        value: Value::List(resolved),
        ..
    }) = map.get_mut("users")
    else {
        return access;
    };
    for (user, resolved) in users.iter().zip(resolved) {
        let names = user.get("ssh_keys").map(Node::items).unwrap_or_default();
        let Value::Map(resolved) = &mut resolved.value else {
            continue;
        };
        if names.is_empty() {
            continue;
        }
        let mut keys = Vec::new();
        for node in names {
            let Some(text) = node.text() else { continue };
            let name = text.strip_prefix(KEY_PREFIX).unwrap_or(text);
            match secrets {
                None => no_secrets(loader, None),
                Some(secrets) => {
                    let key = secrets.ssh_keys.get(name);
                    if key.is_none() {
                        let finding = secret_missing(secrets, file, node, "ssh_keys", name);
                        loader.errors.push(finding);
                    }
                    keys.push(Traced::secret(Some(secrets), key));
                }
            }
        }
        let origin = resolved.get("ssh_keys").map(|keys| keys.origin.clone());
        let keys = Traced {
            value: Value::List(keys),
            origin: origin.unwrap_or(Origin::Default),
        };
        resolved.set("ssh_keys", keys);
    }
    access
}
