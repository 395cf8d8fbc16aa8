//! Which machine is meant, and how a script is run there.

use camino::Utf8Path;

use super::ssh::Ssh;
use crate::action::{Captured, ChildSpec, StepContext, site};
use crate::diag::{Exit, StepError, say};
use crate::lab::ssh::identity;
use crate::site::Tree;

/// The user of a machine that the site says nothing of.
const USER: &str = "root";

/// A machine as inputs name it.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::action) struct Where<'a> {
    /// A file of `site/nodes` or `site/hosts`.
    pub(in crate::action) host: &'a str,
    /// `[USER@]ADDRESS`; wins.
    pub(in crate::action) remote: &'a str,
    /// This machine, whatever else is said.
    pub(in crate::action) local: bool,
}

/// Where something is done.
#[derive(Debug, Clone)]
pub(in crate::action) enum Machine {
    /// On this machine.
    Here,
    /// On another one.
    There(Ssh),
}

impl Machine {
    /// The machine that is meant; this one when none is named.
    ///
    /// # Errors
    /// There is no such host (66), its files do not say where it is (65), the lab's
    /// key is not there (65).
    pub(in crate::action) fn of(
        ctx: &StepContext<'_>,
        named: Where<'_>,
    ) -> Result<Self, StepError> {
        if named.local || (named.remote.is_empty() && named.host.is_empty()) {
            return Ok(Self::Here);
        }
        let tree = site::tree(ctx.lab);
        let (user, address) = if named.remote.is_empty() {
            of_host(&tree, named.host)?
        } else {
            of_address(&tree, named)?
        };
        // Its files were written on the machine itself.
        if named.remote.is_empty() && ["localhost", "127.0.0.1", "::1"].contains(&address.as_str())
        {
            return Ok(Self::Here);
        }
        let home = ctx.env.get("HOME").map(Utf8Path::new);
        Ok(Self::There(Ssh {
            user,
            address,
            // An address that no file is named for has the usual one.
            port: tree.ssh_port(named.host)?,
            known_hosts: ctx.lab.paths.known_hosts(),
            identity: identity(ctx.lab, home)?,
            learns: true,
        }))
    }

    /// The same, for checks: a host key that is not known is not learnt.
    pub(in crate::action) fn only_known(self) -> Self {
        match self {
            Self::Here => Self::Here,
            Self::There(ssh) => Self::There(Ssh {
                learns: false,
                ..ssh
            }),
        }
    }

    /// The machine as messages name it.
    pub(in crate::action) fn name(&self) -> String {
        match self {
            Self::Here => "this machine".to_owned(),
            Self::There(ssh) => format!("`{}`", ssh.address),
        }
    }

    /// A child that runs a POSIX script there.
    pub(in crate::action) fn script(&self, script: &str) -> ChildSpec {
        match self {
            Self::Here => ChildSpec::new("sh", ["-c", script]),
            Self::There(ssh) => ssh.script(script, false),
        }
    }

    /// The same, where the script ends when this side does.
    pub(in crate::action) fn long_script(&self, script: &str) -> ChildSpec {
        match self {
            Self::Here => self.script(script),
            Self::There(ssh) => ssh.script(script, true),
        }
    }

    /// What a script that changes nothing says.
    ///
    /// # Errors
    /// It cannot be run there, or does not end with 0.
    pub(in crate::action) fn ask(
        &self,
        ctx: &StepContext<'_>,
        what: &str,
        script: &str,
    ) -> Result<String, StepError> {
        let said = ctx.exec.capture(&self.script(script))?;
        self.ended_well(what, &said)?;
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    }

    /// The usual reading of a short child's end.
    pub(in crate::action) fn ended_well(
        &self,
        what: &str,
        said: &Captured,
    ) -> Result<(), StepError> {
        if said.code == 0 {
            return Ok(());
        }
        if let Self::There(ssh) = self
            && let Some(error) = ssh.failed(said)
        {
            return Err(error);
        }
        let lines = said.stderr.lines().map(str::trim_end);
        let tail: Vec<String> = lines.filter(|l| !l.is_empty()).map(str::to_owned).collect();
        let message = format!("{what} failed on {} with code {}", self.name(), said.code);
        Err(StepError::new(message).tail(tail))
    }
}

fn of_host(tree: &Tree, host: &str) -> Result<(String, String), StepError> {
    // Its token is of no use here.
    let resolved = tree.resolve_host(host, None)?.value;
    let text = |key: &str| resolved.text(key).unwrap_or_default().to_owned();
    let mut address = text("ssh_host");
    if ["localhost", "127.0.0.1", "::1"].contains(&address.as_str())
        && let Some(ip) = tree.node_ip(host)?
    {
        address = ip;
    }
    if address.is_empty() {
        let message = format!("the site does not say where host `{host}` is");
        return Err(StepError::new(message).exit(Exit::Definition).help(format!(
            "add `ip` to `{}/hosts/{host}.yaml`",
            tree.shown_root()
        )));
    }
    Ok((or_root(text("ssh_user")), address))
}

/// `[USER@]ADDRESS`: the user of the host that is named beside it, else the site's.
fn of_address(tree: &Tree, named: Where<'_>) -> Result<(String, String), StepError> {
    if let Some((user, address)) = named.remote.split_once('@') {
        plain(user)?;
        plain(address)?;
        return Ok((user.to_owned(), address.to_owned()));
    }
    plain(named.remote)?;
    let user = if named.host.is_empty() {
        tree.ssh_user()?
    } else {
        of_host(tree, named.host)?.0
    };
    Ok((or_root(user), named.remote.to_owned()))
}

/// What ssh would take for an option is none.
fn plain(text: &str) -> Result<(), StepError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_:%[]".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(fits) {
        return Ok(());
    }
    Err(StepError::new(format!("`{text}` is no address"))
        .exit(Exit::Usage)
        .help(say("expected `ADDRESS` or `USER@ADDRESS`")))
}

fn or_root(user: String) -> String {
    if user.is_empty() {
        USER.to_owned()
    } else {
        user
    }
}
