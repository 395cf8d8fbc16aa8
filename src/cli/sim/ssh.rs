//! The command lines of a world's nodes.

use camino::Utf8Path;

use super::access::SshAccess;
use super::guests::Systems;
use crate::cli::session::Session;
use crate::diag::Failure;
use crate::lab;
use crate::plan::sanitize;
use crate::rehearse::Nodes;
use crate::report::Paint;
use hl_sim::Running;

/// Opens them, where VMs have systems too; `dir` is the world's. Who may log in is said.
pub(super) fn open(
    session: &Session,
    running: &Running,
    systems: &Systems,
    dir: &Utf8Path,
) -> Result<Option<(SshAccess, Nodes)>, Failure> {
    let Some(guests) = &systems.on_loopback else {
        return Ok(None);
    };
    let dir = dir.join("ssh");
    let identity = dir.join("id_ed25519");
    let nodes = match guests.open_nodes(running, &dir, &identity) {
        Ok(nodes) => nodes,
        // All else works without.
        Err(failure) => {
            let text = format!("its nodes have no SSH: {failure}");
            session.tell(Paint::Warn, "Warning", text);
            return Ok(None);
        }
    };
    lab::write(&dir.join("known_hosts"), nodes.known_hosts(), 0o644)?;
    let user = running.world().login.user;
    for node in nodes.reached() {
        let name = sanitize(&node.node);
        let line = format!("`{name}`: ssh -i {identity} {user}@{}", node.address.ip());
        session.tell(Paint::Good, "Node", line);
    }
    let address = nodes.reached().first();
    let access = address.map(|node| SshAccess {
        user,
        identity,
        address: node.address.ip().to_string(),
    });
    Ok(access.map(|access| (access, nodes)))
}
