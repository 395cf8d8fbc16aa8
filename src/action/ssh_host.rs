//! Hosts of an inventory, and how `ssh` is called for one.

use std::net::IpAddr;

use camino::Utf8Path;
use serde_json::Value;

use super::StepContext;
use super::limit::is_meant;
use crate::diag::StepError;
use crate::lab;

/// The usual port of sshd.
pub(super) const SSH: u16 = 22;

/// An inventory as `ansible.inventory` writes it.
#[derive(Debug, Clone)]
pub(super) struct Inventory(Value);

/// A host of it.
#[derive(Debug, Clone)]
pub(super) struct SshHost {
    pub(super) name: String,
    pub(super) address: IpAddr,
    /// The port of its sshd.
    pub(super) port: u16,
    pub(super) user: String,
    /// Of a container: who else may be let in. Before its first converge that is root
    /// alone, afterwards perhaps the lab's user alone.
    pub(super) others: Vec<String>,
}

impl Inventory {
    /// Reads it.
    pub(super) fn read(ctx: &StepContext<'_>, file: &str) -> Result<Self, StepError> {
        let shown = ctx.lab.paths.show(Utf8Path::new(file));
        let text =
            std::fs::read_to_string(file).map_err(|error| StepError::io("read", &shown, &error))?;
        let read = serde_json::from_str(&text);
        read.map(Self).map_err(|error| {
            StepError::new(format!("`{shown}` is not an inventory of ours: {error}"))
        })
    }

    /// The private key that logs in; none: the agent's and OpenSSH's own.
    pub(super) fn identity(&self) -> Option<String> {
        let key = &self.0["all"]["vars"]["ansible_ssh_private_key_file"];
        key.as_str().map(str::to_owned)
    }

    /// The hosts that a limit means.
    pub(super) fn hosts(&self, limit: &str) -> Vec<SshHost> {
        let all = &self.0["all"];
        let in_group =
            |host: &str, group: &str| all["children"][group]["hosts"].get(host).is_some();
        let lab_user = all["vars"]["hl_user"].as_str();
        let hosts = all["hosts"].as_object().into_iter().flatten();
        hosts
            .filter(|(name, _)| is_meant(limit, name, |group| in_group(name, group)))
            .filter_map(|(name, vars)| {
                let user = vars["ansible_user"].as_str().unwrap_or("root");
                let first = vars["hl_first_user"].as_str();
                let others = [first, lab_user.filter(|_| first.is_some())];
                let others = others.into_iter().flatten();
                let others = others.filter(|other| *other != user);
                Some(SshHost {
                    name: name.clone(),
                    address: vars["ansible_host"].as_str()?.parse().ok()?,
                    port: vars["ansible_port"]
                        .as_u64()
                        .and_then(|port| u16::try_from(port).ok())
                        .unwrap_or(SSH),
                    user: user.to_owned(),
                    others: others.map(str::to_owned).collect(),
                })
            })
            .collect()
    }

    /// The host of that name.
    pub(super) fn host(&self, name: &str) -> Option<SshHost> {
        let mut hosts = self.hosts("").into_iter();
        hosts.find(|host| host.name == name)
    }

    /// Lets these users log in on these hosts from now on, and writes the file again.
    pub(super) fn log_in_as(
        &mut self,
        file: &str,
        users: &[(String, String)],
    ) -> Result<(), StepError> {
        for (host, user) in users {
            self.0["all"]["hosts"][host]["ansible_user"] = Value::from(user.as_str());
        }
        let text = serde_json::to_string_pretty(&self.0).unwrap_or_default();
        Ok(lab::write(Utf8Path::new(file), text, 0o600)?)
    }
}

impl SshHost {
    /// As `known_hosts` names it.
    pub(super) fn known_as(&self) -> String {
        match self.port {
            SSH => self.address.to_string(),
            port => format!("[{}]:{port}", self.address),
        }
    }

    /// The arguments of an `ssh` that runs a command there, with the host key that is
    /// known, and asks nobody.
    pub(super) fn args(
        &self,
        ctx: &StepContext<'_>,
        identity: Option<&str>,
        command: &str,
    ) -> Vec<String> {
        let known = ctx.lab.paths.known_hosts();
        let mut args = Vec::new();
        for option in [
            "BatchMode=yes".to_owned(),
            "ConnectTimeout=5".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            format!("UserKnownHostsFile={known}"),
            "ControlPath=none".to_owned(),
        ] {
            args.extend(["-o".to_owned(), option]);
        }
        if let Some(identity) = identity {
            args.extend([
                "-i".to_owned(),
                identity.to_owned(),
                "-o".to_owned(),
                "IdentitiesOnly=yes".to_owned(),
            ]);
        }
        args.extend(["-p".to_owned(), self.port.to_string()]);
        args.extend([
            format!("{}@{}", self.user, self.address),
            command.to_owned(),
        ]);
        args
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_limit_picks_hosts_and_groups_and_patterns_pick_all() {
        let inventory = Inventory(json!({"all": {
            "hosts": {"web-1": {"ansible_host": "10.0.0.1", "ansible_user": "ops"}, "app-1": {"ansible_host": "10.0.0.2"}},
            "children": {"web": {"hosts": {"web-1": {}}}}}}));
        let pick = |limit: &str| {
            inventory
                .hosts(limit)
                .into_iter()
                .map(|h| h.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(pick(""), ["app-1", "web-1"]);
        assert_eq!(pick("web"), ["web-1"]);
        assert_eq!(pick("app-1"), ["app-1"]);
        assert_eq!(pick("all,!web").len(), 2);
        assert_eq!(inventory.host("app-1").unwrap().user, "root");
        assert!(inventory.host("web").is_none());
    }

    #[test]
    fn a_container_may_let_in_root_or_the_labs_user() {
        let users = |user: &str| {
            let inventory = Inventory(json!({"all": {"vars": {"hl_user": "ops"}, "hosts": {
                "cache": {"ansible_host": "10.0.0.3", "ansible_user": user, "hl_first_user": "root"},
                "web": {"ansible_host": "10.0.0.1", "ansible_user": user}}}}));
            assert!(inventory.host("web").unwrap().others.is_empty());
            inventory.host("cache").unwrap().others
        };
        assert_eq!(users("ops"), ["root"]);
        assert_eq!(users("root"), ["ops"]);
    }
}
