//! The volume that the memory of a VM goes to.

use std::collections::BTreeMap;

use super::call::GuestId;
use super::error::ApiError;
use super::show;
use super::storage::NewDisk;
use super::vm::{Vm, disks};
use super::world::World;

/// Makes the volume for the memory of a running VM, and gives the keys that say
/// where it is. The memory itself is not kept: nothing could be put back into it.
pub(super) fn keep(
    world: &mut World,
    guest: &GuestId,
    name: &str,
    storage: Option<&str>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let vm = guest.find(world)?;
    let machine = show::machine(world, vm);
    let cpu = vm.config.get("cpu").map_or("x86-64-v2-AES", String::as_str);
    let cpu = format!("{},enforce", cpu.strip_prefix("cputype=").unwrap_or(cpu));
    let storage = storage.map_or_else(|| state_storage(world, vm), str::to_owned);
    let bytes = vm.config.listed().memory;
    let volid = world.allocate_state(
        &NewDisk {
            node: &guest.node,
            storage: &storage,
            vmid: guest.vmid,
            size: bytes.saturating_mul(2).saturating_add(500 << 20),
            used: bytes / 4,
            format: None,
            parent: None,
        },
        name,
    )?;
    Ok([
        ("vmstate", volid),
        ("runningmachine", machine),
        ("runningcpu", cpu),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into())
}

/// Where the memory goes: the storage that the config names, one of the VM's, shared
/// ones first, or `local`.
fn state_storage(world: &World, vm: &Vm) -> String {
    if let Some(named) = vm.config.get("vmstatestorage") {
        return named.clone();
    }
    let own = disks(vm.kind, &vm.config);
    let ids = own
        .iter()
        .filter_map(|(_, volid)| Some(volid.split_once(':')?.0));
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_by_key(|id| {
        !world
            .storages
            .get(*id)
            .is_some_and(|storage| storage.shared)
    });
    (*ids.first().unwrap_or(&"local")).to_owned()
}
