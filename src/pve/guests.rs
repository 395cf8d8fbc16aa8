//! Machines of both kinds: virtual machines and containers share their ids and most
//! of their calls. Those that give an [`Upid`] only start a task: see
//! [`Client::wait_task`].

use super::path::percent_encode;
use super::{Client, Error, GuestKind, Param, Upid, VmConfig, VmStatus};

fn guest(kind: GuestKind, node: &str, vmid: u32, rest: &str) -> String {
    format!(
        "nodes/{}/{}/{vmid}{rest}",
        percent_encode(node),
        kind.path()
    )
}

impl Client {
    /// `GET .../config`
    pub fn guest_config(&self, kind: GuestKind, node: &str, vmid: u32) -> Result<VmConfig, Error> {
        self.get(&guest(kind, node, vmid, "/config"), &[])
    }

    /// `PUT .../config`: sets keys at once; `("delete", "a,b")` removes keys.
    pub fn set_guest_config(
        &self,
        kind: GuestKind,
        node: &str,
        vmid: u32,
        keys: &[Param<'_>],
    ) -> Result<(), Error> {
        let _: serde_json::Value = self.put(&guest(kind, node, vmid, "/config"), keys)?;
        Ok(())
    }

    /// `GET .../status/current`
    pub fn guest_status(&self, kind: GuestKind, node: &str, vmid: u32) -> Result<VmStatus, Error> {
        self.get(&guest(kind, node, vmid, "/status/current"), &[])
    }

    /// `POST .../status/start`
    pub fn start_guest(&self, kind: GuestKind, node: &str, vmid: u32) -> Result<Upid, Error> {
        self.post(&guest(kind, node, vmid, "/status/start"), &[])
    }

    /// `POST .../status/stop`: pulls the plug.
    pub fn stop_guest(&self, kind: GuestKind, node: &str, vmid: u32) -> Result<Upid, Error> {
        self.post(&guest(kind, node, vmid, "/status/stop"), &[])
    }

    /// `DELETE .../{vmid}` with its disks and its place in jobs and HA; with `all` also
    /// the disks that it no longer refers to. It must be stopped.
    pub fn delete_guest(
        &self,
        kind: GuestKind,
        node: &str,
        vmid: u32,
        all: bool,
    ) -> Result<Upid, Error> {
        let all = if all { "1" } else { "0" };
        let query = [("purge", "1"), ("destroy-unreferenced-disks", all)];
        self.delete(&guest(kind, node, vmid, ""), &query)
    }

    /// `GET nodes/{node}/lxc/{vmid}/interfaces` of a container that runs.
    pub fn ct_interfaces<T: serde::de::DeserializeOwned>(
        &self,
        node: &str,
        vmid: u32,
    ) -> Result<T, Error> {
        self.get(&guest(GuestKind::Ct, node, vmid, "/interfaces"), &[])
    }

    /// `PUT nodes/{node}/qemu/{vmid}/cloudinit`: the drive with the settings of a
    /// virtual machine is written anew.
    pub fn renew_cloudinit(&self, node: &str, vmid: u32) -> Result<(), Error> {
        let path = guest(GuestKind::Vm, node, vmid, "/cloudinit");
        let _: serde_json::Value = self.put(&path, &[])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_path_program_and_name() {
        let at = |kind| guest(kind, "pve 1", 100, "/config");
        assert_eq!(at(GuestKind::Vm), "nodes/pve%201/qemu/100/config");
        assert_eq!(at(GuestKind::Ct), "nodes/pve%201/lxc/100/config");
        assert_eq!(GuestKind::of_type("lxc").program(), "pct");
        assert_eq!(GuestKind::of_type("qemu").to_string(), "VM");
        assert_eq!(serde_json::to_string(&GuestKind::Ct).unwrap(), r#""ct""#);
    }
}
