//! Storages and the volumes on them: names, sizes, who uses what.

use super::error::{ApiError, bail};
use super::volume::{Storage, Volume};
use super::words;
use super::world::World;

/// What a storage must be able to hold for disks of containers.
pub(super) const ROOTDIR: &str = "rootdir";

/// Size of the disk inside an image that nobody described: that of Debian's
/// cloud images.
pub(super) const IMAGE_DISK: u64 = 3 << 30;

/// Where a disk comes to lie, and how large it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewDisk<'a> {
    pub(super) node: &'a str,
    pub(super) storage: &'a str,
    pub(super) vmid: u32,
    pub(super) size: u64,
    pub(super) used: u64,
    pub(super) format: Option<&'a str>,
    pub(super) parent: Option<&'a str>,
}

impl World {
    /// A storage that is there.
    pub(super) fn storage(&self, id: &str) -> Result<&Storage, ApiError> {
        let found = self.storages.get(id);
        found.ok_or_else(|| ApiError::die(format!("storage '{id}' does not exist")))
    }

    /// A storage that is there, enabled, active, and on that node.
    pub(super) fn storage_on(&self, id: &str, node: &str) -> Result<&Storage, ApiError> {
        let storage = self.storage(id)?;
        if self.node(node).is_none() || !storage.is_on(node) {
            bail!("storage '{id}' is not available on node '{node}'");
        }
        if !storage.enabled {
            bail!("storage '{id}' is disabled");
        }
        Ok(storage)
    }

    /// The same, and it may hold `content` and is online.
    pub(super) fn storage_for(
        &self,
        id: &str,
        node: &str,
        content: &str,
    ) -> Result<&Storage, ApiError> {
        let storage = self.storage_on(id, node)?;
        if !storage.content.iter().any(|kind| kind == content) {
            bail!("storage '{id}' does not support content-type '{content}'");
        }
        if !storage.active {
            bail!("storage '{id}' is not online");
        }
        Ok(storage)
    }

    /// Bytes in use on a storage.
    pub(super) fn used(&self, id: &str) -> u64 {
        let base = self.storages.get(id).map_or(0, |storage| storage.base_used);
        self.volumes
            .iter()
            .filter(|volume| volume.storage() == id)
            .fold(base, |sum, volume| sum.saturating_add(volume.used))
    }

    /// Fails when `bytes` more do not fit.
    pub(super) fn fits(&self, id: &str, bytes: u64) -> Result<(), ApiError> {
        let storage = self.storage(id)?;
        let free = storage.total.saturating_sub(self.used(id));
        if free == 0 && storage.kind == "lvmthin" {
            // Even a volume without a content, as all are at first there.
            bail!(
                "lvcreate '{id}' error:   Cannot create new thin volume, free space in thin pool \
                 pve/data reached threshold."
            );
        }
        if bytes <= free {
            return Ok(());
        }
        let need = super::size::print(bytes);
        Err(ApiError::die(if storage.has_paths() {
            format!("unable to create image: No space left on device ({need} needed)")
        } else {
            format!(
                "lvcreate '{id}' error:   Volume group has insufficient free space ({need} needed)"
            )
        }))
    }

    /// Where a volume is on its node.
    pub(super) fn path_of(&self, volid: &str) -> String {
        let (id, name) = volid.split_once(':').unwrap_or((volid, ""));
        let Some(folder) = self.storages.get(id).and_then(|storage| storage.path(id)) else {
            return format!("/dev/pve/{name}");
        };
        match name.split_once('/') {
            Some(("iso", file)) => format!("{folder}/template/iso/{file}"),
            Some(("vztmpl", file)) => format!("{folder}/template/cache/{file}"),
            Some(("import" | "snippets", _)) => format!("{folder}/{name}"),
            Some(("backup", file)) => format!("{folder}/dump/{file}"),
            _ => {
                // A linked clone's name holds that of its base.
                let parts: Vec<&str> = name.split('/').collect();
                let own = parts.len().saturating_sub(2);
                let own: Vec<&str> = parts.into_iter().skip(own).collect();
                format!("{folder}/images/{}", own.join("/"))
            }
        }
    }

    /// A volume by its id.
    pub(super) fn volume(&self, volid: &str) -> Option<&Volume> {
        self.volumes.iter().find(|volume| volume.volid == volid)
    }

    /// A volume that is there.
    pub(super) fn need_volume(&self, volid: &str) -> Result<&Volume, ApiError> {
        let found = self.volume(volid);
        found.ok_or_else(|| ApiError::die(format!("volume '{volid}' does not exist")))
    }

    /// A volume by its id, to change.
    pub(super) fn volume_mut(&mut self, volid: &str) -> Option<&mut Volume> {
        self.volumes.iter_mut().find(|volume| volume.volid == volid)
    }

    /// The disks of a guest, by its number, that `which` picks.
    pub(super) fn disks_of(&self, vmid: u32, which: impl Fn(&str) -> bool) -> Vec<String> {
        let own = self
            .volumes
            .iter()
            .filter(|volume| volume.vmid == Some(vmid) && volume.is_disk());
        own.filter(|volume| which(&volume.volid))
            .map(|volume| volume.volid.clone())
            .collect()
    }

    /// Forgets a volume.
    pub(super) fn drop_volume(&mut self, volid: &str) {
        self.volumes.retain(|volume| volume.volid != volid);
    }

    /// Notes a file (an ISO, an image); one of that name is replaced.
    pub(super) fn put_file(&mut self, volume: Volume) {
        self.drop_volume(&volume.volid);
        self.volumes.push(volume);
    }

    /// The name that the next disk of a guest gets.
    pub(super) fn next_disk_name(&self, storage: &str, vmid: u32, suffix: &str) -> String {
        let taken = |number: u32| {
            let end = format!("-{vmid}-disk-{number}");
            self.volumes
                .iter()
                .filter(|volume| volume.storage() == storage)
                .any(|volume| {
                    let last = volume.volid.rsplit(['/', ':']).next().unwrap_or_default();
                    let stem = last.split('.').next().unwrap_or_default();
                    let kind = stem.strip_suffix(&end);
                    kind.is_some_and(|kind| words::has("vm base subvol basevol", kind))
                })
        };
        let number = (0..10_000).find(|number| !taken(*number)).unwrap_or(0);
        let zfs = self.storages.get(storage).map(|own| own.kind.as_str()) == Some("zfspool");
        let dataset = zfs && self.content_of(vmid) == ROOTDIR;
        let kind = if dataset { "subvol" } else { "vm" };
        format!("{kind}-{vmid}-disk-{number}{suffix}")
    }

    /// What the disks of a guest are, in the words of storages.
    pub(super) fn content_of(&self, vmid: u32) -> &'static str {
        let kind = self.vms.get(&vmid).map(|vm| vm.kind).unwrap_or_default();
        kind.pick("images", ROOTDIR)
    }

    /// Makes a disk volume and returns its id.
    pub(super) fn allocate(&mut self, disk: &NewDisk<'_>) -> Result<String, ApiError> {
        let storage = self.storage_for(disk.storage, disk.node, self.content_of(disk.vmid))?;
        let format = format_on(storage, disk.format)?;
        let suffix = storage.suffix(&format);
        let name = self.next_disk_name(disk.storage, disk.vmid, &suffix);
        self.make(disk, &name, &format)
    }

    /// Makes the cloud-init volume of a VM and returns its id.
    pub(super) fn allocate_cloudinit(&mut self, disk: &NewDisk<'_>) -> Result<String, ApiError> {
        let storage = self.storage_for(disk.storage, disk.node, "images")?;
        let own = storage.has_paths().then_some("qcow2");
        let format = format_on(storage, disk.format.or(own))?;
        let name = format!("vm-{}-cloudinit{}", disk.vmid, storage.suffix(&format));
        self.make(disk, &name, &format)
    }

    /// Makes the volume for the memory of a VM, and returns its id.
    pub(super) fn allocate_state(
        &mut self,
        disk: &NewDisk<'_>,
        name: &str,
    ) -> Result<String, ApiError> {
        let storage = self.storage_for(disk.storage, disk.node, "images")?;
        let name = format!("vm-{}-state-{name}{}", disk.vmid, storage.suffix("raw"));
        self.make(disk, &name, "raw")
    }

    /// A size as a storage can give it: some know only whole extents.
    pub(super) fn rounded(&self, id: &str, bytes: u64) -> u64 {
        let unit = match self.storages.get(id).map(|storage| storage.kind.as_str()) {
            Some("lvm" | "lvmthin") => 4 << 20,
            Some("zfspool" | "rbd") => 1 << 20,
            _ => 1,
        };
        bytes.next_multiple_of(unit)
    }

    fn make(&mut self, disk: &NewDisk<'_>, name: &str, format: &str) -> Result<String, ApiError> {
        let storage = self.storage(disk.storage)?;
        let local = if storage.has_paths() {
            format!("{}/{name}", disk.vmid)
        } else {
            name.to_owned()
        };
        let base = disk
            .parent
            .filter(|_| storage.names_parent())
            .and_then(|parent| parent.split_once(':'))
            .map(|(_, base)| format!("{base}/"));
        let volid = format!("{}:{}{local}", disk.storage, base.unwrap_or_default());
        // Only thick LVM takes the whole size at once.
        let used = if storage.kind == "lvm" {
            disk.size
        } else {
            disk.used
        };
        if self.volume(&volid).is_some() {
            bail!("disk image '{volid}' already exists");
        }
        self.fits(disk.storage, used)?;
        let (ctime, content) = (self.now(), self.content_of(disk.vmid));
        self.volumes.push(Volume {
            volid: volid.clone(),
            node: disk.node.to_owned(),
            content: content.to_owned(),
            format: format.to_owned(),
            size: disk.size,
            used,
            ctime,
            vmid: Some(disk.vmid),
            parent: disk.parent.map(str::to_owned),
            ..Volume::default()
        });
        Ok(volid)
    }
}

/// The format that a disk gets on a storage.
fn format_on(storage: &Storage, wanted: Option<&str>) -> Result<String, ApiError> {
    let wanted = wanted.unwrap_or("raw");
    if wanted != "raw" && !(storage.has_paths() && matches!(wanted, "qcow2" | "vmdk")) {
        bail!("unsupported format '{wanted}'");
    }
    Ok(wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn disk(storage: &str) -> NewDisk<'_> {
        NewDisk {
            node: "pve",
            storage,
            vmid: 100,
            size: 8 << 30,
            used: 0,
            format: None,
            parent: None,
        }
    }

    #[test]
    fn names_count_up_and_fill_gaps() {
        let mut world = World::seeded(&Seed::default());
        for expected in ["local-lvm:vm-100-disk-0", "local-lvm:vm-100-disk-1"] {
            assert_eq!(world.allocate(&disk("local-lvm")).unwrap(), expected);
        }
        world.drop_volume("local-lvm:vm-100-disk-0");
        assert_eq!(
            world.allocate(&disk("local-lvm")).unwrap(),
            "local-lvm:vm-100-disk-0"
        );
    }

    #[test]
    fn directories_hold_files_and_name_the_base() {
        let mut seed = Seed::default();
        seed.storages[0].content.push("images".to_owned());
        let mut world = World::seeded(&seed);
        let mut wanted = disk("local");
        wanted.format = Some("qcow2");
        wanted.parent = Some("local:9000/base-9000-disk-0.qcow2");
        assert_eq!(
            world.allocate(&wanted).unwrap(),
            "local:9000/base-9000-disk-0.qcow2/100/vm-100-disk-0.qcow2"
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut seed = Seed::default();
        seed.storages[1].kind = "lvm".to_owned();
        seed.storages[1].total = 20 << 30;
        let mut world = World::seeded(&seed);
        world.allocate(&disk("local-lvm")).unwrap();
        let error = world.allocate(&disk("local-lvm")).unwrap_err();
        assert!(
            error.message.contains("insufficient free space"),
            "{error:?}"
        );
        let error = world.allocate(&disk("local")).unwrap_err();
        assert!(error.message.contains("content-type 'images'"), "{error:?}");
    }
}
