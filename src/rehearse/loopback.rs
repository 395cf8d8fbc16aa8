//! Guests of a simulator that is not sealed: each has its sshd on a loopback
//! address of its own, because its real address belongs to somebody's network.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use super::guest::GuestHost;
use hl_sim::{AgentRun, GuestSpec, Guests};

/// Where a guest's sshd listens.
const SSH: u16 = 22;

/// Called with a VM and its loopback address when it runs.
type Started = dyn Fn(&GuestSpec, Ipv4Addr) + Send + Sync;

/// Guests on 127.77.x.y.
pub struct OnLoopback {
    host: GuestHost,
    started: Box<Started>,
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
    pub fn new(
        host: GuestHost,
        started: impl Fn(&GuestSpec, Ipv4Addr) + Send + Sync + 'static,
    ) -> Self {
        Self {
            host,
            started: Box::new(started),
        }
    }

    /// Ends all that still run.
    pub fn stop_all(&self) {
        self.host.stop_all();
    }
}

/// Where the VM of that number answers: two VMs meet only when their numbers
/// are 65536 apart.
fn address(vmid: u32) -> Ipv4Addr {
    let [_, _, high, low] = vmid.to_be_bytes();
    Ipv4Addr::new(127, 77, high, low)
}

/// Fails where another simulator of this machine has a VM of the same number.
/// Its sshd would answer for the new guest, with the wrong keys, until it ends.
fn reserve(address: Ipv4Addr) -> Result<(), String> {
    match TcpListener::bind((address, SSH)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(format!(
            "{address}:{SSH} is taken: another simulator runs a VM of that number"
        )),
        // What else is wrong with the address, its sshd says better.
        _ => Ok(()),
    }
}

impl Guests for OnLoopback {
    fn create_disk(&self, volume: &str, image: Option<&str>) -> Result<(), String> {
        self.host.create_disk(volume, image)
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
        let address = address(guest.vmid);
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
    fn each_number_has_its_address() {
        assert_eq!(address(100), Ipv4Addr::new(127, 77, 0, 100));
        assert_eq!(address(5101), Ipv4Addr::new(127, 77, 19, 237));
    }
}
