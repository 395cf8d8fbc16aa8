//! Who may change what of a container.

use std::collections::BTreeSet;

use super::acl::ROOT;
use super::call::Call;
use super::ctvalues::guarded_features;
use super::disks::{self, Wish};
use super::drive::Drive;
use super::edit::{self, Edit};
use super::error::{ApiError, bail};
use super::keys;
use super::mount;
use super::storage::ROOTDIR;
use super::vm::Vm;
use super::vmkeys::Right;
use super::world::World;

/// What a right on a container is asked of: the container, or the pool that it comes to.
pub(super) struct Place<'a> {
    pub(super) vmid: u32,
    pub(super) pool: Option<&'a str>,
}

impl Place<'_> {
    /// Whether the caller has a privilege there.
    pub(super) fn has(&self, call: &Call<'_>, world: &World, privilege: &str) -> bool {
        let pool = self.pool.map(|pool| format!("/pool/{pool}"));
        let own = format!("/vms/{}", self.vmid);
        let mut paths = pool.into_iter().chain([own]);
        paths.any(|path| call.has(world, &path, privilege))
    }

    fn need(&self, call: &Call<'_>, world: &World, privilege: &str) -> Result<(), ApiError> {
        if self.has(call, world, privilege) {
            return Ok(());
        }
        call.need(world, &format!("/vms/{}", self.vmid), privilege)
    }
}

/// Refuses a caller who may not change these keys of a container; `old` is what it is.
pub(super) fn check(
    edit: &Edit,
    call: &Call<'_>,
    world: &World,
    place: &Place<'_>,
    old: Option<&Vm>,
) -> Result<(), ApiError> {
    if call.who.id == ROOT {
        return Ok(());
    }
    let keys: BTreeSet<&String> = edit.set.keys().chain(&edit.delete).collect();
    for key in keys {
        let right = keys::find(edit.kind, key).map(|key| key.right);
        match right {
            None => {}
            Some(Right::Root) if key == "hookscript" => {
                return only_root("changing the hookscript");
            }
            Some(Right::Root) => bail!("only root can set '{key}' config"),
            Some(_) if key.starts_with("dev") => {
                return only_root("configuring device passthrough");
            }
            Some(_) if key == "features" => features(edit, call, world, place, old)?,
            Some(Right::Cpu) => place.need(call, world, "VM.Config.CPU")?,
            Some(Right::Memory) => place.need(call, world, "VM.Config.Memory")?,
            Some(Right::Network) => place.need(call, world, "VM.Config.Network")?,
            Some(Right::Drive | Right::Disk) => place.need(call, world, "VM.Config.Disk")?,
            Some(Right::Options | Right::HwType | Right::Cloudinit) => {
                place.need(call, world, "VM.Config.Options")?;
            }
        }
    }
    for (key, drive) in &edit.drives {
        place.need(call, world, "VM.Config.Disk")?;
        match mount::kind(drive) {
            "volume" => volume(edit, call, world, place, key, drive)?,
            what => return only_root(&format!("mount point type {what}")),
        }
    }
    edit::may_use_bridges(call, world, &edit.set)
}

fn only_root(what: &str) -> Result<(), ApiError> {
    Err(ApiError::denied(&format!(
        "{what} is only allowed for root@pam"
    )))
}

/// An API token of root is not root.
fn features(
    edit: &Edit,
    call: &Call<'_>,
    world: &World,
    place: &Place<'_>,
    old: Option<&Vm>,
) -> Result<(), ApiError> {
    let of = |key: &str| {
        let given = edit.set.get(key);
        given.or_else(|| old.and_then(|vm| vm.config.get(key)))
    };
    // A new one of 9.0 is unprivileged unless somebody says otherwise.
    let default = old.is_none() && world.profile.major >= 9;
    if !of("unprivileged").map_or(default, |value| value == "1") {
        return only_root("changing feature flags for privileged container");
    }
    let text = |value: Option<&String>| value.map_or("", String::as_str).to_owned();
    let before = text(old.and_then(|vm| vm.config.get("features")));
    let after = text(edit.set.get("features"));
    if guarded_features(&before) != guarded_features(&after) {
        return only_root("changing feature flags (except nesting)");
    }
    place.need(call, world, "VM.Allocate")
}

fn volume(
    edit: &Edit,
    call: &Call<'_>,
    world: &World,
    place: &Place<'_>,
    key: &str,
    drive: &Drive,
) -> Result<(), ApiError> {
    let wish = disks::wish(key, drive, edit.default_storage.as_deref());
    if let Wish::Empty(storage, _) = wish.map_err(ApiError::die)? {
        return call.need_storage(world, &storage, "Datastore.AllocateSpace");
    }
    let volume = world.need_volume(&drive.file)?;
    let storage = volume.storage();
    match volume.vmid.filter(|_| volume.is_disk()) {
        Some(owner) if owner == place.vmid => Ok(()),
        Some(owner) if !call.has(world, &format!("/storage/{storage}"), "Datastore.Allocate") => {
            call.need(world, &format!("/vms/{owner}"), "VM.Config.Disk")
        }
        Some(_) => Ok(()),
        None => bail!("volume '{}' is no disk", drive.file),
    }
}

/// The storages that the new disks of a container go to; the error is one that cannot
/// have them.
pub(super) fn storages(
    edit: &Edit,
    call: &Call<'_>,
    world: &World,
    refusal: impl Fn(&str) -> ApiError,
) -> Result<(), ApiError> {
    for (key, drive) in &edit.drives {
        let wish = disks::wish(key, drive, edit.default_storage.as_deref());
        if let Wish::Empty(id, _) = wish.map_err(ApiError::die)? {
            let storage = world.storage_on(&id, call.node())?;
            if !storage.content.iter().any(|kind| kind == ROOTDIR) {
                return Err(refusal(&id));
            }
        }
    }
    Ok(())
}
