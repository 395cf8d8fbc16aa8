//! What a volume can do, by the type of its storage and its format.

use super::volume::{Storage, Volume};
use super::world::World;

/// What may be asked of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feature {
    /// To be kept as it is now.
    Snapshot,
    /// To be the base of a linked clone.
    Clone,
    /// To be copied.
    Copy,
    /// To become the base of a template.
    Template,
}

impl Feature {
    /// By its name in the API.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "snapshot" => Self::Snapshot,
            "clone" => Self::Clone,
            "copy" => Self::Copy,
            _ => Self::Template,
        }
    }
}

/// Whether a volume, or a snapshot of it, has a feature. A volume that does not
/// exist has none.
pub(super) fn has(world: &World, volid: &str, wanted: Feature, snapshot: bool) -> bool {
    let Some(volume) = world.volume(volid) else {
        return false;
    };
    let storage = world.storages.get(volume.storage());
    storage.is_some_and(|storage| can(storage, volume, wanted, snapshot))
}

fn can(storage: &Storage, volume: &Volume, wanted: Feature, snapshot: bool) -> bool {
    let (kind, format) = (storage.kind.as_str(), volume.format.as_str());
    let base = is_base(volume);
    match wanted {
        Feature::Snapshot if storage.has_paths() => format == "qcow2" && !base,
        Feature::Snapshot => matches!(kind, "lvmthin" | "zfspool" | "rbd") && !base,
        Feature::Clone if storage.has_paths() => base && !snapshot && format != "subvol",
        Feature::Clone => match kind {
            "lvmthin" | "rbd" => base || snapshot,
            "zfspool" => base && !snapshot,
            _ => false,
        },
        Feature::Copy => !snapshot || format == "qcow2" || matches!(kind, "lvmthin" | "rbd"),
        Feature::Template => storage.has_paths() || matches!(kind, "lvmthin" | "zfspool" | "rbd"),
    }
}

/// Whether a volume is the base of a template.
pub(super) fn is_base(volume: &Volume) -> bool {
    let (_, name) = volume.split();
    let last = name.rsplit('/').next().unwrap_or_default();
    last.starts_with("base-") || last.starts_with("basevol-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, SeedStorage};

    #[test]
    fn what_storages_can() {
        let mut seed = Seed::default();
        for kind in ["lvm", "zfspool", "nfs"] {
            seed.storages
                .push(SeedStorage::new(kind, kind, &["images"]));
        }
        let mut world = World::seeded(&seed);
        let mut put = |volid: &str, format: &str| {
            world.volumes.push(Volume {
                volid: volid.to_owned(),
                format: format.to_owned(),
                ..Volume::default()
            });
        };
        put("local-lvm:vm-100-disk-0", "raw");
        put("local-lvm:base-100-disk-0", "raw");
        put("lvm:vm-100-disk-0", "raw");
        put("zfspool:vm-100-disk-0", "raw");
        put("nfs:100/vm-100-disk-0.raw", "raw");
        put("nfs:9/base-9-disk-0.qcow2/100/vm-100-disk-1.qcow2", "qcow2");
        let snapshot = |volid| has(&world, volid, Feature::Snapshot, false);
        assert!(snapshot("local-lvm:vm-100-disk-0") && snapshot("zfspool:vm-100-disk-0"));
        assert!(snapshot(
            "nfs:9/base-9-disk-0.qcow2/100/vm-100-disk-1.qcow2"
        ));
        for volid in ["lvm:vm-100-disk-0", "nfs:100/vm-100-disk-0.raw", "lvm:none"] {
            assert!(!snapshot(volid), "{volid}");
        }
        let clone = |volid, of_snapshot| has(&world, volid, Feature::Clone, of_snapshot);
        assert!(clone("local-lvm:base-100-disk-0", false));
        assert!(clone("local-lvm:vm-100-disk-0", true));
        assert!(!clone("local-lvm:vm-100-disk-0", false));
        assert!(!clone("zfspool:vm-100-disk-0", true));
        assert!(!has(&world, "zfspool:vm-100-disk-0", Feature::Copy, true));
    }
}
