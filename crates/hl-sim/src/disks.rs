//! From what a drive asks for to the volume that it gets.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::drive::Drive;
use super::error::ApiError;
use super::machine::Sim;
use super::storage::{IMAGE_DISK, NewDisk};
use super::world::World;

/// Size of a cloud-init drive.
const CLOUDINIT: u64 = 4 << 20;

/// What a drive asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// `none`, `cdrom`, a device of the node: taken as it is.
    Medium,
    /// A volume that exists.
    Volume,
    /// A new cloud-init drive on a storage.
    CloudInit(String),
    /// A new disk of so many bytes on a storage.
    Empty(String, u64),
    /// A new disk on a storage, filled from an image or another disk.
    Import(String, String),
}

/// The volume that holds a VM's EFI variables: what the firmware ships is copied
/// whole, however large a disk was asked for.
fn efi_size(drive: &Drive) -> u64 {
    match drive.options.get("efitype").map(String::as_str) {
        Some("4m") => 528 << 10,
        _ => 128 << 10,
    }
}

/// The volume that holds a TPM's state.
const TPM: u64 = 4 << 20;

/// Whether the size of a drive is not its owner's choice.
fn is_fixed(key: &str) -> bool {
    key.starts_with("efidisk") || key.starts_with("tpmstate")
}

/// Reads the wish of a drive. `default` is the storage for those that name none.
pub(super) fn wish(key: &str, drive: &Drive, default: Option<&str>) -> Result<Wish, String> {
    let (storage, name) = match drive.file.split_once(':') {
        Some((storage, name)) => (Some(storage), name),
        None => (default, drive.file.as_str()),
    };
    if matches!(drive.file.as_str(), "none" | "cdrom") || drive.file.starts_with('/') {
        return Ok(Wish::Medium);
    }
    let Some(storage) = storage else {
        return Err(format!("unable to parse volume ID '{}'", drive.file));
    };
    if name == "cloudinit" {
        return Ok(Wish::CloudInit(storage.to_owned()));
    }
    let gib = if name.starts_with(|c: char| c.is_ascii_digit()) {
        super::size::parse(&format!("{name}G"))
    } else {
        None
    };
    match (gib, drive.options.get("import-from")) {
        (Some(_), Some(source)) => Ok(Wish::Import(storage.to_owned(), source.clone())),
        (Some(_), None) if key.starts_with("efidisk") => {
            Ok(Wish::Empty(storage.to_owned(), efi_size(drive)))
        }
        (Some(_), None) if key.starts_with("tpmstate") => Ok(Wish::Empty(storage.to_owned(), TPM)),
        (Some(0), None) => Err("cannot allocate a disk of size 0".to_owned()),
        (Some(bytes), None) => Ok(Wish::Empty(storage.to_owned(), bytes)),
        (None, Some(_)) => Err("import-from: cannot be used with an existing volume".to_owned()),
        (None, None) => Ok(Wish::Volume),
    }
}

/// What has to be done for a volume that was noted down.
enum Make {
    Nothing,
    Create(Option<String>),
    Copy(String),
}

/// Makes what the drives of a VM ask for, and returns them with their volumes
/// and sizes. Fails as a whole: nothing is left of a part.
pub(super) fn realize(
    sim: &Arc<Sim>,
    node: &str,
    vmid: u32,
    wanted: &[(String, Drive)],
    default: Option<&str>,
) -> Result<BTreeMap<String, Drive>, ApiError> {
    let noted = sim.change(|world| {
        let mut noted = Vec::new();
        for (key, drive) in wanted {
            match note(world, node, vmid, key, drive, default) {
                Ok((drive, make)) => noted.push((key.clone(), drive, make)),
                Err(error) => {
                    forget(world, &noted);
                    return Err(error);
                }
            }
        }
        Ok(noted)
    })?;
    for (_, drive, make) in &noted {
        let made = match make {
            Make::Nothing => Ok(()),
            Make::Create(image) => sim.guests.create_disk(&drive.file, image.as_deref()),
            Make::Copy(from) => sim.guests.clone_disk(from, &drive.file),
        };
        if let Err(text) = made {
            for (_, drive, make) in &noted {
                if !matches!(make, Make::Nothing) {
                    sim.guests.remove_disk(&drive.file).ok();
                }
            }
            sim.change(|world| forget(world, &noted));
            return Err(ApiError::die(text));
        }
    }
    Ok(noted
        .into_iter()
        .map(|(key, drive, _)| (key, drive))
        .collect())
}

/// Drops the volumes that were noted down for drives that ask for new ones.
fn forget(world: &mut World, noted: &[(String, Drive, Make)]) {
    for (_, drive, make) in noted {
        if !matches!(make, Make::Nothing) || drive.is_cloudinit() {
            world.drop_volume(&drive.file);
        }
    }
}

fn note(
    world: &mut World,
    node: &str,
    vmid: u32,
    key: &str,
    drive: &Drive,
    default: Option<&str>,
) -> Result<(Drive, Make), ApiError> {
    let mut drive = drive.clone();
    let blank = NewDisk {
        node,
        storage: "",
        vmid,
        size: 0,
        used: 0,
        format: None,
        parent: None,
    };
    let format = drive.options.remove("format");
    let make = match wish(key, &drive, default).map_err(ApiError::die)? {
        Wish::Medium => Make::Nothing,
        Wish::Volume => {
            let bytes = world.need_volume(&drive.file)?.size;
            drive.set_size(bytes);
            Make::Nothing
        }
        Wish::CloudInit(storage) => {
            drive.file = world.allocate_cloudinit(&NewDisk {
                storage: &storage,
                size: CLOUDINIT,
                used: CLOUDINIT,
                format: format.as_deref(),
                ..blank
            })?;
            drive.options.insert("media".to_owned(), "cdrom".to_owned());
            drive.set_size(CLOUDINIT);
            // The guests' runner reads the settings, not a drive.
            Make::Nothing
        }
        Wish::Empty(storage, bytes) => {
            let bytes = if is_fixed(key) {
                world.rounded(&storage, bytes)
            } else {
                bytes
            };
            drive.file = world.allocate(&NewDisk {
                storage: &storage,
                size: bytes,
                format: format.as_deref(),
                ..blank
            })?;
            drive.set_size(bytes);
            Make::Create(None)
        }
        Wish::Import(storage, source) => {
            drive.options.remove("import-from");
            let image = world.need_volume(&source)?;
            let copied = image.is_disk();
            let (bytes, used) = match (copied, image.disk) {
                (true, _) => (image.size, image.used),
                (_, 0) => (IMAGE_DISK, image.size),
                (_, disk) => (disk, image.size),
            };
            drive.file = world.allocate(&NewDisk {
                storage: &storage,
                size: bytes,
                used,
                format: format.as_deref(),
                ..blank
            })?;
            drive.set_size(bytes);
            if copied {
                Make::Copy(source)
            } else {
                Make::Create(Some(source))
            }
        }
    };
    Ok((drive, make))
}

/// A new volume with what another one holds, or a copy of it. The settings of a
/// cloud-init drive are in the config: nothing is copied for it.
pub(super) fn copy(
    sim: &Sim,
    from: &str,
    to: &NewDisk<'_>,
    cloud_init: bool,
) -> Result<String, ApiError> {
    let volid = sim.change(|world| {
        if cloud_init {
            world.allocate_cloudinit(to)
        } else {
            world.allocate(to)
        }
    })?;
    if !cloud_init && let Err(text) = sim.guests.clone_disk(from, &volid) {
        sim.change(|world| world.drop_volume(&volid));
        return Err(ApiError::die(text));
    }
    Ok(volid)
}

/// Moves what a volume holds to a new one. A guest that runs from it goes on, and writes
/// to the new one; a volume that is kept has a copy then, and another one only its
/// record, which the caller drops with the config that named it.
pub(super) fn relocate(
    sim: &Sim,
    from: &str,
    to: &NewDisk<'_>,
    cloud_init: bool,
    keep: bool,
) -> Result<String, ApiError> {
    if cloud_init {
        return copy(sim, from, to, true);
    }
    let volid = sim.change(|world| world.allocate(to))?;
    let mut moved = sim.guests.rename_disk(from, &volid);
    if keep && moved.is_ok() {
        moved = sim.guests.clone_disk(&volid, from);
        if moved.is_err() {
            sim.guests.rename_disk(&volid, from).ok();
        }
    }
    if let Err(text) = moved {
        sim.change(|world| world.drop_volume(&volid));
        return Err(ApiError::die(text));
    }
    Ok(volid)
}

/// Frees volumes: first what holds them, then the record.
pub(super) fn free(sim: &Arc<Sim>, volids: &[String]) -> Result<(), String> {
    for volid in volids {
        sim.guests.remove_disk(volid)?;
        sim.change(|world| world.drop_volume(volid));
    }
    Ok(())
}

/// The linked clone that keeps a base from being removed, if its storage knows.
pub(super) fn child_of<'w>(world: &'w World, volid: &str) -> Option<&'w str> {
    world
        .volumes
        .iter()
        .filter(|volume| volume.parent.as_deref() == Some(volid))
        .find(|volume| {
            world
                .storages
                .get(volume.storage())
                .is_some_and(super::volume::Storage::names_parent)
        })
        .map(|volume| volume.volid.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish_of(text: &str) -> Result<Wish, String> {
        wish("scsi0", &Drive::parse(text).unwrap(), Some("fallback"))
    }

    #[test]
    fn the_size_of_a_firmwares_disk_is_its_own() {
        for (key, text, bytes) in [
            ("efidisk0", "lvm:1,efitype=4m", 528 << 10),
            ("efidisk0", "lvm:0", 128 << 10),
            ("tpmstate0", "lvm:1", TPM),
        ] {
            let wish = wish(key, &Drive::parse(text).unwrap(), None);
            assert_eq!(
                wish.unwrap(),
                Wish::Empty("lvm".to_owned(), bytes),
                "{text}"
            );
        }
    }

    #[test]
    fn wishes() {
        assert_eq!(wish_of("none,media=cdrom").unwrap(), Wish::Medium);
        assert_eq!(
            wish_of("local:iso/x.iso,media=cdrom").unwrap(),
            Wish::Volume
        );
        assert_eq!(wish_of("lvm:vm-100-disk-0").unwrap(), Wish::Volume);
        assert_eq!(
            wish_of("lvm:cloudinit").unwrap(),
            Wish::CloudInit("lvm".to_owned())
        );
        assert_eq!(
            wish_of("lvm:8,iothread=0").unwrap(),
            Wish::Empty("lvm".to_owned(), 8 << 30)
        );
        assert_eq!(
            wish_of("0.5").unwrap(),
            Wish::Empty("fallback".to_owned(), 512 << 20)
        );
        assert_eq!(
            wish_of("lvm:0,import-from=local:import/x.qcow2").unwrap(),
            Wish::Import("lvm".to_owned(), "local:import/x.qcow2".to_owned())
        );
        assert!(wish_of("lvm:0").is_err());
        assert!(wish_of("lvm:vm-1-disk-0,import-from=a:b").is_err());
    }
}
