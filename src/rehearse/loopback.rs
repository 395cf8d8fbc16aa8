//! Guests of a simulator that is not sealed: each has its sshd on a loopback
//! address of its own, because its real address belongs to somebody's network.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::sync::Arc;

use camino::Utf8Path;

use super::guest::{self, GuestHost};
use super::nodes::Nodes;
use crate::diag::Failure;
use hl_sim::{AgentRun, ContainerSystem, GuestSpec, Guests, Running};

/// Where a guest's sshd listens.
const SSH: u16 = 22;

/// Called with a VM and its loopback address when it runs.
type Started = dyn Fn(&GuestSpec, Ipv4Addr) + Send + Sync;

/// Guests on 127.N.x.y, where N is this simulator's alone.
pub struct OnLoopback {
    host: Arc<GuestHost>,
    started: Box<Started>,
    block: Block,
}

/// A block of loopback addresses that no other simulator of this machine uses, as
/// long as this lives.
#[derive(Debug)]
struct Block {
    second: u8,
    _claim: UnixListener,
}

/// The blocks that simulators use, the first one first.
const BLOCKS: RangeInclusive<u8> = 77..=126;

impl Block {
    /// Takes the first that is free. The claim is a socket without a file: it belongs
    /// to this network, as loopback addresses do, and is gone with its process.
    fn claim() -> Result<Self, String> {
        for second in BLOCKS {
            let name = format!("hl-sim/127.{second}");
            let claimed =
                SocketAddr::from_abstract_name(name).and_then(|a| UnixListener::bind_addr(&a));
            match claimed {
                Ok(claim) => {
                    return Ok(Self {
                        second,
                        _claim: claim,
                    });
                }
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                Err(error) => return Err(format!("no addresses for its VMs: {error}")),
            }
        }
        Err("no addresses for its VMs: too many simulators run".to_owned())
    }
}

impl std::fmt::Debug for OnLoopback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnLoopback")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl OnLoopback {
    /// Guests of `host`, which must share this machine's network
    /// ([`super::guest::Network::Machine`]). `started` is told of each.
    ///
    /// # Errors
    /// No block of addresses is free, in one line.
    pub fn new(
        host: GuestHost,
        started: impl Fn(&GuestSpec, Ipv4Addr) + Send + Sync + 'static,
    ) -> Result<Self, String> {
        Ok(Self {
            host: Arc::new(host),
            started: Box::new(started),
            block: Block::claim()?,
        })
    }

    /// Where its guests are, for people: `127.77.x.y`.
    pub fn addresses(&self) -> String {
        format!("127.{}.x.y", self.block.second)
    }

    /// Opens the SSH of a world's nodes on loopback, see [`Nodes::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open_nodes(
        &self,
        running: &Running,
        dir: &Utf8Path,
        identity: &Utf8Path,
    ) -> Result<Nodes, Failure> {
        Nodes::open(running, &self.host, dir, identity, |place| {
            let (outer, inner) = of_node(self.block.second, place);
            (vec![outer], inner)
        })
    }

    /// Ends all that still run.
    pub fn stop_all(&self) {
        self.host.stop_all();
    }
}

/// Ends guests whose simulator was killed; `run_dir` is where it ran them.
///
/// # Errors
/// One cannot be ended, in one line.
pub fn end_left_guests(run_dir: &Path) -> Result<(), String> {
    guest::clean_up(run_dir)
}

/// Where the VM of that number answers: two VMs of a block meet only when their
/// numbers are 65536 apart.
fn address(second: u8, vmid: u32) -> Ipv4Addr {
    let [_, _, high, low] = vmid.to_be_bytes();
    Ipv4Addr::new(127, second, high, low)
}

/// Where a node answers, by its place, and where its sshd is: no VM has such a number.
fn of_node(second: u8, place: usize) -> (Ipv4Addr, Ipv4Addr) {
    let place = u8::try_from(place).unwrap_or(u8::MAX).min(48);
    let at = |last| Ipv4Addr::new(127, second, 0, last);
    (at(1 + place), at(51 + place))
}

/// Fails where something else has the address: another VM of this simulator, or a
/// server of this machine. Its sshd would answer for the new guest, with the wrong
/// keys.
fn reserve(address: Ipv4Addr) -> Result<(), String> {
    match TcpListener::bind((address, SSH)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(format!(
            "{address}:{SSH} is taken: something else listens there"
        )),
        // What else is wrong with the address, its sshd says better.
        _ => Ok(()),
    }
}

impl Guests for OnLoopback {
    fn create_disk(&self, volume: &str, image: Option<&str>) -> Result<(), String> {
        self.host.create_disk(volume, image)
    }
    fn install_agent(&self, volume: &str) -> Result<(), String> {
        self.host.install_agent(volume)
    }
    fn unpack(&self, volume: &str, system: &ContainerSystem) -> Result<(), String> {
        self.host.unpack(volume, system)
    }
    fn clone_disk(&self, from: &str, to: &str) -> Result<(), String> {
        self.host.clone_disk(from, to)
    }
    fn rename_disk(&self, from: &str, to: &str) -> Result<(), String> {
        self.host.rename_disk(from, to)
    }
    fn remove_disk(&self, volume: &str) -> Result<(), String> {
        self.host.remove_disk(volume)
    }
    fn start(&self, guest: &GuestSpec) -> Result<(), String> {
        let address = address(self.block.second, guest.vmid);
        reserve(address)?;
        let here = GuestSpec {
            ipconfig: Some(format!("ip={address}/8")),
            ..guest.clone()
        };
        self.host.start(&here)?;
        (self.started)(guest, address);
        Ok(())
    }
    fn stop(&self, vmid: u32) -> Result<(), String> {
        self.host.stop(vmid)
    }
    fn agent_ready(&self, vmid: u32) -> bool {
        self.host.agent_ready(vmid)
    }
    fn pause(&self, vmid: u32, paused: bool) -> Result<(), String> {
        self.host.pause(vmid, paused)
    }
    fn exec(&self, vmid: u32, argv: &[String], input: &[u8]) -> Result<i32, String> {
        self.host.exec(vmid, argv, input)
    }
    fn exec_status(&self, vmid: u32, pid: i32) -> Result<Option<AgentRun>, String> {
        self.host.exec_status(vmid, pid)
    }
    fn read_file(&self, vmid: u32, path: &str) -> Result<(Vec<u8>, bool), String> {
        self.host.read_file(vmid, path)
    }
    fn write_file(&self, vmid: u32, path: &str, content: &[u8]) -> Result<(), String> {
        self.host.write_file(vmid, path, content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_simulators_share_no_block() {
        let (one, two) = (Block::claim().unwrap(), Block::claim().unwrap());
        assert_ne!(one.second, two.second);
        let second = one.second;
        drop(one);
        // Others may claim meanwhile; the one that was let go is free at some time.
        let again: Vec<Block> = (0..3).map_while(|_| Block::claim().ok()).collect();
        assert!(again.iter().all(|block| block.second != two.second));
        assert!(BLOCKS.contains(&second));
    }

    #[test]
    fn each_number_has_its_address() {
        assert_eq!(address(77, 100), Ipv4Addr::new(127, 77, 0, 100));
        assert_eq!(address(78, 5101), Ipv4Addr::new(127, 78, 19, 237));
        let (outer, inner) = of_node(77, 1);
        assert_eq!(outer, Ipv4Addr::new(127, 77, 0, 2));
        assert_eq!(inner, Ipv4Addr::new(127, 77, 0, 52));
        assert!(of_node(77, 1000).1 < address(77, 100));
    }
}
