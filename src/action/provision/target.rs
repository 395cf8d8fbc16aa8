//! Which machine is meant, and its inventory for a playbook.

use camino::Utf8PathBuf;
use serde_json::{Map, Value, json};

use crate::action::remote::{Machine, Where};
use crate::action::{self, ChildSpec, StepContext};
use crate::diag::{Exit, StepError};
use crate::lab;

/// What a machine is asked before a playbook runs, which learns its host key too.
const HELLO: &str = "uname -n";

/// A machine to work on.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Its name in the site.
    pub(super) name: String,
    /// Where it is.
    pub(super) machine: Machine,
    /// The site's `automation_user`.
    pub(super) automation_user: String,
    /// `hosts/NAME.yaml` is there.
    pub(super) has_host_file: bool,
}

impl Target {
    /// The machine that is meant. Without a name it is called as it calls itself.
    pub(super) fn of(ctx: &StepContext<'_>, named: Where<'_>) -> Result<Self, StepError> {
        if !named.local && named.host.is_empty() && named.remote.is_empty() {
            return Err(StepError::new("no machine is named")
                .exit(Exit::Usage)
                .help("name one with `-H HOST`, or work on this one with `--local`"));
        }
        let machine = Machine::of(ctx, named)?;
        let name = match named.host {
            "" => {
                let said = machine.ask(ctx, "asking for its name", HELLO)?;
                said.trim().split('.').next().unwrap_or_default().to_owned()
            }
            host => host.to_owned(),
        };
        let tree = action::site::tree(ctx.lab);
        let resolved = match tree.resolve_host(&name, None) {
            // This machine, or an address, needs no file.
            Err(failure) if named.host.is_empty() && failure.exit == Exit::Unknown => None,
            other => Some(other?.value),
        };
        let user = resolved
            .as_ref()
            .and_then(|host| host.text("automation_user"));
        Ok(Self {
            automation_user: user.unwrap_or("homestak").to_owned(),
            has_host_file: tree.root().join(format!("hosts/{name}.yaml")).is_file(),
            name,
            machine,
        })
    }

    /// What it is called in messages.
    pub(super) fn shown(&self) -> String {
        match &self.machine {
            Machine::Here => self.machine.name(),
            Machine::There(_) => format!("`{}`", self.name),
        }
    }

    /// Whether it is this machine.
    pub(super) fn is_here(&self) -> bool {
        matches!(self.machine, Machine::Here)
    }

    /// Who logs in, where somebody has to.
    pub(super) fn user(&self) -> Option<&str> {
        match &self.machine {
            Machine::Here => None,
            Machine::There(ssh) => Some(&ssh.user),
        }
    }

    /// What a script says that only reads, as root; the host key is learnt at first
    /// contact.
    pub(super) fn look(
        &self,
        ctx: &StepContext<'_>,
        what: &str,
        script: &str,
    ) -> Result<String, StepError> {
        let script = match &self.machine {
            Machine::There(ssh) if !ssh.sudo().is_empty() => {
                format!("{}sh -c {}", ssh.sudo(), single_quoted(script))
            }
            Machine::There(_) | Machine::Here => script.to_owned(),
        };
        self.machine.ask(ctx, what, &script)
    }

    /// A child that runs a script on it as root.
    pub(super) fn script(&self, script: &str) -> ChildSpec {
        match &self.machine {
            Machine::There(ssh) => {
                let script = format!("{}sh -c {}", ssh.sudo(), single_quoted(script));
                self.machine.script(&script)
            }
            Machine::Here => self.machine.script(script),
        }
    }

    /// Files about it: its inventory, and what playbooks say of it.
    pub(super) fn dir(&self, ctx: &StepContext<'_>) -> Utf8PathBuf {
        ctx.lab.paths.build().join("hosts").join(&self.name)
    }

    /// Writes its inventory; gives the file.
    pub(super) fn inventory(&self, ctx: &StepContext<'_>) -> Result<Utf8PathBuf, StepError> {
        let mut own = Map::new();
        let mut set = |name: &str, value: Value| own.insert(name.to_owned(), value);
        match &self.machine {
            Machine::Here => {
                set("ansible_connection", json!("local"));
            }
            Machine::There(ssh) => {
                set("ansible_host", json!(ssh.address));
                set("ansible_port", json!(ssh.port));
                set("ansible_user", json!(ssh.user));
                if let Some(identity) = &ssh.identity {
                    set("ansible_ssh_private_key_file", json!(identity));
                }
            }
        }
        set("ansible_python_interpreter", json!("auto_silent"));
        let file = self.dir(ctx).join("inventory.json");
        let text = json!({ "all": { "hosts": { self.name.clone(): own } } }).to_string();
        lab::write(&file, text, 0o600)?;
        Ok(file)
    }
}

/// A word of any POSIX shell: what stands in it is read by one that may not be bash.
pub(super) fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_one_word() {
        assert_eq!(single_quoted("echo 'a b'\n"), "'echo '\\''a b'\\''\n'");
    }
}
