//! Linked clones: machines that live on a template's disk.

use super::Manifest;
use crate::pve::{Client, Error, Volume};

/// VMs whose disks are linked to the template's.
pub fn clones(client: &Client, manifest: &Manifest) -> Result<Vec<u32>, Error> {
    let volumes = client.storage_content(&manifest.node, &manifest.storage, Some("images"))?;
    let mut clones: Vec<u32> = volumes
        .iter()
        .filter(|volume| is_linked(volume, manifest.vmid))
        .filter_map(|volume| volume.vmid.filter(|vmid| *vmid != manifest.vmid))
        .collect();
    clones.sort_unstable();
    clones.dedup();
    Ok(clones)
}

/// `base-101-disk-0` is the parent (LVM-thin, ZFS, RBD), or is in the volume's
/// name: `local:101/base-101-disk-0.qcow2/110/vm-110-disk-0.qcow2`.
fn is_linked(volume: &Volume, vmid: u32) -> bool {
    let base = format!("base-{vmid}-disk-");
    let parent = volume.parent.as_deref().unwrap_or_default();
    let (before, _) = volume.volid.rsplit_once('/').unwrap_or(("", ""));
    parent.contains(&base) || before.contains(&base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn linked_clones_are_seen_on_every_kind_of_storage() {
        let volume = |volid: &str, parent: Option<&str>| -> Volume {
            serde_json::from_value(json!({"volid": volid, "vmid": 110, "parent": parent})).unwrap()
        };
        for (volid, parent) in [
            (
                "local:101/base-101-disk-0.qcow2/110/vm-110-disk-0.qcow2",
                None,
            ),
            ("tank:base-101-disk-0/vm-110-disk-0", None),
            ("local-lvm:vm-110-disk-0", Some("base-101-disk-0")),
            ("rbd:vm-110-disk-0", Some("base-101-disk-0@__base__")),
        ] {
            assert!(is_linked(&volume(volid, parent), 101), "{volid}");
            assert!(!is_linked(&volume(volid, parent), 10), "{volid}");
        }
        assert!(!is_linked(&volume("local-lvm:base-101-disk-0", None), 101));
        assert!(!is_linked(&volume("local-lvm:vm-110-disk-0", None), 101));
    }
}
