//! The systems in the VMs of `hl sim`.

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use camino::Utf8Path;

use crate::cli::session::Session;
use crate::plan::sanitize;
use crate::rehearse::OnLoopback;
use crate::rehearse::guest::{GuestHost, GuestHostConfig, Network, overlay_works};
use crate::report::Paint;
use hl_sim::{GuestKind, GuestSpec, Guests, NoGuests};

/// Who runs the VMs.
pub(super) struct Systems {
    pub(super) guests: Arc<dyn Guests>,
    /// Where they are SSH guests; its nodes can be reached then, too.
    pub(super) on_loopback: Option<Arc<OnLoopback>>,
    /// What is said of them.
    pub(super) about: String,
}

/// Real SSH guests where this machine allows them.
pub(super) fn systems(session: &Session, dir: &Utf8Path) -> Systems {
    let none = |why: String| Systems {
        guests: Arc::new(NoGuests),
        on_loopback: None,
        about: format!("its VMs have no systems inside: {why}"),
    };
    if !rustix::process::geteuid().is_root() {
        return none("only root can make them".to_owned());
    }
    if let Err(why) = overlay_works(dir.as_std_path()) {
        return none(why);
    }
    let config = GuestHostConfig {
        disks_dir: dir.join("disks").into_std_path_buf(),
        run_dir: dir.join("run").into_std_path_buf(),
        apt_repo: session
            .caller
            .var("HL_GUEST_APT")
            .map(PathBuf::from)
            .filter(|repo| repo.join("Packages").is_file()),
        exe: match std::env::current_exe() {
            Ok(exe) => exe,
            Err(error) => return none(error.to_string()),
        },
        network: Network::Machine,
    };
    let (palette, quiet) = (session.palette(), session.globals.quiet);
    let started = move |guest: &GuestSpec, address: Ipv4Addr| {
        if !quiet {
            let user = guest.user.as_deref().unwrap_or("root");
            let verb = palette.verb(Paint::Good, "Started");
            let noun = match guest.kind {
                GuestKind::Qemu => "VM",
                GuestKind::Lxc => "CT",
            };
            let line = format!(
                "{verb} {noun} {} `{}`: ssh {user}@{address}",
                guest.vmid,
                sanitize(&guest.name)
            );
            // A closed stderr must not stop a guest.
            drop(writeln!(std::io::stderr(), "{line}"));
        }
    };
    match GuestHost::new(&config).and_then(|host| OnLoopback::new(host, started)) {
        Ok(guests) => {
            let about = format!(
                "its VMs are SSH guests on {}, in this machine's network and less cut off than in a rehearsal",
                guests.addresses()
            );
            let guests = Arc::new(guests);
            Systems {
                guests: Arc::clone(&guests) as Arc<dyn Guests>,
                on_loopback: Some(guests),
                about,
            }
        }
        Err(why) => none(why),
    }
}
