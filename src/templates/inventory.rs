//! What is known of a template: the manifests here, the VMs on the node, and
//! what of the one can be written again from the other.

use super::manifest::{Manifest, Stamp};
use super::node::Found;
use super::pin::Pin;
use super::store::TemplateStore;
use crate::diag::StepError;
use crate::lab::Paths;

/// A manifest, and the VM that belongs to it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The manifest.
    pub manifest: Manifest,
    /// Its VM; nothing when it is gone.
    pub vm: Option<Found>,
    /// Its file is not there: it was read from the node's notes.
    pub only_on_node: bool,
}

impl Entry {
    /// Whether the notes of its VM say that it is stable.
    pub fn is_marked(&self) -> bool {
        let notes = self.vm.as_ref().and_then(|vm| vm.notes.as_ref());
        notes.is_some_and(|notes| notes.stable)
    }

    /// Which promotion on its node made it stable.
    pub fn promotion(&self) -> Option<u32> {
        self.vm.as_ref()?.notes.as_ref()?.promotion
    }
}

/// All that is known of one template.
#[derive(Debug, Clone)]
pub struct TemplateInventory {
    /// Its name.
    pub name: String,
    /// Where its records are.
    pub store: TemplateStore,
    /// Its manifests, oldest first.
    pub entries: Vec<Entry>,
    /// The promoted one.
    pub stable: Option<Stamp>,
    /// The pointer has to be written.
    pub pointer_lost: bool,
    /// The pin here, else that of the newest manifest.
    pub pin: Option<Pin>,
    /// The pin's file has to be written.
    pub pin_lost: bool,
}

impl TemplateInventory {
    /// Compares what is here with what is on the node. `found` is
    /// [`crate::templates::node::templates`].
    pub fn read(paths: &Paths, name: &str, found: &[Found]) -> Result<Self, StepError> {
        let store = TemplateStore::new(paths.template(name));
        let mut entries: Vec<Entry> = store
            .records::<Manifest>()?
            .into_iter()
            .map(|manifest| Entry {
                vm: found.iter().find(|vm| vm.is_of(&manifest)).cloned(),
                manifest,
                only_on_node: false,
            })
            .collect();
        for vm in found {
            let Some(manifest) = vm.manifest().filter(|manifest| manifest.name == name) else {
                continue;
            };
            if !entries.iter().any(|e| e.manifest.stamp == manifest.stamp) {
                entries.push(Entry {
                    manifest,
                    vm: Some(vm.clone()),
                    only_on_node: true,
                });
            }
        }
        entries.sort_by(|a, b| a.manifest.stamp.cmp(&b.manifest.stamp));
        let pointed = store
            .stable::<Manifest>()?
            .filter(|stamp| entries.iter().any(|e| e.manifest.stamp == *stamp));
        let marked = || {
            let newest = entries.iter().rev().find(|e| e.is_marked());
            newest.map(|e| e.manifest.stamp.clone())
        };
        let pointer_lost = pointed.is_none();
        let stable = pointed.or_else(marked);
        let own = Pin::read(store.dir())?;
        let pin_lost = own.is_none();
        let pin = own.or_else(|| {
            let newest = entries.iter().rev().find(|e| e.vm.is_some());
            newest.and_then(|e| e.manifest.image.clone())
        });
        Ok(Self {
            name: name.to_owned(),
            pointer_lost: pointer_lost && stable.is_some(),
            pin_lost: pin_lost && pin.is_some(),
            store,
            entries,
            stable,
            pin,
        })
    }

    /// Writes manifests, pointer and pin that only the node still knew. Says
    /// what it wrote.
    pub fn restore(&mut self) -> Result<Vec<String>, StepError> {
        let mut written = Vec::new();
        for entry in self.entries.iter_mut().filter(|e| e.only_on_node) {
            self.store.write(&entry.manifest)?;
            entry.only_on_node = false;
            written.push(format!("manifest {}", entry.manifest.stamp));
        }
        if let (true, Some(stamp)) = (self.pointer_lost, &self.stable) {
            self.store.point::<Manifest>(stamp)?;
            self.pointer_lost = false;
            written.push(format!("stable pointer to {stamp}"));
        }
        if let (true, Some(pin)) = (self.pin_lost, &self.pin) {
            pin.write(self.store.dir())?;
            self.pin_lost = false;
            written.push("image.lock".to_owned());
        }
        Ok(written)
    }

    /// The newest one whose VM is on that node, promoted or not.
    pub fn newest(&self, node: &str) -> Option<&Entry> {
        let mut newest_first = self.entries.iter().rev();
        newest_first.find(|e| e.manifest.node == node && e.vm.is_some())
    }

    /// The newest one that is marked as stable on that node.
    pub fn marked_on(&self, node: &str) -> Option<&Entry> {
        let mut newest_first = self.entries.iter().rev();
        newest_first.find(|e| e.manifest.node == node && e.is_marked())
    }

    /// The promoted one.
    pub fn promoted(&self) -> Option<&Entry> {
        let stable = self.stable.as_ref()?;
        self.entries.iter().find(|e| e.manifest.stamp == *stable)
    }

    /// The build that was stable on the node of the stable one before it, and
    /// is still there. A build that was never promoted is none.
    pub fn before_stable(&self) -> Option<&Entry> {
        let stable = self.promoted()?;
        let of_its_node = self.entries.iter().filter(|e| {
            e.manifest.node == stable.manifest.node && e.manifest.stamp != stable.manifest.stamp
        });
        let earlier = of_its_node.filter(|e| match (e.promotion(), stable.promotion()) {
            (None, _) => false,
            // Promoted by a version that kept no history.
            (Some(_), None) => true,
            (Some(this), Some(stable)) => this < stable,
        });
        earlier.max_by_key(|e| e.promotion())
    }

    /// Why a build is due; nothing when the newest is as `digest` wants it.
    pub fn stale(&self, node: &str, digest: Option<&str>) -> Option<String> {
        let Some(newest) = self.newest(node) else {
            let here = self.entries.iter().rev().find(|e| e.manifest.node == node);
            return Some(match here {
                Some(gone) => format!("VM {} is gone from `{node}`", gone.manifest.vmid),
                None => format!("`{node}` has none"),
            });
        };
        (digest != Some(newest.manifest.inputs_digest.as_str()))
            .then(|| format!("its inputs changed since {}", newest.manifest.stamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pve::VmConfig;
    use crate::templates::manifest::sample;
    use crate::templates::notes::Notes;
    use camino::Utf8Path;
    use serde_json::json;

    fn on_node(manifest: &Manifest, stable: bool) -> Found {
        let notes = Notes::of(manifest, stable);
        let config: VmConfig = serde_json::from_value(json!({
            "name": manifest.vm_name, "description": notes.render(), "template": 1,
            "scsi0": format!("{}:base-{}-disk-0,size=6G", manifest.storage, manifest.vmid),
        }))
        .unwrap();
        Found {
            vm: serde_json::from_value(json!({"vmid": manifest.vmid, "node": manifest.node, "type": "qemu", "template": 1})).unwrap(),
            notes: Notes::parse(&config.text("description").unwrap()),
            config,
        }
    }

    fn lab() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        (dir, paths)
    }

    #[test]
    fn from_a_clean_checkout_all_is_written_again() {
        let (_guard, paths) = lab();
        let hash = "a".repeat(64);
        let mut old = sample("20260101-120000", 101);
        let mut new = sample("20260102-120000", 102);
        for manifest in [&mut old, &mut new] {
            manifest.image = Pin::from_checksum(
                "https://x/y",
                &format!("sha256:{hash}"),
                &manifest.created_at,
            );
        }
        let other = Manifest {
            name: "ubuntu-24.04".to_owned(),
            ..sample("20260103-120000", 103)
        };
        let found = [
            on_node(&new, false),
            on_node(&old, true),
            on_node(&other, true),
        ];
        let mut known = TemplateInventory::read(&paths, "debian-13", &found).unwrap();
        assert_eq!(known.stale("pve", Some("d")), None);
        let written = known.restore().unwrap();
        assert_eq!(written.len(), 4);
        assert!(known.restore().unwrap().is_empty());
        let store = TemplateStore::new(paths.template("debian-13"));
        assert_eq!(
            store.records::<Manifest>().unwrap(),
            [old.clone(), new.clone()]
        );
        assert_eq!(store.stable::<Manifest>().unwrap(), Some(old.stamp));
        assert_eq!(Pin::read(store.dir()).unwrap().unwrap().hash, hash);
        // Read again, nothing is missing.
        let known = TemplateInventory::read(&paths, "debian-13", &found).unwrap();
        assert!(!known.pointer_lost && !known.pin_lost);
        assert!(
            known
                .entries
                .iter()
                .all(|e| !e.only_on_node && e.vm.is_some())
        );
        assert_eq!(known.promoted().unwrap().manifest.vmid, 101);
    }

    #[test]
    fn staleness_is_judged_by_the_newest_that_is_on_the_node() {
        let (_guard, paths) = lab();
        let (old, new) = (
            sample("20260101-120000", 101),
            sample("20260102-120000", 102),
        );
        let store = TemplateStore::new(paths.template("debian-13"));
        let known = |found: &[Found]| TemplateInventory::read(&paths, "debian-13", found).unwrap();
        assert_eq!(
            known(&[]).stale("pve", Some("d")).unwrap(),
            "`pve` has none"
        );
        store.write(&old).unwrap();
        store.write(&new).unwrap();
        store.point::<Manifest>(&old.stamp).unwrap();
        let gone = known(&[]).stale("pve", Some("d")).unwrap();
        assert_eq!(gone, "VM 102 is gone from `pve`");
        // Not promoted, and yet the newest.
        let both = known(&[on_node(&old, true), on_node(&new, false)]);
        assert_eq!(both.stale("pve", Some("d")), None);
        assert!(
            both.stale("pve", Some("e"))
                .unwrap()
                .contains("20260102-120000")
        );
        assert!(both.stale("pve", None).is_some());
        assert_eq!(both.stale("pve2", Some("d")).unwrap(), "`pve2` has none");
        // The newest is gone, the older is as good.
        assert_eq!(known(&[on_node(&old, true)]).stale("pve", Some("d")), None);
    }

    #[test]
    fn back_is_to_what_was_stable_before_and_never_to_what_never_was() {
        let (_guard, paths) = lab();
        let build = |day: u32, promotion: Option<u32>, stable| {
            let manifest = sample(&format!("2026010{day}-120000"), 100 + day);
            let mut vm = on_node(&manifest, stable);
            vm.notes = vm.notes.map(|notes| Notes { promotion, ..notes });
            (manifest.stamp.clone(), vm)
        };
        let back = |found: &[Found]| {
            let known = TemplateInventory::read(&paths, "debian-13", found).unwrap();
            known.before_stable().map(|e| e.manifest.stamp.clone())
        };
        let first = build(1, Some(1), false);
        let held = build(2, None, false);
        let now = build(3, Some(2), true);
        let found = [first.1.clone(), held.1.clone(), now.1];
        assert_eq!(back(&found), Some(first.0.clone()));
        // Not by age: the first was promoted again, after the third.
        let first_again = build(1, Some(3), true);
        let third = build(3, Some(2), false);
        let found = [first_again.1, held.1.clone(), third.1.clone()];
        assert_eq!(back(&found), Some(third.0.clone()));
        // The stable one was promoted by a version that kept no history.
        let unnumbered = build(4, None, true);
        let found = [first.1, held.1.clone(), third.1, unnumbered.1.clone()];
        assert_eq!(back(&found), Some(third.0));
        assert_eq!(back(&[held.1, unnumbered.1]), None);
    }

    #[test]
    fn of_two_stable_marks_the_newest_counts_and_the_pointer_counts_more() {
        let (_guard, paths) = lab();
        let (old, new) = (
            sample("20260101-120000", 101),
            sample("20260102-120000", 102),
        );
        let found = [on_node(&old, true), on_node(&new, true)];
        let mut known = TemplateInventory::read(&paths, "debian-13", &found).unwrap();
        assert_eq!(known.stable, Some(new.stamp));
        known.restore().unwrap();
        known.store.point::<Manifest>(&old.stamp).unwrap();
        let known = TemplateInventory::read(&paths, "debian-13", &found).unwrap();
        assert_eq!(known.stable, Some(old.stamp));
    }
}
