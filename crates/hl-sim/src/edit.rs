//! Changes to a VM's config: read from the parameters, checked, and applied to
//! a VM that may run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::acl::ROOT;
use super::call::{Call, guest_mut, guest_on, unlocked};
use super::card;
use super::cpu;
use super::ctvalues;
use super::disks::{self, Wish};
use super::drive::{Drive, Net};
use super::error::{ApiError, bail};
use super::keys;
use super::kind::Kind;
use super::machine::Sim;
use super::mount;
use super::names;
use super::params::Params;
use super::values;
use super::vm::{GuestKind, Vm, drives, free_unused, is_disk};
use super::vmkeys::Right;
use super::world::World;

/// What is to change.
#[derive(Debug, Clone, Default)]
pub(super) struct Edit {
    /// The guest whose keys they are.
    pub(super) kind: GuestKind,
    /// Plain keys with their new values.
    pub(super) set: BTreeMap<String, String>,
    /// Drives with what they ask for.
    pub(super) drives: Vec<(String, Drive)>,
    /// Keys to delete.
    pub(super) delete: Vec<String>,
    /// Keys whose pending change is dropped.
    pub(super) revert: Vec<String>,
    /// The digest that the caller saw.
    pub(super) digest: Option<String>,
    /// Whether deleted disks are removed instead of kept as unused.
    pub(super) force: bool,
    /// The storage for drives that name none.
    pub(super) default_storage: Option<String>,
}

impl Edit {
    /// Reads the parameters that are keys of a VM's config.
    pub(super) fn read(params: &Params) -> Result<Self, ApiError> {
        Self::of(GuestKind::Qemu, params)
    }

    /// Reads the parameters that are keys of a guest's config.
    pub(super) fn of(kind: GuestKind, params: &Params) -> Result<Self, ApiError> {
        let mut edit = Self {
            kind,
            delete: list(params, "delete"),
            revert: list(params, "revert"),
            digest: params.text("digest").map(str::to_owned),
            force: params.flag("force").unwrap_or(false),
            default_storage: params.text("storage").map(str::to_owned),
            ..Self::default()
        };
        let normal = match kind {
            GuestKind::Qemu => normal,
            GuestKind::Lxc => ctvalues::normal,
        };
        let mut errors = BTreeMap::new();
        for (key, value) in params
            .iter()
            .filter(|(key, _)| keys::find(kind, key).is_some())
        {
            // `cdrom` is the old name of the drive that it always meant.
            let key = if key == "cdrom" { "ide2" } else { key };
            let checked = if is_disk(kind, key) || is_import(key, value) {
                drive(kind, key, value).map(|drive| edit.drives.push((key.to_owned(), drive)))
            } else {
                normal(key, value).map(|value| {
                    edit.set.insert(key.to_owned(), value);
                })
            };
            if let Err(text) = checked {
                errors.insert(key.to_owned(), format!("invalid format - {text}"));
            }
        }
        let revert = edit.revert.iter().map(|key| ("revert", key));
        let delete = edit.delete.iter().map(|key| ("delete", key));
        for (name, key) in delete.chain(revert) {
            if keys::find(kind, key).is_none() {
                errors.insert(name.to_owned(), format!("unknown option '{key}'"));
            }
            if params.text(key).is_some() && edit.delete.contains(key) {
                errors.insert(
                    "delete".to_owned(),
                    format!("you can't use '-{key}' and -delete {key}' at the same time"),
                );
            }
        }
        if errors.is_empty() {
            Ok(edit)
        } else {
            Err(ApiError::params(errors))
        }
    }

    /// Refuses a caller who may not change these keys of a VM.
    pub(super) fn check_rights(
        &self,
        call: &Call<'_>,
        world: &World,
        vmid: u32,
        old: Option<&Vm>,
    ) -> Result<(), ApiError> {
        let path = format!("/vms/{vmid}");
        let keys: BTreeSet<&String> = self.set.keys().chain(&self.delete).collect();
        for key in keys {
            let held = old.and_then(|vm| Drive::parse(vm.config.get(key)?).ok());
            match keys::find(self.kind, key).map(|key| key.right) {
                None => {}
                Some(Right::Root) if call.who.id == ROOT => {}
                Some(Right::Root) => {
                    bail!("only root can set '{key}' config");
                }
                Some(Right::Cloudinit) => {
                    call.need_any(world, &path, &["VM.Config.Cloudinit", "VM.Config.Network"])?;
                }
                Some(right) => call.need(world, &path, name_of(right, held.as_ref()))?,
            }
        }
        for (key, drive) in &self.drives {
            let held = old.and_then(|vm| Drive::parse(vm.config.get(key)?).ok());
            let cd = drive.is_cdrom() && held.as_ref().is_none_or(Drive::is_cdrom);
            let right = if cd {
                "VM.Config.CDROM"
            } else {
                "VM.Config.Disk"
            };
            call.need(world, &path, right)?;
            self.check_storage(call, world, key, drive)?;
        }
        may_use_bridges(call, world, &self.set)
    }

    fn check_storage(
        &self,
        call: &Call<'_>,
        world: &World,
        key: &str,
        drive: &Drive,
    ) -> Result<(), ApiError> {
        let sees = |storage: &str| {
            let path = format!("/storage/{storage}");
            call.need_any(
                world,
                &path,
                &["Datastore.AllocateSpace", "Datastore.Audit"],
            )
        };
        let allocates =
            |storage: &str| call.need_storage(world, storage, "Datastore.AllocateSpace");
        let wish = disks::wish(key, drive, self.default_storage.as_deref());
        match wish.map_err(ApiError::die)? {
            Wish::Medium if drive.file.starts_with('/') => call.need_root(),
            Wish::Medium => Ok(()),
            Wish::Volume => match world.volume(&drive.file) {
                Some(volume) if volume.vmid.is_some() => Ok(()),
                _ => sees(drive.volume().map_or("", |(storage, _)| storage)),
            },
            Wish::CloudInit(storage) | Wish::Empty(storage, _) => allocates(&storage),
            Wish::Import(storage, source) => {
                allocates(&storage)?;
                match source.split_once(':') {
                    Some((from, _)) => sees(from),
                    None => call.need_root(),
                }
            }
        }
    }

    /// One line for a task's log; passwords are not in it.
    pub(super) fn describe(&self) -> String {
        let mut parts: Vec<String> = self
            .set
            .iter()
            .map(|(key, value)| match key.as_str() {
                "cipassword" => format!("-{key} <hidden>"),
                _ => format!("-{key} {value}"),
            })
            .collect();
        for (key, drive) in &self.drives {
            parts.push(format!("-{key} {}", drive.print()));
        }
        if !self.delete.is_empty() {
            parts.push(format!("-delete {}", self.delete.join(",")));
        }
        parts.join(" ")
    }
}

/// Applies an edit to a VM that exists. The caller holds the VM's lock.
pub(super) fn apply(
    sim: &Arc<Sim>,
    node: &str,
    vmid: u32,
    edit: &Edit,
    skip_lock: bool,
) -> Result<(), ApiError> {
    {
        let world = sim.world();
        let vm = guest_on(&world, edit.kind, node, vmid)?;
        if !skip_lock {
            unlocked(vm)?;
        }
        if edit
            .digest
            .as_ref()
            .is_some_and(|seen| *seen != vm.digest())
        {
            bail!("detected modified configuration - file changed by other user? Try again.");
        }
        one_cloudinit(vm, edit)?;
    }
    let freed = sim.change(|world| delete_keys(world, node, vmid, edit))?;
    disks::free(sim, &freed).map_err(ApiError::die)?;
    let made = disks::realize(
        sim,
        node,
        vmid,
        &edit.drives,
        edit.default_storage.as_deref(),
    )?;
    let freed = sim.change(|world| set_keys(world, node, vmid, edit, made))?;
    disks::free(sim, &freed).map_err(ApiError::die)
}

/// Refuses a caller who may not use the bridges of a config's cards.
pub(super) fn may_use_bridges(
    call: &Call<'_>,
    world: &World,
    config: &BTreeMap<String, String>,
) -> Result<(), ApiError> {
    for (_, text) in config.iter().filter(|(key, _)| is_card(key)) {
        let card = card::parse(call.kind, text).ok();
        if let Some(bridge) = card.as_ref().and_then(Net::bridge) {
            call.need(world, &world.bridge_path(bridge), "SDN.Use")?;
        }
    }
    Ok(())
}

/// Gives the new cards of a config their addresses.
pub(super) fn complete_cards(
    world: &mut World,
    kind: GuestKind,
    config: &mut BTreeMap<String, String>,
) {
    each_card(kind, config, |card| {
        card.mac.get_or_insert_with(|| world.new_mac());
    });
}

/// Gives all cards of a config new addresses.
pub(super) fn renew_cards(
    world: &mut World,
    kind: GuestKind,
    config: &mut BTreeMap<String, String>,
) {
    each_card(kind, config, |card| card.mac = Some(world.new_mac()));
}

fn each_card(
    kind: GuestKind,
    config: &mut BTreeMap<String, String>,
    mut change: impl FnMut(&mut Net),
) {
    for (_, value) in config.iter_mut().filter(|(key, _)| is_card(key)) {
        if let Ok(mut own) = card::parse(kind, value) {
            change(&mut own);
            *value = card::print(kind, &own);
        }
    }
}

/// Whether a key is a network card.
pub(super) fn is_card(key: &str) -> bool {
    super::bus::numbered(key).is_some_and(|(name, _)| name == "net")
}

/// A description as it is read back from the config: a node keeps no white
/// space at its end.
pub(super) fn description(text: &str) -> &str {
    text.trim_end()
}

/// Whether a value is so little that the config does not hold it.
pub(super) fn is_nothing(key: &str, value: &str) -> bool {
    key == "description" && value.is_empty()
}

/// A VM has one cloud-init drive.
fn one_cloudinit(vm: &Vm, edit: &Edit) -> Result<(), ApiError> {
    for (key, drive) in &edit.drives {
        if !drive.is_cloudinit() {
            continue;
        }
        let other = drives(&vm.config)
            .into_iter()
            .find(|(own, held)| own != key && held.is_cloudinit() && !edit.delete.contains(own));
        if let Some((own, _)) = other {
            bail!("{key} - cloud-init drive is already attached at '{own}'");
        }
    }
    Ok(())
}

/// Whether a key is for volumes that nothing uses.
fn is_unused(key: &str) -> bool {
    super::bus::numbered(key).is_some_and(|(name, _)| name == "unused")
}

/// Whether a volume that nothing uses is asked for: `qm disk import` makes one.
fn is_import(key: &str, value: &str) -> bool {
    is_unused(key) && value.contains("import-from=")
}

/// Deletes keys and returns the volumes that go with them.
fn delete_keys(
    world: &mut World,
    node: &str,
    vmid: u32,
    edit: &Edit,
) -> Result<Vec<String>, ApiError> {
    let vm = guest_mut(world, edit.kind, node, vmid)?;
    let mut freed = Vec::new();
    for key in &edit.revert {
        vm.pending.remove(key);
    }
    for key in &edit.delete {
        vm.pending.remove(key);
        if key == "lock" {
            vm.lock = None;
        }
        let Some(value) = vm.config.get(key).cloned() else {
            continue;
        };
        if waits(vm, key) {
            vm.pending.insert(key.clone(), None);
            continue;
        }
        vm.config.remove(key);
        if key.starts_with("unused") {
            freed.push(value);
        } else if is_disk(edit.kind, key)
            && let Ok(drive) = drive(edit.kind, key, &value)
        {
            freed.extend(detach(vm, vmid, &drive, edit.force));
        }
    }
    freed.retain(|volid| !vm.in_snapshot(volid));
    Ok(freed)
}

fn set_keys(
    world: &mut World,
    node: &str,
    vmid: u32,
    edit: &Edit,
    made: BTreeMap<String, Drive>,
) -> Result<Vec<String>, ApiError> {
    let mut values = edit.set.clone();
    complete_cards(world, edit.kind, &mut values);
    let vm = guest_mut(world, edit.kind, node, vmid)?;
    if let Some(lock) = values.remove("lock") {
        vm.lock = Some(lock);
    }
    let mut freed = Vec::new();
    for (key, made) in made {
        let old = vm.config.get(&key);
        let old = old.and_then(|text| drive(edit.kind, &key, text).ok());
        vm.config
            .retain(|key, value| !(key.starts_with("unused") && *value == made.file));
        // A running container has its old one until it starts again.
        let kept = edit.kind == GuestKind::Lxc && waits(vm, &key);
        if let Some(old) = old
            && old.file != made.file
            && !kept
        {
            freed.extend(detach(vm, vmid, &old, false));
        }
        let text = if is_unused(&key) {
            made.file
        } else {
            made.print()
        };
        values.insert(key, text);
    }
    for (key, value) in values {
        vm.pending.remove(&key);
        if vm.config.get(&key) == Some(&value) {
            continue;
        }
        if is_nothing(&key, &value) {
            vm.config.remove(&key);
        } else if waits(vm, &key) {
            vm.pending.insert(key, Some(value));
        } else {
            vm.config.insert(key, value);
        }
    }
    // A node removes what it replaced only when nothing in the config has it.
    freed.retain(|volid| !vm.names(volid));
    Ok(freed)
}

/// What becomes of the volume of a drive that leaves the config: cloud-init
/// goes, media stay where they are, disks are kept as unused.
fn detach(vm: &mut Vm, vmid: u32, drive: &Drive, force: bool) -> Option<String> {
    let (_, name) = drive.volume()?;
    if drive.is_cloudinit() {
        return Some(drive.file.clone());
    }
    let mine = name.contains(&format!("-{vmid}-"));
    if drive.is_cdrom() || !mine {
        return None;
    }
    if force {
        return Some(drive.file.clone());
    }
    let key = free_unused(&vm.config)?;
    vm.config.insert(key, drive.file.clone());
    None
}

/// Whether a change of a key waits for the next start. A running container takes new
/// mount points and devices at once.
fn waits(vm: &Vm, key: &str) -> bool {
    let live = keys::find(vm.kind, key).is_some_and(|key| key.live);
    let new = vm.kind == GuestKind::Lxc
        && !vm.config.contains_key(key)
        && (key.starts_with("mp") || key.starts_with("dev"));
    vm.run.is_some() && !live && !new
}

/// A disk of a guest, from the text of its key.
pub(super) fn drive(kind: GuestKind, key: &str, text: &str) -> Result<Drive, String> {
    match kind {
        GuestKind::Qemu => Drive::parse(text),
        GuestKind::Lxc => mount::parse(key, text),
    }
}

fn name_of(right: Right, held: Option<&Drive>) -> &'static str {
    match right {
        Right::Cpu => "VM.Config.CPU",
        Right::Memory => "VM.Config.Memory",
        Right::Network | Right::Cloudinit => "VM.Config.Network",
        Right::HwType => "VM.Config.HWType",
        Right::Options | Right::Root => "VM.Config.Options",
        Right::Drive if held.is_some_and(Drive::is_cdrom) => "VM.Config.CDROM",
        Right::Drive | Right::Disk => "VM.Config.Disk",
    }
}

fn list(params: &Params, name: &str) -> Vec<String> {
    params.parts(name).into_iter().map(str::to_owned).collect()
}

/// A value as the config holds it.
fn normal(key: &str, value: &str) -> Result<String, String> {
    if is_card(key) {
        return Ok(Net::parse(value)?.print());
    }
    if keys::find(GuestKind::Qemu, key).is_some_and(|key| matches!(key.kind, Kind::Bool)) {
        let yes = super::drive::boolean(value).unwrap_or(false);
        return Ok(if yes { "1" } else { "0" }.to_owned());
    }
    match key {
        "memory" => {
            let plain = value.strip_prefix("current=").unwrap_or(value);
            match plain.parse::<u64>() {
                Ok(16..=4_178_944) => Ok(plain.to_owned()),
                Ok(_) => Err("current: value must have a minimum value of 16".to_owned()),
                Err(_) => Err(format!(
                    "current: type check ('integer') failed - got '{value}'"
                )),
            }
        }
        "description" => Ok(description(value).to_owned()),
        "cpu" => cpu::check(value).map(|()| value.to_owned()),
        "tags" => values::tags(value),
        "sshkeys" => {
            let text = percent_decode_str(value).decode_utf8_lossy();
            values::ssh_keys(&text).map(|()| value.to_owned())
        }
        _ if key.starts_with("ipconfig") => check_ipconfig(value).map(|()| value.to_owned()),
        _ => Ok(value.to_owned()),
    }
}

fn check_ipconfig(value: &str) -> Result<(), String> {
    let parts = super::drive::properties(value, "ip", "ip")?;
    for (name, text) in &parts {
        let address = text.split('/').next().unwrap_or_default();
        let ok = match name.as_str() {
            "ip" => text == "dhcp" || names::is_cidr::<std::net::Ipv4Addr>(text, 32),
            "ip6" => {
                matches!(text.as_str(), "dhcp" | "auto")
                    || names::is_cidr::<std::net::Ipv6Addr>(text, 128)
            }
            "gw" => address.parse::<std::net::Ipv4Addr>().is_ok(),
            "gw6" => address.parse::<std::net::Ipv6Addr>().is_ok(),
            _ => return Err(format!("{name}: property is not defined in schema")),
        };
        if !ok {
            return Err(format!(
                "{name}: value does not look like a valid address: {text}"
            ));
        }
    }
    if parts.contains_key("gw") && parts.get("ip").is_none_or(|ip| ip == "dhcp") {
        return Err("gateway specified, but no static IP".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str) -> Result<Edit, ApiError> {
        let mut params = Params::default();
        params.add_form(form.as_bytes());
        Edit::read(&params)
    }

    #[test]
    fn values_are_made_normal() {
        let edit = read("tags=Hl%2Cweb+hl&onboot=true&memory=2048&delete=balloon%2C+vcpus%2C+vga")
            .unwrap();
        assert_eq!(edit.set["tags"], "hl;web");
        assert_eq!(edit.set["onboot"], "1");
        let text = read("description=my%0Adescription%0A+%0A").unwrap();
        assert_eq!(text.set["description"], "my\ndescription");
        assert_eq!(edit.delete, ["balloon", "vcpus", "vga"]);
        assert!(edit.describe().contains("-delete balloon,vcpus,vga"));
        assert!(
            !read("cipassword=secret")
                .unwrap()
                .describe()
                .contains("secret")
        );
    }

    #[test]
    fn what_cannot_be() {
        for (form, key) in [
            ("memory=much", "memory"),
            ("ipconfig0=ip%3D10.0.0.1", "ipconfig0"),
            ("ipconfig0=ip%3Ddhcp%2Cgw%3D10.0.0.1", "ipconfig0"),
            ("net0=modem", "net0"),
            ("scsi0=local-lvm%3A8%2Cwings%3D2", "scsi0"),
            ("sshkeys=nonsense", "sshkeys"),
            ("tags=a+b%21", "tags"),
            ("tags=-a", "tags"),
            ("cpu=no+such%2C", "cpu"),
            ("delete=wings", "delete"),
            ("delete=memory&memory=512", "delete"),
        ] {
            let error = read(form).unwrap_err();
            assert!(error.errors.contains_key(key), "{form}: {error:?}");
        }
        read("ipconfig0=gw%3D10.77.0.1%2Cip%3D10.77.0.10/24").unwrap();
        read("sshkeys=ecdsa-sha2-nistp521%2520AAAA%250A").unwrap();
    }
}
