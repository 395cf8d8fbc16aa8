//! A spec, with what the site gives and the keys of its users.

use std::sync::Arc;

use super::env::{done, no_secrets};
use super::node::{Defaults, secret_missing};
use super::posture::{self, Named};
use super::value::{Object, Origin, Resolved, Traced, Value};
use crate::diag::Failure;
use crate::shape::{self, Node};
use crate::site::kind::Kind;
use crate::site::secrets::Secrets;
use crate::site::tree::{Loader, Tree};
use crate::site::yaml::Document;

/// What may stand before the name of a key.
pub(in crate::site) const KEY_PREFIX: &str = "ssh_keys.";

impl Tree {
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
    ) -> Result<Resolved, Failure> {
        let mut loader = Loader::new(self);
        let file = self.asked(&mut loader, Kind::Spec, identity)?;
        let defaults = Defaults::load(&mut loader);
        let Some(file) = file else {
            return done(loader, Object::default());
        };
        let posture = file
            .root
            .get("access")
            .and_then(|access| access.get("posture"));
        // Nobody is served whose way to prove itself is not known.
        posture::method(&mut loader, &Named::in_file(&file, posture));
        let mut out = Object::default();
        for entry in file.root.map().into_iter().flat_map(shape::Map::iter) {
            let value = if entry.key == "access" {
                access(&mut loader, &file, &entry.value, secrets)
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
        done(loader, out)
    }
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
