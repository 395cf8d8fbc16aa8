//! The SSH key: new machines are given its public half, and the layers above
//! log in with the other one.

use camino::Utf8Path;

use crate::action::{Done, StepContext};
use crate::base::count;
use crate::diag::StepError;
use crate::lab::ssh;

/// There is a public key to give to machines, and something to log in with.
/// In a dry run a missing key is a warning: a plan is worth reading without.
pub(super) fn check(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let home = ctx.env.get("HOME").map(Utf8Path::new);
    if ctx.dry_run && ssh::is_keyless(ctx.lab, home) {
        return Ok(Done::new("none yet").warn(
            "there is no SSH key to give to new machines; make one before the live run: `ssh-keygen -t ed25519`",
        ));
    }
    let keys = ssh::public_keys(ctx.lab, home)?;
    let identity = ssh::identity(ctx.lab, home)?.or_else(|| ssh::own_identity(home));
    let done = Done::new(format!(
        "{} for `{}`",
        count(keys.len(), "public key"),
        ctx.lab.config.ssh.user
    ));
    if identity.is_some() || ctx.env.get("SSH_AUTH_SOCK").is_some() {
        return Ok(done);
    }
    Ok(done.warn(
        "no private key is at hand to log in with; start an agent (`ssh-add`), or name the file as `identity` in `[ssh]` of `hl.toml`",
    ))
}
