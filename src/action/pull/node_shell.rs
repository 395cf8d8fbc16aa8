//! Files of the node that its API takes from nobody: they are written over SSH, as the
//! provider does it. The login is the provider's too (`PROXMOX_VE_SSH_USERNAME`,
//! `PROXMOX_VE_SSH_PRIVATE_KEY`), else `ssh_user` of the site and `[ssh] identity`.

use camino::{Utf8Path, Utf8PathBuf};

use super::work_dir::{WorkDir, ssh_reading};
use crate::action;
use crate::action::{ChildSpec, StepContext};
use crate::base::quoted;
use crate::diag::{Exit, StepError};
use crate::lab::ssh;
use crate::pve::Endpoint;

/// The shell of a node.
pub(in crate::action) struct NodeShell<'a, 'c> {
    ctx: &'a StepContext<'c>,
    to: String,
    options: Vec<String>,
    root: bool,
    /// Where a private key is that came by a variable.
    _work: WorkDir,
}

impl<'a, 'c> NodeShell<'a, 'c> {
    /// That of the node of the step's environment, whose file in the site may have
    /// another name.
    pub(in crate::action) fn of(ctx: &'a StepContext<'c>, node: &str) -> Result<Self, StepError> {
        let address = ctx.env.get("PVE_ACCESS_HOST").unwrap_or_default();
        let endpoint = Endpoint::parse(address).map_err(|why| {
            StepError::new(format!("`PVE_ACCESS_HOST` cannot be used: {why}")).exit(Exit::Runway)
        })?;
        let site = action::site::tree(ctx.lab).resolve_host(node, None).ok();
        let said = site.as_ref().and_then(|host| host.value.text("ssh_user"));
        let user = ctx.env.get("PROXMOX_VE_SSH_USERNAME").or(said);
        let user = user.filter(|user| !user.is_empty()).unwrap_or("root");
        let known = ctx.lab.paths.known_hosts();
        let mut options = vec![
            "BatchMode=yes".to_owned(),
            "ConnectTimeout=10".to_owned(),
            // Learnt at first contact, and never again.
            "StrictHostKeyChecking=accept-new".to_owned(),
            format!("UserKnownHostsFile=\"{known}\" ~/.ssh/known_hosts"),
            "ControlPath=none".to_owned(),
        ];
        let work = WorkDir::of(ctx);
        let home = ctx.env.get("HOME").map(Utf8Path::new);
        let identity = match key(ctx, &work)? {
            Some(key) => Some(key),
            None => ssh::identity(ctx.lab, home)?,
        };
        if let Some(identity) = identity {
            options.push(format!("IdentityFile={identity}"));
            options.push("IdentitiesOnly=yes".to_owned());
        }
        Ok(Self {
            ctx,
            to: format!("{user}@{}", endpoint.host().trim_matches(['[', ']'])),
            options,
            root: user == "root",
            _work: work,
        })
    }

    /// Puts a file where a volume is, for its owner alone.
    pub(in crate::action) fn put(&self, volid: &str, file: &Utf8Path) -> Result<(), StepError> {
        let script =
            "umask 077; mkdir -p \"${file%/*}\"; cat >\"$file.new\"; mv \"$file.new\" \"$file\"";
        self.run(&with_file(volid, script), Some(file))
    }

    /// Removes a volume's file, where there is one.
    pub(super) fn remove(&self, volid: &str) -> Result<(), StepError> {
        self.run(&with_file(volid, "rm -f -- \"$file\""), None)
    }

    /// Removes a volume of which its storage itself has to know.
    pub(super) fn free(&self, volid: &str) -> Result<(), StepError> {
        self.run(&format!("pvesm free {}", quoted(volid)), None)
    }

    fn run(&self, script: &str, input: Option<&Utf8Path>) -> Result<(), StepError> {
        let script = format!("set -eu; PATH=$PATH:/usr/sbin:/sbin; {script}");
        let sudo = if self.root { "" } else { "sudo -n " };
        let remote = format!("{sudo}sh -c {}", quoted(&script));
        let mut args = Vec::new();
        for option in &self.options {
            args.extend(["-o".to_owned(), option.clone()]);
        }
        args.extend(["--".to_owned(), self.to.clone(), remote]);
        let child = match input {
            Some(file) => ssh_reading(file, args),
            None => ChildSpec::new("ssh", std::iter::once("-n".to_owned()).chain(args)),
        };
        let outcome = self.ctx.exec.run(&child, &mut |_| {})?;
        outcome.check("ssh").map_err(|error| {
            error.help(format!(
                "`ssh {}` must work without a question: `PROXMOX_VE_SSH_USERNAME` and `[ssh] identity` say who logs in and with which key{}",
                self.to,
                if self.root { "" } else { "; and `sudo` on the node without a password" }
            ))
        })
    }
}

/// A script for the `file` of a volume.
fn with_file(volid: &str, script: &str) -> String {
    format!("file=$(pvesm path {}); {script}", quoted(volid))
}

/// The key of `PROXMOX_VE_SSH_PRIVATE_KEY`, as a file for its owner alone.
fn key(ctx: &StepContext<'_>, work: &WorkDir) -> Result<Option<Utf8PathBuf>, StepError> {
    let key = ctx.env.get("PROXMOX_VE_SSH_PRIVATE_KEY").map(str::trim);
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return Ok(None);
    };
    work.write("node-key", &format!("{key}\n")).map(Some)
}
