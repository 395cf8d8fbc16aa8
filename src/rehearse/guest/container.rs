//! What makes a guest a container: the system that a template puts on its disk, and
//! what the node sets up in it at each start. Nothing in it asks for settings: it has
//! no cloud-init, no guest agent and no user but root.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::boot::Boot;
use super::cloud_init;
use super::services::Services;
use super::skeleton::{self, write};
use hl_sim::ContainerSystem;

/// What a VM's image has and a container's template has not, below `/usr`.
const NOT_THERE: [&str; 2] = ["bin/cloud-init", "sbin/qemu-ga"];

/// Fills an empty disk, and lets root in.
pub(super) fn unpack(
    disk: &Path,
    system: &ContainerSystem,
    apt_repo: Option<&Path>,
) -> Result<(), String> {
    skeleton::build(disk, apt_repo)?;
    for name in NOT_THERE {
        hide(
            &disk.join("usr-upper").join(name),
            &Path::new("/usr").join(name),
        )?;
    }
    if system.ssh_keys.is_empty() {
        return Ok(());
    }
    let keys = disk.join("root/.ssh/authorized_keys");
    write(&keys, 0o600, &(system.ssh_keys.join("\n") + "\n"))?;
    fs::set_permissions(disk.join("root/.ssh"), Permissions::from_mode(0o700))
        .map_err(|e| format!("cannot write the keys of `root`: {e}"))
}

/// Takes a program away, this machine's too: as an overlay's whiteout.
fn hide(own: &Path, host: &Path) -> Result<(), String> {
    fs::remove_file(own).ok();
    if host.symlink_metadata().is_err() {
        return Ok(());
    }
    if let Some(dir) = own.parent() {
        crate::rehearse::mounts::make_dir(dir, 0o755)?;
    }
    mknodat(CWD, own, FileType::CharacterDevice, Mode::empty(), 0)
        .map_err(|e| format!("cannot hide `{}`: {e}", host.display()))
}

/// Sets up a container before anything in it runs.
pub(super) fn apply(boot: &Boot, services: &Services) -> Result<(), String> {
    // Programs look here for what they run in.
    cloud_init::write("/run/systemd/container", "lxc\n", 0o644)?;
    cloud_init::machine_id(boot)?;
    // The node takes both of these settings, or its own.
    let domain = boot.search_domain().filter(|_| boot.has_servers());
    cloud_init::hostname_files(boot, domain, true)?;
    cloud_init::resolver(boot)?;
    cloud_init::set_hostname(boot)?;
    cloud_init::listen_address(boot)?;
    cloud_init::host_keys(services)
}
