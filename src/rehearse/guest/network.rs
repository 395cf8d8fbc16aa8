//! A guest's `eth0`: one end of a veth pair whose other end is in the holder's
//! network namespace. There every address is local (`AnyIP`), so the holder's
//! kernel is gateway, Proxmox host and everyone else at once; a guest's address
//! is the one that leads out to its pair.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::boot::Address;

/// Runs `ip` from iproute2.
pub(in crate::rehearse) fn ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip")
        .args(args)
        .output()
        .map_err(|e| format!("cannot run `ip` from iproute2: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "`ip {}` failed: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

/// The name of the holder's end.
fn link(vmid: u32) -> String {
    format!("hlg{vmid}")
}

/// Whether this kernel has veth pairs, and this process may make them.
pub fn veth_works() -> bool {
    let made = ip(&[
        "link", "add", "hlprobe0", "type", "veth", "peer", "name", "hlprobe1",
    ]);
    made.is_ok() && ip(&["link", "delete", "hlprobe0"]).is_ok()
}

/// Gives the process `pid`, alone in its network namespace, an `eth0`.
pub(super) fn attach(
    vmid: u32,
    pid: u32,
    mac: Option<&str>,
    address: Option<&Address>,
) -> Result<(), String> {
    let name = link(vmid);
    let pid = pid.to_string();
    detach(vmid);
    let mut add = vec!["link", "add", &name, "type", "veth", "peer", "name", "eth0"];
    if let Some(mac) = mac {
        add.extend(["address", mac]);
    }
    add.extend(["netns", &pid]);
    ip(&add)?;
    ip(&["link", "set", &name, "up"])?;
    set("conf", &name, "proxy_arp", "1");
    set("neigh", &name, "proxy_delay", "0");
    set("conf", "all", "forwarding", "1");
    if let Some(address) = address {
        let peer = address.peer().to_string();
        // Both are local already where every address is; of a subnet that is
        // marked as unreachable, these two are not.
        ip(&[
            "route", "replace", "local", &peer, "dev", "lo", "table", "local",
        ])?;
        let guest = format!("{}/32", address.ip);
        ip(&[
            "route", "replace", &guest, "dev", &name, "table", "local", "src", &peer,
        ])?;
    }
    Ok(())
}

/// In a guest at its start: one whose own files make a bridge of its card sets the
/// addresses itself, when its `networking` unit starts. Two owners of one address would
/// both answer for it.
pub(super) fn hand_over() {
    let text = fs::read_to_string("/etc/network/interfaces").unwrap_or_default();
    let bridges = text.lines().any(|line| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("bridge-ports" | "bridge_ports"))
            && words.any(|port| port == "eth0")
    });
    if bridges && Path::new("/usr/sbin/ifup").exists() {
        ip(&["address", "flush", "dev", "eth0"]).unwrap_or_default();
    }
}

/// Guests that share the sealed network are not its owners, and have servers with
/// ports below 1024.
pub(super) fn open_low_ports() -> Result<(), String> {
    let path = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    fs::write(path, "0").map_err(|e| format!("cannot write `{path}`: {e}"))
}

/// Takes the pair away; the kernel does it too when the guest's namespace ends.
pub(super) fn detach(vmid: u32) {
    ip(&["link", "delete", &link(vmid)]).ok();
}

/// IPv4 settings of this namespace only; what the kernel does not have is not needed.
fn set(kind: &str, name: &str, key: &str, value: &str) {
    fs::write(format!("/proc/sys/net/ipv4/{kind}/{name}/{key}"), value).ok();
}
