//! Calls about virtual machines. Those that give an [`Upid`] only start a
//! task: see [`Client::wait_task`].

use super::path::percent_encode;
use super::{Client, Error, GuestKind, Param, Upid, VmConfig, VmStatus};

fn vm(node: &str, vmid: u32, rest: &str) -> String {
    format!("nodes/{}/qemu/{vmid}{rest}", percent_encode(node))
}

impl Client {
    /// `GET .../config`
    pub fn vm_config(&self, node: &str, vmid: u32) -> Result<VmConfig, Error> {
        self.guest_config(GuestKind::Vm, node, vmid)
    }

    /// `PUT .../config`: sets keys at once; `("delete", "a,b")` removes keys.
    pub fn set_vm_config(&self, node: &str, vmid: u32, keys: &[Param<'_>]) -> Result<(), Error> {
        self.set_guest_config(GuestKind::Vm, node, vmid, keys)
    }

    /// `GET .../status/current`
    pub fn vm_status(&self, node: &str, vmid: u32) -> Result<VmStatus, Error> {
        self.guest_status(GuestKind::Vm, node, vmid)
    }

    /// `GET .../agent/network-get-interfaces`, asked of the guest itself.
    pub fn agent_interfaces<T: serde::de::DeserializeOwned>(
        &self,
        node: &str,
        vmid: u32,
    ) -> Result<T, Error> {
        self.get(&vm(node, vmid, "/agent/network-get-interfaces"), &[])
    }

    /// `POST /nodes/{node}/qemu`: a new VM with these keys.
    pub fn create_vm(&self, node: &str, vmid: u32, keys: &[Param<'_>]) -> Result<Upid, Error> {
        let vmid = vmid.to_string();
        let mut form = vec![("vmid", vmid.as_str())];
        form.extend_from_slice(keys);
        self.post(&format!("nodes/{}/qemu", percent_encode(node)), &form)
    }

    /// `POST .../status/start`
    pub fn start_vm(&self, node: &str, vmid: u32) -> Result<Upid, Error> {
        self.start_guest(GuestKind::Vm, node, vmid)
    }

    /// `POST .../status/stop`: pulls the plug.
    pub fn stop_vm(&self, node: &str, vmid: u32) -> Result<Upid, Error> {
        self.stop_guest(GuestKind::Vm, node, vmid)
    }

    /// `PUT .../resize`: grows a disk to `size` (`10G`), or by it (`+2G`).
    pub fn resize_disk(
        &self,
        node: &str,
        vmid: u32,
        disk: &str,
        size: &str,
    ) -> Result<Option<Upid>, Error> {
        self.put(
            &vm(node, vmid, "/resize"),
            &[("disk", disk), ("size", size)],
        )
    }

    /// `DELETE .../{vmid}` with its disks, also those it no longer refers to,
    /// and its place in jobs and HA. It must be stopped.
    pub fn delete_vm(&self, node: &str, vmid: u32) -> Result<Upid, Error> {
        self.delete_guest(GuestKind::Vm, node, vmid, true)
    }
}
