//! The machines of a guest's own world. The system of its node is the guest itself.

use std::sync::{Arc, Weak};

use super::line::Line;
use hl_sim::{AgentRun, ContainerSystem, GuestSpec, Guests};

/// Numbers below are nodes; Proxmox VE gives none of them to a machine.
const FIRST_VMID: u32 = 100;

/// Machines beside the guest that owns them, and that guest as their node.
pub(super) struct OwnGuests {
    machines: Arc<dyn Guests>,
    node: Weak<Line>,
}

impl OwnGuests {
    /// These machines; `node` leads to the PID 1 of their owner.
    pub(super) fn new(machines: Arc<dyn Guests>, node: Weak<Line>) -> Self {
        Self { machines, node }
    }

    fn node(&self) -> Result<Arc<Line>, String> {
        self.node
            .upgrade()
            .ok_or_else(|| "the node is off".to_owned())
    }
}

impl Guests for OwnGuests {
    fn create_disk(&self, volume: &str, image: Option<&str>) -> Result<(), String> {
        self.machines.create_disk(volume, image)
    }
    fn install_agent(&self, volume: &str) -> Result<(), String> {
        self.machines.install_agent(volume)
    }
    fn unpack(&self, volume: &str, system: &ContainerSystem) -> Result<(), String> {
        self.machines.unpack(volume, system)
    }
    fn clone_disk(&self, from: &str, to: &str) -> Result<(), String> {
        self.machines.clone_disk(from, to)
    }
    fn rename_disk(&self, from: &str, to: &str) -> Result<(), String> {
        self.machines.rename_disk(from, to)
    }
    fn remove_disk(&self, volume: &str) -> Result<(), String> {
        self.machines.remove_disk(volume)
    }
    fn start(&self, guest: &GuestSpec) -> Result<(), String> {
        self.machines.start(guest)
    }
    fn stop(&self, vmid: u32) -> Result<(), String> {
        // The node ends with its world.
        if vmid < FIRST_VMID {
            return Ok(());
        }
        self.machines.stop(vmid)
    }
    fn pause(&self, vmid: u32, paused: bool) -> Result<(), String> {
        self.machines.pause(vmid, paused)
    }
    fn agent_ready(&self, vmid: u32) -> bool {
        self.machines.agent_ready(vmid)
    }
    fn exec(&self, vmid: u32, argv: &[String], input: &[u8]) -> Result<i32, String> {
        if vmid < FIRST_VMID {
            return self.node()?.exec(argv, input);
        }
        self.machines.exec(vmid, argv, input)
    }
    fn exec_status(&self, vmid: u32, pid: i32) -> Result<Option<AgentRun>, String> {
        if vmid < FIRST_VMID {
            return self.node()?.exec_status(pid);
        }
        self.machines.exec_status(vmid, pid)
    }
    fn read_file(&self, vmid: u32, path: &str) -> Result<(Vec<u8>, bool), String> {
        if vmid < FIRST_VMID {
            return self.node()?.read_file(path);
        }
        self.machines.read_file(vmid, path)
    }
    fn write_file(&self, vmid: u32, path: &str, content: &[u8]) -> Result<(), String> {
        if vmid < FIRST_VMID {
            return self.node()?.write_file(path, content);
        }
        self.machines.write_file(vmid, path, content)
    }
    fn inner_interfaces(&self, vmid: u32) -> Vec<(String, String)> {
        self.machines.inner_interfaces(vmid)
    }
}
