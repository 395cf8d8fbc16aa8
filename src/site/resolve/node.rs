//! A node and the site's defaults.

use std::sync::Arc;

use super::value::{Object, Origin, Traced, Value};
use crate::diag::{Diagnostic, did_you_mean};
use crate::shape::Node;
use crate::site::secrets::Secrets;
use crate::site::tree::Loader;
use crate::site::yaml::Document;

/// `defaults` of `site.yaml`.
#[derive(Debug)]
pub(super) struct Defaults {
    site: Option<Arc<Document>>,
}

impl Defaults {
    pub(super) fn load(loader: &mut Loader<'_>) -> Self {
        Self {
            site: loader.site(),
        }
    }

    /// A default, `null` too.
    pub(super) fn get(&self, key: &str) -> Option<Traced> {
        let site = self.site.as_ref()?;
        let node = site.root.get("defaults")?.get(key)?;
        Some(Traced::of(site, node))
    }

    /// A default that is not `null`, else this text.
    pub(super) fn or(&self, key: &str, otherwise: &str) -> Traced {
        self.given(key)
            .unwrap_or_else(|| Traced::default_text(otherwise))
    }

    /// A default that is not `null`.
    pub(super) fn given(&self, key: &str) -> Option<Traced> {
        self.get(key).filter(|value| !value.is_null())
    }
}

/// A file of `nodes/` or `hosts/`.
pub(super) struct Machine<'d> {
    pub(super) document: &'d Arc<Document>,
    pub(super) name: &'d str,
}

impl Machine<'_> {
    /// A key that is not `null`, in nested mappings.
    pub(super) fn at(&self, path: &[&str]) -> Option<Traced> {
        let mut node: &Node = &self.document.root;
        for key in path {
            node = node.get(key)?;
        }
        (!node.is_null()).then(|| Traced::of(self.document, node))
    }

    /// A key that is not `null`.
    pub(super) fn get(&self, key: &str) -> Option<Traced> {
        self.at(&[key])
    }

    /// Its name in Proxmox VE: `node`, else the file's.
    pub(super) fn node_name(&self) -> Traced {
        self.get("node").unwrap_or_else(|| Traced {
            value: Value::Text(self.name.to_owned()),
            origin: Origin::of(self.document, &self.document.root),
        })
    }

    /// The token that `api_token` names, or the file's own name.
    pub(super) fn api_token(&self, loader: &mut Loader<'_>, secrets: Option<&Secrets>) -> Traced {
        let given = self.document.root.get("api_token");
        let name = given.and_then(Node::text).unwrap_or(self.name);
        let token = secrets.and_then(|secrets| secrets.api_tokens.get(name));
        if let (Some(secrets), None) = (secrets, token) {
            let own = self.name;
            let mut warning = Diagnostic::warning(format!(
                "there is no `api_tokens.{name}` in `{}`: the token of node `{own}` is empty",
                secrets.file
            ));
            warning.place = given.map(|node| self.document.at(node, ""));
            if let Some(help) = did_you_mean(name, secrets.api_tokens.names()) {
                warning = warning.help(help);
            }
            loader.warn(warning);
        }
        Traced::secret(secrets, token)
    }
}

/// That a name in a file is not in `secrets.yaml`, with the closest of those there are.
pub(in crate::site) fn secret_missing(
    secrets: &Secrets,
    document: &Document,
    node: &Node,
    section: &str,
    name: &str,
) -> Diagnostic {
    let keyed = match section {
        "api_tokens" => &secrets.api_tokens,
        _ => &secrets.ssh_keys,
    };
    let file = &secrets.file;
    let finding = Diagnostic::error(format!("there is no `{section}.{name}` in `{file}`"))
        .at(document.at(node, ""));
    match did_you_mean(name, keyed.names()) {
        Some(help) => finding.help(help),
        None => finding.help(format!("add it below `{section}:` in `{file}`")),
    }
}

/// What every question about a node begins with, in its order.
pub(super) fn head(
    loader: &mut Loader<'_>,
    machine: &Machine<'_>,
    defaults: &Defaults,
    secrets: Option<&Secrets>,
) -> Object {
    let mut out = Object::default();
    out.set("node", machine.node_name());
    let endpoint = machine.get("api_endpoint");
    let local = endpoint
        .as_ref()
        .and_then(Traced::text)
        .is_some_and(|text| text.contains("localhost") || text.contains("127.0.0.1"));
    out.set(
        "api_endpoint",
        endpoint.clone().unwrap_or_else(|| Traced::default_text("")),
    );
    out.set("api_token", machine.api_token(loader, secrets));
    out.set("ssh_user", ssh_user(machine, defaults));
    out.set(
        "automation_user",
        defaults.or("automation_user", "homestak"),
    );
    let ssh_host = match endpoint.filter(|_| local) {
        Some(endpoint) => Traced {
            value: Value::Text("127.0.0.1".to_owned()),
            origin: endpoint.origin,
        },
        None => machine
            .get("ip")
            .unwrap_or_else(|| Traced::default_text("")),
    };
    out.set("ssh_host", ssh_host);
    let datastore = machine.get("datastore");
    out.set(
        "datastore",
        datastore.unwrap_or_else(|| Traced::default(Value::Null)),
    );
    let password = secrets.and_then(|secrets| secrets.passwords.get("vm_root"));
    out.set("root_password", Traced::secret(secrets, password));
    out.set("ssh_keys", ssh_keys(secrets));
    out.set("spec_server", defaults.or("spec_server", ""));
    out
}

/// Who logs in: the node's, else the site's, else root.
pub(super) fn ssh_user(machine: &Machine<'_>, defaults: &Defaults) -> Traced {
    let own = machine.get("ssh_user");
    own.unwrap_or_else(|| defaults.or("ssh_user", "root"))
}

/// All public keys, in the order of the file.
pub(super) fn ssh_keys(secrets: Option<&Secrets>) -> Traced {
    let keys = secrets.into_iter().flat_map(|secrets| {
        let all = secrets.ssh_keys.iter();
        all.map(|(_, key)| Traced::secret(Some(secrets), Some(key)))
    });
    Traced::default(Value::List(keys.collect()))
}
