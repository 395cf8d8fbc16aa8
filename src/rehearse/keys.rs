//! SSH keys of a rehearsal's own: the user's private key stays outside, and a lab
//! without any key can be rehearsed.

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use crate::diag::{Exit, Failure};
use crate::lab::{self, Lab, Paths};

pub(super) fn key(paths: &Paths) -> Utf8PathBuf {
    paths.state().join("ssh/id_ed25519")
}

/// Lets a lab use them; `lab.paths` are those of the rehearsal.
pub fn use_own_keys(lab: &mut Lab) {
    let key = key(&lab.paths);
    lab.config.ssh.public_keys.push(format!("{key}.pub"));
    lab.config.ssh.identity = Some(key.into_string());
}

/// Makes them, once; `paths` are those of the rehearsal.
///
/// # Errors
/// There is no `ssh-keygen`, or no room (69, 73).
pub fn make_keys(paths: &Paths) -> Result<(), Failure> {
    make_key(&key(paths), "rehearsal")
}

/// Makes a private key and its public half, once.
///
/// # Errors
/// There is no `ssh-keygen`, or no room (69, 73).
pub(super) fn make_key(key: &Utf8Path, comment: &str) -> Result<(), Failure> {
    if key.is_file() {
        return Ok(());
    }
    lab::create_dir(key.parent().unwrap_or(Utf8Path::new(".")))?;
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(key)
        .stdin(Stdio::null())
        .output();
    let why = match made {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(
        Failure::message(Exit::Runway, format!("cannot make the key `{key}`: {why}"))
            .help("is `ssh-keygen` installed? it is in the package `openssh-client`"),
    )
}
