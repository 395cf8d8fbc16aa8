//! Which kernel a guest shows in `/proc/sys/kernel/osrelease`: that of this machine, or
//! of the newest kernel that was installed in it, from the next start on. There is no
//! other kernel behind it; `uname` still says which one runs.

use std::fs;
use std::path::Path;

use rustix::mount::MountFlags;

use crate::rehearse::mounts::{bind, read_only};

/// What the file of the kernel shows.
const SHOWN: &str = "/run/hl/osrelease";
/// The file that is covered.
const FILE: &str = "/proc/sys/kernel/osrelease";
/// Where the stand-in for a kernel says which it is.
const INSTALLED: &str = "/usr/share/hl-stand-ins/kernel";
/// The longest release of a kernel.
const LONGEST: usize = 64;

/// Covers the file with what it says already. Nobody in the guest may mount.
pub(super) fn cover(root: &Path) -> Result<(), String> {
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    let own = fs::read_to_string(FILE).map_err(|e| format!("cannot read `{FILE}`: {e}"))?;
    fs::write(below(SHOWN), own).map_err(|e| format!("cannot write `{SHOWN}`: {e}"))?;
    bind(&below(SHOWN), &below(FILE))?;
    read_only(&below(FILE), MountFlags::NOSUID | MountFlags::NODEV)
}

/// At a start of the guest: from now on it runs what is installed.
pub(super) fn boot() {
    let Ok(text) = fs::read_to_string(INSTALLED) else {
        return;
    };
    let release = text.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.+_".contains(c);
    if !release.is_empty() && release.len() <= LONGEST && release.chars().all(plain) {
        // Written in place: the mount shows this very file.
        fs::write(SHOWN, format!("{release}\n")).unwrap_or_default();
    }
}
