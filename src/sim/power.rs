//! Starting and stopping VMs.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::guests::GuestSpec;
use super::machine::Sim;
use super::vm::{Run, Vm};

/// Makes the disks that a seed named, and starts what ran when the world was
/// saved. A guest that does not start is stopped from then on.
pub(super) fn boot(sim: &Arc<Sim>) {
    let unmade = sim.change(|world| std::mem::take(&mut world.unmade));
    let mut failures = Vec::new();
    for (volume, image) in unmade {
        if let Err(error) = sim.guests.create_disk(&volume, image.as_deref()) {
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

/// What a VM is as a guest.
pub(super) fn guest_of(vmid: u32, vm: &Vm, run: &Run) -> GuestSpec {
    let text = |key: &str| vm.config.get(key).cloned();
    let keys = vm.config.get("sshkeys").map_or_else(String::new, |keys| {
        percent_decode_str(keys).decode_utf8_lossy().into_owned()
    });
    GuestSpec {
        vmid,
        name: match vm.name() {
            "" => format!("vm{vmid}"),
            name => name.to_owned(),
        },
        disk: vm.boot_drive().map(|drive| drive.file),
        user: text("ciuser"),
        ssh_keys: keys
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect(),
        ipconfig: text("ipconfig0"),
        mac: run.mac.clone(),
        agent: run.agent,
        config: vm.config.clone(),
    }
}
