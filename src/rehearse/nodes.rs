//! The SSH of simulated nodes: who may log in, where each is, and its host key.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use camino::Utf8Path;

use super::door::{Door, GATEWAY, SSH};
use super::guest::GuestHost;
use super::keys::make_key;
use crate::diag::{Exit, Failure};
use crate::lab;
use hl_sim::Running;

/// Nodes that can be reached by SSH. Their systems start when somebody comes.
pub struct Nodes {
    doors: Vec<Arc<Door>>,
    reached: Vec<NodeAddress>,
}

/// Where a node is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAddress {
    /// The node.
    pub node: String,
    /// Its address; the port is 22.
    pub address: SocketAddr,
    /// Its public host key: type and key.
    pub host_key: String,
}

impl std::fmt::Debug for Nodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nodes")
            .field("reached", &self.reached)
            .finish_non_exhaustive()
    }
}

impl Nodes {
    /// Opens port 22 of all nodes of a world, for whom the world lets in and for the
    /// owner of `identity`, a private key that is made where it is missing. `dir` is for
    /// host keys. `place` says of a node, by its place, the addresses it has and that of
    /// its sshd behind them.
    ///
    /// # Errors
    /// There is no `ssh-keygen` (69); a key cannot be made or a port not taken (73).
    pub fn open(
        running: &Running,
        host: &Arc<GuestHost>,
        dir: &Utf8Path,
        identity: &Utf8Path,
        place: impl Fn(usize) -> (Vec<Ipv4Addr>, Ipv4Addr),
    ) -> Result<Self, Failure> {
        make_key(identity, "simulated nodes")?;
        let world = running.world();
        let mut login = world.login.clone();
        login.keys.push(public(identity)?);
        let mut nodes = Self {
            doors: Vec::new(),
            reached: Vec::new(),
        };
        for (number, node) in world.nodes.iter().enumerate() {
            let Some(line) = running.command_line(&node.name) else {
                continue;
            };
            // Not named by the node: a name may hold what a path must not.
            let host_key = dir.join(format!("host-key-{}", number + 1));
            make_key(&host_key, "a simulated node")?;
            let (addresses, inner) = place(number);
            let known = public(&host_key)?;
            let path = host_key.into_std_path_buf();
            let door = Arc::new(Door::new(host, line, login.clone(), path, inner));
            for address in addresses {
                let address = SocketAddr::from((address, SSH));
                nodes.listen(&door, &node.name, address, &known)?;
            }
            nodes.doors.push(door);
        }
        Ok(nodes)
    }

    fn listen(
        &mut self,
        door: &Arc<Door>,
        node: &str,
        address: SocketAddr,
        host_key: &str,
    ) -> Result<(), Failure> {
        let cannot = |error: std::io::Error| {
            let text = format!("cannot take {address} for the SSH of node `{node}`: {error}");
            Failure::message(Exit::CannotWrite, text)
        };
        let listener = match TcpListener::bind(address) {
            // Two nodes, or two names of one, may be at one address: the first is there.
            Err(error) if error.kind() == ErrorKind::AddrInUse && self.has(address) => {
                return Ok(());
            }
            other => other.map_err(cannot)?,
        };
        door.open(listener).map_err(cannot)?;
        self.reached.push(NodeAddress {
            node: node.to_owned(),
            address,
            host_key: host_key.to_owned(),
        });
        Ok(())
    }

    fn has(&self, address: SocketAddr) -> bool {
        self.reached.iter().any(|node| node.address == address)
    }

    /// Where each is.
    pub fn reached(&self) -> &[NodeAddress] {
        &self.reached
    }

    /// Lines for `known_hosts`.
    pub fn known_hosts(&self) -> String {
        let line = |node: &NodeAddress| format!("{} {}\n", node.address.ip(), node.host_key);
        self.reached.iter().map(line).collect()
    }

    /// No system of a node is started any more. Those that run, [`GuestHost::stop_all`]
    /// ends.
    pub fn close(&self) {
        for door in &self.doors {
            door.close();
        }
    }
}

/// The public half of a key: type and key, without a comment.
fn public(key: &Utf8Path) -> Result<String, Failure> {
    let path = key.as_str().to_owned() + ".pub";
    let text = fs::read_to_string(Path::new(&path)).map_err(|error| {
        Failure::message(Exit::CannotWrite, format!("cannot read `{path}`: {error}"))
    })?;
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    Ok(words.join(" "))
}

/// The address of a node's sshd in a network where each guest has its own.
pub(super) fn inner(place: usize) -> Ipv4Addr {
    let last = u8::try_from(place + 1).unwrap_or(u8::MAX).min(253);
    let [a, b, c, _] = GATEWAY.octets();
    Ipv4Addr::new(a, b, c, last)
}

/// Makes known to a lab the nodes' host keys; `lab` is that of the rehearsal.
pub(super) fn learn(nodes: &Nodes, file: &Utf8Path) -> Result<(), Failure> {
    let known = fs::read_to_string(file).unwrap_or_default();
    let own = nodes.known_hosts();
    // A fresh world has other keys.
    let hosts: Vec<String> = nodes
        .reached
        .iter()
        .map(|node| format!("{} ", node.address.ip()))
        .collect();
    let others = known
        .lines()
        .filter(|line| !hosts.iter().any(|host| line.starts_with(host.as_str())));
    let text: String = others.flat_map(|line| [line, "\n"]).collect();
    let text = text + &own;
    if text == known {
        return Ok(());
    }
    lab::write(file, text, 0o600)
}
