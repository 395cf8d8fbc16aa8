//! An environment's variables for Ansible.

use std::sync::Arc;

use serde_json::Number;

use super::env::{done, no_secrets};
use super::node::{Defaults, ssh_keys};
use super::posture::{self, Named};
use super::value::{Object, Resolved, Traced, Value};
use crate::diag::Failure;
use crate::site::kind::Kind;
use crate::site::secrets::Secrets;
use crate::site::tree::{Loader, Tree};
use crate::site::yaml::Document;

impl Tree {
    /// What Ansible is given for an environment: `timezone`,
    /// `pve_remove_subscription_nag`, `packages`, `ssh_port`,
    /// `ssh_permit_root_login`, `ssh_password_authentication`,
    /// `sudo_nopasswd`, `fail2ban_enabled`, `env_name`, `posture_name`,
    /// `ssh_authorized_keys`.
    ///
    /// # Errors
    /// As of [`Tree::resolve_env`].
    pub fn resolve_ansible(
        &self,
        env: &str,
        secrets: Option<&Secrets>,
    ) -> Result<Resolved, Failure> {
        let mut loader = Loader::new(self);
        let env_file = self.asked(&mut loader, Kind::Env, env)?;
        let defaults = Defaults::load(&mut loader);
        no_secrets(&mut loader, secrets);
        let Some(file) = env_file else {
            return done(loader, Object::default());
        };
        let named = Named::in_file(&file, file.root.get("posture"));
        let posture = posture::file(&mut loader, Kind::Posture, &named);
        let mut out = Object::default();
        out.set("timezone", defaults.or("timezone", "UTC"));
        let nag = "pve_remove_subscription_nag";
        let nag_default = || Traced::default(Value::Bool(true));
        out.set(nag, defaults.given(nag).unwrap_or_else(nag_default));
        out.set("packages", packages(&defaults, posture.as_ref()));
        let settings = [
            ("ssh_port", Value::Number(Number::from(22))),
            (
                "ssh_permit_root_login",
                Value::Text("prohibit-password".to_owned()),
            ),
            ("ssh_password_authentication", Value::Text("no".to_owned())),
            ("sudo_nopasswd", Value::Bool(false)),
            ("fail2ban_enabled", Value::Bool(false)),
        ];
        for (key, default) in settings {
            let given = posture.as_ref().and_then(|document| {
                let node = document.root.get(key).filter(|node| !node.is_null())?;
                Some(Traced::of(document, node))
            });
            out.set(key, given.unwrap_or_else(|| Traced::default(default)));
        }
        out.set("env_name", Traced::given(Value::Text(env.to_owned())));
        out.set("posture_name", named.traced());
        out.set("ssh_authorized_keys", ssh_keys(secrets));
        done(loader, out)
    }
}

/// The site's packages, then the posture's; of two that are the same the first stays.
fn packages(defaults: &Defaults, posture: Option<&Arc<Document>>) -> Traced {
    let site = defaults.given("packages");
    let own = posture.and_then(|document| {
        let node = document.root.get("packages")?;
        Some(Traced::of(document, node))
    });
    let mut packages: Vec<Traced> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for list in [site, own].into_iter().flatten() {
        let Value::List(items) = list.value else {
            continue;
        };
        for item in items {
            if item.text().is_some_and(|text| seen.insert(text.to_owned())) {
                packages.push(item);
            }
        }
    }
    Traced::default(Value::List(packages))
}
