//! What can be wrong with the world itself, or with what a server shows of itself.
//! The world's own answers follow from it, as a node's would.

use std::collections::BTreeMap;

use super::rule::FaultRule;
use crate::vm::Vm;
use crate::world::World;

/// Something that is wrong with the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// A storage has no byte left.
    StorageFull(String),
    /// A storage is not mounted.
    StorageOffline(String),
    /// A node does not answer its peers.
    NodeOffline(String),
    /// A VM is locked by something else.
    VmLocked(u32, String),
    /// Somebody else has just made a VM; none: of the number that is the next.
    VmidTaken(Option<u32>),
}

/// What is wrong with a certificate, or with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsFault {
    /// Its time has passed.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is for another name.
    WrongName,
    /// It signed itself.
    SelfSigned,
    /// Nothing newer than TLS 1.2 is spoken.
    Old,
}

/// How the world is without a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undo {
    StorageFull(String, u64),
    StorageOffline(String),
    NodeOffline(String),
    VmLocked(u32, String),
}

impl TlsFault {
    /// The fault of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "certificate-expired" => Self::Expired,
            "certificate-not-yet-valid" => Self::NotYetValid,
            "certificate-wrong-name" => Self::WrongName,
            "certificate-self-signed" => Self::SelfSigned,
            "tls-1.2" => Self::Old,
            _ => return None,
        })
    }
}

impl Condition {
    /// The condition that a rule names, with what it is about.
    pub(super) fn new(name: &str, rule: &FaultRule) -> Result<Self, String> {
        let storage = || needed(name, "storage", rule.storage.as_ref());
        let node = || needed(name, "node", rule.node.as_ref());
        let made = match name {
            "storage-full" => Self::StorageFull(storage()?),
            "storage-offline" => Self::StorageOffline(storage()?),
            "node-offline" => Self::NodeOffline(node()?),
            "vm-locked" => {
                let lock = rule.lock.as_deref().unwrap_or("backup");
                Self::VmLocked(needed(name, "vmid", rule.vmid.as_ref())?, lock.to_owned())
            }
            "vmid-taken" => Self::VmidTaken(rule.vmid),
            _ => {
                return Err(format!(
                    "`world` is `{name}`, expected one of `{}`",
                    FaultRule::CONDITIONS.join("`, `")
                ));
            }
        };
        Ok(made)
    }

    /// What a world lacks for it. A VM may come later.
    pub(super) fn lacks(&self, world: &World) -> Option<String> {
        match self {
            Self::StorageFull(id) | Self::StorageOffline(id) => (!world.storages.contains_key(id))
                .then(|| format!("there is no storage `{id}` in the world")),
            Self::NodeOffline(name) => world
                .node(name)
                .is_none()
                .then(|| format!("there is no node `{name}` in the world")),
            Self::VmLocked(..) | Self::VmidTaken(_) => None,
        }
    }

    /// Makes it so. What a kept world must not remember is returned.
    pub(super) fn enforce(&self, world: &mut World) -> Option<Undo> {
        match self {
            Self::StorageFull(id) => {
                let used = world.used(id);
                let storage = world.storages.get_mut(id)?;
                let before = storage.base_used;
                let volumes = used.saturating_sub(before);
                storage.base_used = storage.total.saturating_sub(volumes);
                Some(Undo::StorageFull(id.clone(), before))
            }
            Self::StorageOffline(id) => {
                let storage = world.storages.get_mut(id)?;
                std::mem::take(&mut storage.active).then(|| Undo::StorageOffline(id.clone()))
            }
            Self::NodeOffline(name) => {
                let node = world.node_mut(name)?;
                std::mem::take(&mut node.online).then(|| Undo::NodeOffline(name.clone()))
            }
            Self::VmLocked(vmid, lock) => {
                let vm = world.vms.get_mut(vmid).filter(|vm| vm.lock.is_none())?;
                vm.lock = Some(lock.clone());
                Some(Undo::VmLocked(*vmid, lock.clone()))
            }
            // A VM that somebody made stays.
            Self::VmidTaken(vmid) => {
                let vmid = vmid.unwrap_or_else(|| world.next_vmid());
                let node = world.nodes.first()?.name.clone();
                world.vms.entry(vmid).or_insert_with(|| {
                    let name = ("name".to_owned(), "somebody-elses".to_owned());
                    Vm::new(&node, BTreeMap::from([name]))
                });
                None
            }
        }
    }
}

impl Undo {
    /// Gives a world back what it had.
    pub(super) fn lift(&self, world: &mut World) {
        match self {
            Self::StorageFull(id, before) => {
                if let Some(storage) = world.storages.get_mut(id) {
                    storage.base_used = *before;
                }
            }
            Self::StorageOffline(id) => {
                if let Some(storage) = world.storages.get_mut(id) {
                    storage.active = true;
                }
            }
            Self::NodeOffline(name) => {
                if let Some(node) = world.node_mut(name) {
                    node.online = true;
                }
            }
            Self::VmLocked(vmid, lock) => {
                if let Some(vm) = world.vms.get_mut(vmid)
                    && vm.lock.as_ref() == Some(lock)
                {
                    vm.lock = None;
                }
            }
        }
    }
}

fn needed<T: Clone>(condition: &str, key: &str, value: Option<&T>) -> Result<T, String> {
    value
        .cloned()
        .ok_or_else(|| format!("`{condition}` needs `{key}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn conditions_come_and_are_lifted() {
        let before = World::seeded(&Seed::default());
        let mut world = before.clone();
        let wanted = [
            Condition::StorageFull("local".to_owned()),
            Condition::StorageOffline("local-lvm".to_owned()),
            Condition::NodeOffline("pve".to_owned()),
        ];
        let undo: Vec<Undo> = wanted
            .iter()
            .map(|wanted| wanted.enforce(&mut world).unwrap())
            .collect();
        assert!(world.fits("local", 1).is_err());
        assert!(!world.storages["local-lvm"].active && !world.nodes[0].online);
        // What is so already is not made so again, and so not undone.
        assert!(wanted[2].enforce(&mut world).is_none());
        for undo in undo {
            undo.lift(&mut world);
        }
        assert_eq!(world, before);
    }

    #[test]
    fn a_vm_that_somebody_made_takes_the_next_number() {
        let mut world = World::seeded(&Seed::default());
        assert!(Condition::VmidTaken(None).enforce(&mut world).is_none());
        assert!(world.vms.contains_key(&100));
        let locked = Condition::VmLocked(100, "backup".to_owned());
        let undo = locked.enforce(&mut world).unwrap();
        assert_eq!(world.vms[&100].lock.as_deref(), Some("backup"));
        undo.lift(&mut world);
        assert_eq!(world.vms[&100].lock, None);
        assert!(
            Condition::VmLocked(7, "x".to_owned())
                .enforce(&mut world)
                .is_none()
        );
    }
}
