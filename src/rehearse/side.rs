//! Processes on the local side of a rehearsal: an `hl` in a file system and with rights
//! of its own, in the sealed network.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use super::guest::GuestHost;
use super::run::{self, InnerRun};
use super::world::LockedWorld;
use super::{local, namespaces};
use crate::base::Process;
use crate::diag::{Exit, Failure};

/// An `hl` that runs there. When `life` closes, it ends with all that it started.
pub(super) struct Side {
    pub(super) child: Child,
    pub(super) life: ChildStdin,
}

/// What all of them are given.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) inner_run: &'a InnerRun,
    pub(super) locked: &'a LockedWorld,
    pub(super) guests: &'a GuestHost,
    /// The key that logs in on nodes.
    pub(super) identity: Option<&'a Utf8Path>,
}

impl Place<'_> {
    /// Starts `hl` with these words; `prepare` sees to variables and output.
    pub(super) fn start(
        self,
        words: &[String],
        control: Option<&Utf8PathBuf>,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Side, Failure> {
        let failed = |message: String| Failure::message(Exit::Several, message);
        let Self {
            inner_run, locked, ..
        } = self;
        let orders = local::Orders {
            root: inner_run.root.clone(),
            command: words.to_vec(),
            exe: inner_run.exe.clone(),
            holder: Process::this(),
            user_namespace: self.guests.user_namespace(),
            named: inner_run.named.clone(),
            sockets: inner_run.sockets.clone(),
            control: control.cloned(),
            quiet: inner_run.quiet,
        };
        let text = serde_json::to_string(&orders).map_err(|e| failed(e.to_string()))?;
        let mut side = Command::new("unshare");
        side.args(["--mount", "--pid", "--ipc", "--propagation", "private"])
            .args(namespaces::cgroup())
            .args(["--fork", "--kill-child=SIGKILL", "--"])
            .arg(&inner_run.exe)
            .arg("__local")
            .env_clear()
            .envs(run::surroundings())
            .envs(&inner_run.variables)
            .env("HL_LAB", &inner_run.root)
            .env("HL_REHEARSAL", "1")
            .env("HL_REHEARSAL_HIDDEN", inner_run.hidden.join(","))
            .env("DOPPLER", "0")
            .env("PM_TOKEN_SECRET", &locked.secret)
            .env("PVE_CA_FILE", locked.dir.join("ca.pem"))
            .stdin(Stdio::piped())
            .process_group(0);
        for (name, value) in self.guests.mirror() {
            side.env(name, value);
        }
        // It goes on in the process that waits for it, not in one of its own.
        side.env_remove("HL_DETACH");
        // What the provider would ask the user's agent for, which is out of sight.
        if let Some(key) = self.identity.and_then(|key| fs::read_to_string(key).ok()) {
            side.env("PROXMOX_VE_SSH_USERNAME", &locked.world.login.user)
                .env("PROXMOX_VE_SSH_PRIVATE_KEY", key);
        }
        prepare(&mut side);
        let mut child = side
            .spawn()
            .map_err(|e| failed(format!("cannot run `unshare`: {e}")))?;
        // It stays open: when it closes, this process is gone.
        let Some(mut life) = child.stdin.take() else {
            return Err(failed("a pipe is missing".to_owned()));
        };
        // One that cannot read them has said why, and its code says it again.
        writeln!(life, "{text}").ok();
        Ok(Side { child, life })
    }
}
