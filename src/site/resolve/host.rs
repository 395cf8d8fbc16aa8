//! A host: a node of Proxmox VE, or a machine that is none yet.

use serde_json::Number;

use super::env::{done, no_secrets};
use super::node::{Defaults, Machine, ssh_user};
use super::value::{Object, Resolved, Traced, Value};
use crate::diag::Failure;
use crate::site::kind::Kind;
use crate::site::secrets::Secrets;
use crate::site::tree::{Loader, Tree, is_name};

/// The storage when neither node nor site names one.
const DATASTORE: &str = "local-zfs";
/// The port of an SSH server that no file gives another one.
const SSH: u16 = 22;

impl Tree {
    /// A host, from `nodes/HOST.yaml`, else from `hosts/HOST.yaml` and then
    /// `is_host_only`: `name`, `is_host_only`, `api_endpoint`, `api_token`,
    /// `node_name`, `ssh_host`, `ssh_user`, `automation_user`, `datastore`,
    /// `packer_release`, and what is the same for all.
    ///
    /// # Errors
    /// There is no such host (66, with those there are), its name is a path
    /// (2), or its file is invalid (65).
    pub fn resolve_host(&self, name: &str, secrets: Option<&Secrets>) -> Result<Resolved, Failure> {
        if !is_name(name) {
            return Err(Self::no_path("host", name));
        }
        let mut loader = Loader::new(self);
        let host_only = !self.has(Kind::Node, name);
        if host_only && !self.has(Kind::Host, name) {
            return Err(self.unknown(&[Kind::Node, Kind::Host], "host", name));
        }
        let kind = if host_only { Kind::Host } else { Kind::Node };
        let defaults = Defaults::load(&mut loader);
        let Some(document) = loader.part(kind, name) else {
            return done(loader, Object::default());
        };
        let machine = Machine {
            document: &document,
            name,
        };
        let mut out = Object::default();
        out.set("name", Traced::given(Value::Text(name.to_owned())));
        out.set("is_host_only", Traced::default(Value::Bool(host_only)));
        if host_only {
            for key in ["api_endpoint", "api_token", "node_name"] {
                out.set(key, Traced::default_text(""));
            }
            out.set("ssh_host", host_address(&machine));
            out.set("ssh_user", host_user(&machine, &defaults));
        } else {
            no_secrets(&mut loader, secrets);
            let endpoint = machine.get("api_endpoint");
            let endpoint = endpoint.unwrap_or_else(|| Traced::default_text(""));
            let address = endpoint_host(&endpoint);
            out.set("api_endpoint", endpoint);
            out.set("api_token", machine.api_token(&mut loader, secrets));
            out.set("node_name", machine.node_name());
            out.set("ssh_host", address);
            out.set("ssh_user", ssh_user(&machine, &defaults));
        }
        out.set(
            "automation_user",
            defaults.or("automation_user", "homestak"),
        );
        let own = machine.get("datastore").filter(|_| !host_only);
        let datastore = own.unwrap_or_else(|| {
            if host_only {
                Traced::default_text(DATASTORE)
            } else {
                defaults.or("datastore", DATASTORE)
            }
        });
        out.set("datastore", datastore);
        out.set("packer_release", defaults.or("packer_release", "latest"));
        constants(&mut out);
        done(loader, out)
    }

    /// The user that `site.yaml` names for ssh; root when it names none.
    ///
    /// # Errors
    /// The file is invalid (65).
    pub fn ssh_user(&self) -> Result<String, Failure> {
        let mut loader = Loader::new(self);
        let defaults = Defaults::load(&mut loader);
        let user = defaults.or("ssh_user", "root");
        let user = user.text().unwrap_or_default().to_owned();
        loader.finish()?;
        Ok(user)
    }

    /// The release that images are taken from, as `site.yaml` names it.
    ///
    /// # Errors
    /// The file is invalid (65).
    pub fn packer_release(&self) -> Result<Option<String>, Failure> {
        let mut loader = Loader::new(self);
        let defaults = Defaults::load(&mut loader);
        let release = defaults.given("packer_release");
        let release = release.and_then(|value| value.text().map(str::to_owned));
        loader.finish()?;
        Ok(release)
    }

    /// Reads a node's file as it is read for work on the node.
    ///
    /// # Errors
    /// It is invalid, or names no storage for disks (65).
    pub fn check_node(&self, name: &str) -> Result<(), Failure> {
        let mut loader = Loader::new(self);
        loader.file(Kind::Node, name);
        loader.finish()?;
        Ok(())
    }

    /// The `ip` of a node's file, where it has one.
    ///
    /// # Errors
    /// The file is invalid (65).
    pub fn node_ip(&self, name: &str) -> Result<Option<String>, Failure> {
        let mut loader = Loader::new(self);
        let document = loader.part(Kind::Node, name);
        let ip = document.as_ref().and_then(|document| {
            let machine = Machine { document, name };
            Some(machine.get("ip")?.text()?.to_owned())
        });
        loader.finish()?;
        Ok(ip)
    }

    /// The port of a host's SSH server: `access.ssh_port` of its file in `hosts/`, which
    /// a node's file may name as its `host`.
    ///
    /// # Errors
    /// A file is invalid (65).
    pub fn ssh_port(&self, name: &str) -> Result<u16, Failure> {
        let mut loader = Loader::new(self);
        let named = self
            .has(Kind::Node, name)
            .then(|| loader.part(Kind::Node, name))
            .flatten()
            .and_then(|document| {
                let machine = Machine {
                    document: &document,
                    name,
                };
                Some(machine.get("host")?.text()?.to_owned())
            });
        let host = named.unwrap_or_else(|| name.to_owned());
        let document = (is_name(&host) && self.has(Kind::Host, &host))
            .then(|| loader.part(Kind::Host, &host))
            .flatten();
        let port = document.and_then(|document| {
            let machine = Machine {
                document: &document,
                name: &host,
            };
            match machine.at(&["access", "ssh_port"])?.value {
                Value::Number(port) => u16::try_from(port.as_u64()?).ok(),
                Value::Null
                | Value::Bool(_)
                | Value::Text(_)
                | Value::Secret(_)
                | Value::List(_)
                | Value::Map(_) => None,
            }
        });
        loader.finish()?;
        Ok(port.unwrap_or(SSH))
    }

    /// The names of all hosts: nodes and machines that are none yet, sorted.
    ///
    /// # Errors
    /// A directory cannot be read (65).
    pub fn hosts(&self) -> Result<Vec<String>, Failure> {
        let mut names = self.names(Kind::Node)?;
        names.extend(self.names(Kind::Host)?);
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

/// The host of `https://HOST:8006`.
fn endpoint_host(endpoint: &Traced) -> Traced {
    let text = endpoint.text().unwrap_or_default();
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    Traced {
        value: Value::Text(host.to_owned()),
        origin: endpoint.origin.clone(),
    }
}

/// `ip`, else the address of `vmbr0` without its prefix.
fn host_address(machine: &Machine<'_>) -> Traced {
    if let Some(ip) = machine.get("ip") {
        return ip;
    }
    let address = machine.at(&["network", "interfaces", "vmbr0", "address"]);
    match address {
        Some(address) => {
            let text = address.text().unwrap_or_default();
            let host = text.split('/').next().unwrap_or_default().to_owned();
            Traced {
                value: Value::Text(host),
                origin: address.origin,
            }
        }
        None => Traced::default_text(""),
    }
}

/// `access.ssh_user`; with an `access` that says nothing of it root, without
/// one the site's.
fn host_user(machine: &Machine<'_>, defaults: &Defaults) -> Traced {
    if let Some(user) = machine.at(&["access", "ssh_user"]) {
        return user;
    }
    let access = machine.get("access");
    let says_something = access
        .as_ref()
        .and_then(Traced::map)
        .is_some_and(|access| !access.is_empty());
    if says_something {
        Traced::default_text("root")
    } else {
        defaults.or("ssh_user", "root")
    }
}

/// What is the same for every host.
fn constants(out: &mut Object) {
    let number = |n: u32| Value::Number(Number::from(n));
    let text = |text: &str| Value::Text(text.to_owned());
    for (key, value) in [
        ("packer_repo", text("homestak-dev/packer")),
        ("packer_image", text("debian-12-custom.qcow2")),
        ("inner_vm_id", number(99800)),
        ("test_vm_id", number(99900)),
        ("ssh_key", text("~/.ssh/id_rsa")),
    ] {
        out.set(key, Traced::default(value));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use camino::Utf8Path;

    use super::*;

    #[test]
    fn the_port_of_ssh_is_that_of_the_hosts_file() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        for (file, text) in [
            ("hosts/bare.yaml", "host: bare\naccess: {ssh_port: 2222}\n"),
            ("hosts/plain.yaml", "host: plain\n"),
            ("nodes/pve.yaml", "node: pve\nhost: bare\n"),
            ("nodes/alone.yaml", "node: alone\n"),
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = Tree::new(root, "site");
        for (name, port) in [
            ("bare", 2222),
            ("plain", 22),
            ("pve", 2222),
            ("alone", 22),
            ("nobody", 22),
        ] {
            assert_eq!(tree.ssh_port(name).unwrap(), port, "{name}");
        }
    }
}
