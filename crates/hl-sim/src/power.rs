//! Starting and stopping VMs.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::call::{GuestId, unlocked};
use super::card;
use super::error::ApiError;
use super::guests::{ContainerSystem, GuestMount, GuestSpec};
use super::machine::Sim;
use super::memory;
use super::snippets;
use super::vm::{GuestKind, Run, Vm};
use super::world::World;

/// Makes the disks that a seed named, and starts what ran when the world was
/// saved. A guest that does not start is stopped from then on.
pub(super) fn boot(sim: &Arc<Sim>) {
    let unmade = sim.change(|world| std::mem::take(&mut world.unmade));
    let mut failures = Vec::new();
    for (volume, image) in unmade {
        if let Err(error) = make_seeded(sim, &volume, image) {
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
    for (vmid, mut guest) in running {
        let paused = {
            let world = sim.world();
            let run = world.vms.get(&vmid).and_then(|vm| vm.run.as_ref());
            run.is_some_and(|run| run.paused)
        };
        let started = custom(sim, vmid, &guest).and_then(|custom| {
            guest.custom = custom;
            sim.guests.start(&guest)
        });
        let started = started.and_then(|()| {
            if paused {
                sim.guests.pause(vmid, true)
            } else {
                Ok(())
            }
        });
        if let Err(error) = started {
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

/// Makes a disk that a seed named, with a system where it is to have one.
fn make_seeded(sim: &Sim, volume: &str, image: Option<String>) -> Result<(), String> {
    let owner = {
        let world = sim.world();
        let vmid = world.volume(volume).and_then(|volume| volume.vmid);
        vmid.and_then(|vmid| world.vms.get(&vmid).cloned())
    };
    match (owner, image) {
        (Some(owner), Some(template)) if owner.kind == GuestKind::Lxc => {
            sim.guests.create_disk(volume, None)?;
            let system = ContainerSystem {
                template,
                ssh_keys: owner.root_keys,
            };
            sim.guests.unpack(volume, &system)
        }
        (owner, image) => {
            sim.guests.create_disk(volume, image.as_deref())?;
            if image.is_some() && owner.is_some_and(|owner| owner.agent()) {
                sim.guests.install_agent(volume)?;
            }
            Ok(())
        }
    }
}

/// Starts a VM that is stopped: applies what waited for a restart, looks for its
/// bridges, and lets the guest come up. The caller holds the VM's lock.
pub(super) fn start(sim: &Arc<Sim>, vmid: u32, skip_lock: bool) -> Result<(), String> {
    let guest = sim.change(|world| {
        let address = lease(world, vmid);
        let (number, now) = (world.count(), world.now());
        let missing = missing_bridge(world, vmid);
        let Some(vm) = world.vms.get_mut(&vmid) else {
            return Err(format!("no such VM ('{vmid}')"));
        };
        if vm.is_template() {
            let what = vm.kind.pick("vm", "CT");
            return Err(format!("you can't start a {what} if it's a template"));
        }
        let asleep = vm.lock.as_deref() == Some(SUSPENDED);
        if !skip_lock && !asleep {
            unlocked(vm)?;
        }
        if vm.run.is_some() {
            return Err(format!("{} {vmid} already running", vm.kind.noun()));
        }
        if !asleep {
            vm.settle();
        }
        if let Some(bridge) = missing {
            return Err(format!("bridge '{bridge}' does not exist"));
        }
        let run = Run {
            pid: 3000 + u32::try_from(number % 60_000).unwrap_or(0),
            since: now,
            address,
            mac: card::first(vm).and_then(|card| card.mac),
            agent: vm.agent(),
            paused: false,
            frozen: false,
        };
        Ok((guest_of(vmid, vm, &run), run))
    });
    let (mut guest, run) = guest?;
    guest.custom = custom(sim, vmid, &guest)?;
    sim.guests.start(&guest)?;
    sim.change(|world| {
        if let Some(vm) = world.vms.get_mut(&vmid) {
            vm.run = Some(run);
        }
        wake(world, vmid);
    });
    Ok(())
}

/// The snippets that the config of a guest names.
fn custom(
    sim: &Arc<Sim>,
    vmid: u32,
    guest: &GuestSpec,
) -> Result<BTreeMap<String, String>, String> {
    let node = sim.world().vms.get(&vmid).map(|vm| vm.node.clone());
    let given = guest.config.get("cicustom").map(String::as_str);
    snippets::named(sim, &node.unwrap_or_default(), given)
}

/// Takes from a VM what it had to sleep; whether there was something.
pub(super) fn wake(world: &mut World, vmid: u32) -> bool {
    let Some(vm) = world.vms.get_mut(&vmid) else {
        return false;
    };
    let asleep = matches!(vm.lock.as_deref(), Some("suspending" | SUSPENDED));
    if asleep {
        vm.lock = None;
        let [volid, ..] = STATE.map(|key| vm.config.remove(key));
        if let Some(volid) = volid {
            world.drop_volume(&volid);
        }
    }
    asleep
}

/// The first bridge of a guest's cards that its node does not have.
fn missing_bridge(world: &World, vmid: u32) -> Option<String> {
    let vm = world.vms.get(&vmid)?;
    let config = vm.effective();
    let cards = config.iter().filter(|(key, _)| super::edit::is_card(key));
    let mut bridges =
        cards.filter_map(|(_, text)| Some(card::parse(vm.kind, text).ok()?.bridge()?.to_owned()));
    bridges.find(|bridge| !world.has_bridge(&vm.node, bridge))
}

/// The lock of a VM that sleeps on a disk.
pub(super) const SUSPENDED: &str = "suspended";

/// What the config of a sleeping VM holds, the volume first.
const STATE: [&str; 3] = ["vmstate", "runningmachine", "runningcpu"];

/// Lets the processors of a VM stand still, or go on.
pub(super) fn pause(sim: &Arc<Sim>, vmid: u32, paused: bool, skip: bool) -> Result<(), String> {
    {
        let world = sim.world();
        let vm = running(&world, vmid)?;
        if !skip {
            unlocked(vm)?;
        }
    }
    sim.guests.pause(vmid, paused)?;
    sim.change(|world| {
        let run = world.vms.get_mut(&vmid).and_then(|vm| vm.run.as_mut());
        if let Some(run) = run {
            run.paused = paused;
        }
    });
    Ok(())
}

/// Puts a VM to sleep: its memory goes to a volume, and it stops.
pub(super) fn suspend(
    sim: &Arc<Sim>,
    guest: &GuestId,
    storage: Option<&str>,
    skip: bool,
) -> Result<(), String> {
    sim.change(|world| -> Result<(), ApiError> {
        let vm = running(world, guest.vmid).map_err(ApiError::die)?;
        if !skip {
            unlocked(vm)?;
        }
        let day = jiff::Timestamp::from_second(world.now()).unwrap_or_default();
        let name = format!("suspend-{}", day.strftime("%Y-%m-%d"));
        let keys = memory::keep(world, guest, &name, storage)?;
        let vm = guest.find_mut(world)?;
        vm.config.extend(keys);
        vm.lock = Some("suspending".to_owned());
        Ok(())
    })?;
    sim.guests.stop(guest.vmid)?;
    sim.change(|world| {
        if let Some(vm) = world.vms.get_mut(&guest.vmid) {
            vm.run = None;
            vm.lock = Some(SUSPENDED.to_owned());
        }
    });
    Ok(())
}

/// A guest that runs.
pub(super) fn running(world: &World, vmid: u32) -> Result<&Vm, String> {
    let Some(vm) = world.vms.get(&vmid) else {
        return Err(format!("no such VM ('{vmid}')"));
    };
    match vm.run {
        Some(_) => Ok(vm),
        None => Err(format!("{} {vmid} not running", vm.kind.noun())),
    }
}

/// Stops a VM; one that is stopped stays so. Changes that waited for a restart
/// take effect.
pub(super) fn stop(sim: &Arc<Sim>, vmid: u32, skip_lock: bool) -> Result<(), String> {
    {
        let world = sim.world();
        let Some(vm) = world.vms.get(&vmid) else {
            return Err(format!("no such VM ('{vmid}')"));
        };
        if !skip_lock {
            unlocked(vm)?;
        }
        if vm.run.is_none() {
            return Ok(());
        }
    }
    sim.guests.stop(vmid)?;
    sim.change(|world| {
        if let Some(vm) = world.vms.get_mut(&vmid) {
            vm.run = None;
            vm.settle();
        }
    });
    Ok(())
}

/// `ip` and `gw` of `ipconfig0`, or of the first card of a container.
pub(super) fn ip_settings(vm: &Vm) -> (Option<String>, Option<String>) {
    if vm.kind == GuestKind::Lxc {
        let mut options = card::first(vm).map(|card| card.options).unwrap_or_default();
        let ip = options.remove("ip").filter(|ip| ip != "manual");
        return (ip, options.remove("gw"));
    }
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

/// How many addresses a DHCP server gives, from the hundredth of its network on.
const POOL: u32 = 151;

/// The network of a bridge on which the node has no address: its DHCP server is another
/// machine there.
const ELSEWHERE: &str = "10.97.0.1/24";

/// The address that a VM comes up with, as `address/prefix`: the static one, or
/// one of its bridge's network when it asks for DHCP.
fn lease(world: &World, vmid: u32) -> Option<String> {
    let vm = world.vms.get(&vmid)?;
    let mut planned = vm.clone();
    planned.config = vm.effective().into();
    let (ip, _) = ip_settings(&planned);
    let ip = ip?;
    if ip != "dhcp" {
        return Some(ip);
    }
    let card = card::first(&planned)?;
    let bridge = world
        .nodes
        .iter()
        .flat_map(|node| &node.bridges)
        .find(|bridge| Some(bridge.name.as_str()) == card.bridge())?;
    let (own, prefix) = bridge
        .cidr
        .as_deref()
        .unwrap_or(ELSEWHERE)
        .split_once('/')?;
    let [a, b, c, _] = own.parse::<Ipv4Addr>().ok()?.octets();
    let taken: Vec<&str> = world
        .vms
        .values()
        .filter_map(|vm| vm.run.as_ref()?.address.as_deref())
        .chain(bridge.gateway.as_deref())
        .chain([own])
        .collect();
    // Each asks for one of its own: two that start at once get two.
    (0..POOL)
        .filter_map(|more| u8::try_from(100 + (vmid + more) % POOL).ok())
        .map(|last| Ipv4Addr::new(a, b, c, last).to_string())
        .find(|address| {
            !taken
                .iter()
                .any(|taken| taken.split('/').next() == Some(address.as_str()))
        })
        .map(|address| format!("{address}/{prefix}"))
}

/// The router of a leased `address/prefix`: the first address of its network.
fn router(leased: &str) -> Option<String> {
    let (address, prefix) = leased.split_once('/')?;
    let bits = 32_u32.checked_sub(prefix.parse().ok()?)?;
    let mask = u32::MAX.checked_shl(bits).unwrap_or(0);
    let address: Ipv4Addr = address.parse().ok()?;
    Some(Ipv4Addr::from((u32::from(address) & mask) | 1).to_string())
}

/// What a VM is as a guest.
pub(super) fn guest_of(vmid: u32, vm: &Vm, run: &Run) -> GuestSpec {
    // A leased address is handed on as if it had been given.
    let (ip, gateway) = ip_settings(vm);
    let leased = ip.is_some_and(|ip| ip == "dhcp");
    // Who leases an address tells a router with it.
    let address = run.address.as_deref().filter(|_| leased);
    let gateway = gateway.or_else(|| router(address?));
    let ipconfig = run.address.as_ref().map(|address| match gateway {
        Some(gateway) => format!("ip={address},gw={gateway}"),
        None => format!("ip={address}"),
    });
    GuestSpec {
        vmid,
        kind: vm.kind,
        name: match vm.name() {
            "" => format!("{}{vmid}", vm.kind.pick("vm", "CT")),
            name => name.to_owned(),
        },
        disk: vm.boot_drive().map(|drive| drive.file),
        user: vm.config.get("ciuser").cloned(),
        ssh_keys: ssh_keys(vm),
        ipconfig,
        mac: run.mac.clone(),
        agent: run.agent,
        mounts: mounts(vm),
        custom: BTreeMap::new(),
        config: (*vm.config).clone(),
    }
}

/// The volumes of a container besides its root.
fn mounts(vm: &Vm) -> Vec<GuestMount> {
    if vm.kind == GuestKind::Qemu {
        return Vec::new();
    }
    let volumes = vm.drives().into_iter();
    let volumes = volumes.filter(|(_, mount)| mount.volume().is_some());
    volumes
        .filter_map(|(_, mount)| {
            Some(GuestMount {
                path: mount.options.get("mp")?.clone(),
                read_only: mount.options.get("ro").is_some_and(|ro| ro == "1"),
                volume: mount.file,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_has_the_first_address_as_router() {
        assert_eq!(router("10.97.0.154/24").as_deref(), Some("10.97.0.1"));
        assert_eq!(router("192.168.1.100/16").as_deref(), Some("192.168.0.1"));
        assert_eq!(router("10.0.0.5"), None);
        assert_eq!(router("10.0.0.5/40"), None);
    }
}
