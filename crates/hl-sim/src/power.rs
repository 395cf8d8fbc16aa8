//! Starting and stopping VMs.

use std::net::Ipv4Addr;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::drive::Net;
use super::guests::GuestSpec;
use super::machine::Sim;
use super::vm::{Run, Vm};
use super::world::World;

/// Makes the disks that a seed named, and starts what ran when the world was
/// saved. A guest that does not start is stopped from then on.
pub(super) fn boot(sim: &Arc<Sim>) {
    let unmade = sim.change(|world| std::mem::take(&mut world.unmade));
    let mut failures = Vec::new();
    for (volume, image) in unmade {
        let made = sim.guests.create_disk(&volume, image.as_deref());
        let made = made.and_then(|()| {
            let agent = image.is_some() && owner_has_agent(&sim.world(), &volume);
            if agent {
                sim.guests.install_agent(&volume)?;
            }
            Ok(())
        });
        if let Err(error) = made {
            failures.push((0, format!("{volume}: {error}")));
        }
    }
    let running: Vec<(u32, GuestSpec)> = sim
        .world()
        .vms
        .iter()
        .filter_map(|(vmid, vm)| {
            let run = vm.run.as_ref()?;
            Some((*vmid, guest_of(*vmid, vm, run)))
        })
        .collect();
    for (vmid, guest) in running {
        if let Err(error) = sim.guests.start(&guest) {
            failures.push((vmid, error));
        }
    }
    sim.change(|world| {
        for (vmid, error) in failures {
            if let Some(vm) = world.vms.get_mut(&vmid) {
                vm.run = None;
            }
            let (number, now) = (world.count(), world.now());
            let node = world.nodes.first().map_or("pve", |node| &node.name);
            let mut task = super::task::Task::new(
                node,
                number,
                now,
                "startall",
                &vmid.to_string(),
                super::acl::ROOT,
            );
            task.log.push(format!("TASK ERROR: {error}"));
            task.exit = Some(error);
            task.endtime = Some(now);
            world.tasks.push(task);
        }
    });
}

fn owner_has_agent(world: &World, volume: &str) -> bool {
    let owner = world.volume(volume).and_then(|volume| volume.vmid);
    let owner = owner.and_then(|vmid| world.vms.get(&vmid));
    owner.is_some_and(Vm::agent)
}

/// Starts a VM that is stopped: applies what waited for a restart, looks for its
/// bridges, and lets the guest come up. The caller holds the VM's lock.
pub(super) fn start(sim: &Arc<Sim>, vmid: u32, skip_lock: bool) -> Result<(), String> {
    let guest = sim.change(|world| {
        let address = lease(world, vmid);
        let (number, now) = (world.count(), world.now());
        let bridges: Vec<String> = world
            .nodes
            .iter()
            .flat_map(|node| &node.bridges)
            .map(|bridge| bridge.name.clone())
            .collect();
        let Some(vm) = world.vms.get_mut(&vmid) else {
            return Err(format!("no such VM ('{vmid}')"));
        };
        if vm.is_template() {
            return Err("you can't start a vm if it's a template".to_owned());
        }
        if let (Some(lock), false) = (&vm.lock, skip_lock) {
            return Err(format!("VM is locked ({lock})"));
        }
        if vm.run.is_some() {
            return Err(format!("VM {vmid} already running"));
        }
        vm.config = vm.effective();
        vm.pending.clear();
        let missing = vm
            .config
            .iter()
            .filter(|(key, _)| super::edit::is_card(key))
            .filter_map(|(_, text)| Net::parse(text).ok()?.bridge().map(str::to_owned))
            .find(|bridge| !bridges.contains(bridge));
        if let Some(bridge) = missing {
            return Err(format!("bridge '{bridge}' does not exist"));
        }
        let run = Run {
            pid: 3000 + u32::try_from(number % 60_000).unwrap_or(0),
            since: now,
            address,
            mac: vm.first_card().and_then(|card| card.mac),
            agent: vm.agent(),
        };
        Ok((guest_of(vmid, vm, &run), run))
    });
    let (guest, run) = guest?;
    sim.guests.start(&guest)?;
    sim.change(|world| {
        if let Some(vm) = world.vms.get_mut(&vmid) {
            vm.run = Some(run);
        }
    });
    Ok(())
}

/// Stops a VM; one that is stopped stays so. Changes that waited for a restart
/// take effect.
pub(super) fn stop(sim: &Arc<Sim>, vmid: u32, skip_lock: bool) -> Result<(), String> {
    {
        let world = sim.world();
        let Some(vm) = world.vms.get(&vmid) else {
            return Err(format!("no such VM ('{vmid}')"));
        };
        if let (Some(lock), false) = (&vm.lock, skip_lock) {
            return Err(format!("VM is locked ({lock})"));
        }
        if vm.run.is_none() {
            return Ok(());
        }
    }
    sim.guests.stop(vmid)?;
    sim.change(|world| {
        if let Some(vm) = world.vms.get_mut(&vmid) {
            vm.run = None;
            vm.config = vm.effective();
            vm.pending.clear();
        }
    });
    Ok(())
}

/// `ip` and `gw` of `ipconfig0`.
pub(super) fn ip_settings(vm: &Vm) -> (Option<String>, Option<String>) {
    let text = vm.config.get("ipconfig0").map_or("", String::as_str);
    let part = |name: &str| {
        text.split(',')
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
            .map(str::to_owned)
    };
    (part("ip"), part("gw"))
}

/// `sshkeys`, decoded, one a line.
pub(super) fn ssh_keys(vm: &Vm) -> Vec<String> {
    let keys = vm.config.get("sshkeys").map_or_else(String::new, |keys| {
        percent_decode_str(keys).decode_utf8_lossy().into_owned()
    });
    keys.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The address that a VM comes up with, as `address/prefix`: the static one, or
/// one of its bridge's network when it asks for DHCP.
fn lease(world: &World, vmid: u32) -> Option<String> {
    let vm = world.vms.get(&vmid)?;
    let mut planned = vm.clone();
    planned.config = vm.effective();
    let (ip, _) = ip_settings(&planned);
    let ip = ip?;
    if ip != "dhcp" {
        return Some(ip);
    }
    let card = planned.first_card()?;
    let bridge = world
        .nodes
        .iter()
        .flat_map(|node| &node.bridges)
        .find(|bridge| Some(bridge.name.as_str()) == card.bridge())?;
    let (own, prefix) = bridge.cidr.as_deref()?.split_once('/')?;
    let [a, b, c, _] = own.parse::<Ipv4Addr>().ok()?.octets();
    let taken: Vec<&str> = world
        .vms
        .values()
        .filter_map(|vm| vm.run.as_ref()?.address.as_deref())
        .chain(bridge.gateway.as_deref())
        .chain([own])
        .collect();
    (100..=250)
        .map(|last| Ipv4Addr::new(a, b, c, last).to_string())
        .find(|address| {
            !taken
                .iter()
                .any(|taken| taken.split('/').next() == Some(address.as_str()))
        })
        .map(|address| format!("{address}/{prefix}"))
}

/// What a VM is as a guest.
pub(super) fn guest_of(vmid: u32, vm: &Vm, run: &Run) -> GuestSpec {
    // A leased address is handed on as if it had been given.
    let (_, gateway) = ip_settings(vm);
    let ipconfig = run.address.as_ref().map(|address| match gateway {
        Some(gateway) => format!("ip={address},gw={gateway}"),
        None => format!("ip={address}"),
    });
    GuestSpec {
        vmid,
        name: match vm.name() {
            "" => format!("vm{vmid}"),
            name => name.to_owned(),
        },
        disk: vm.boot_drive().map(|drive| drive.file),
        user: vm.config.get("ciuser").cloned(),
        ssh_keys: ssh_keys(vm),
        ipconfig,
        mac: run.mac.clone(),
        agent: run.agent,
        config: vm.config.clone(),
    }
}
