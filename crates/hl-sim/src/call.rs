//! A call on its way to its handler: who asks, for what, and the checks that
//! every handler makes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::acl;
use super::auth::Identity;
use super::error::ApiError;
use super::locks::Hold;
use super::machine::{Job, Sim, TaskLog};
use super::params::Params;
use super::vm::Vm;
use super::world::World;

/// What a handler returns: the `data` of the answer.
pub(super) type Answer = Result<Value, ApiError>;

/// One call.
pub(super) struct Call<'a> {
    pub(super) sim: &'a Arc<Sim>,
    pub(super) who: &'a Identity,
    /// What the path held: `node`, `vmid` ...
    pub(super) path: BTreeMap<&'static str, String>,
    pub(super) params: Params,
    /// Set by lists that are longer than what they return.
    pub(super) total: Cell<Option<usize>>,
}

impl Call<'_> {
    /// A part of the path.
    pub(super) fn part(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// The node of the path.
    pub(super) fn node(&self) -> &str {
        self.part("node")
    }

    /// The VMID of the path.
    pub(super) fn vmid(&self) -> Result<u32, ApiError> {
        self.part("vmid")
            .parse()
            .map_err(|_| ApiError::param("vmid", "type check ('integer') failed"))
    }

    /// The VM of the path.
    pub(super) fn vm<'w>(&self, world: &'w World) -> Result<&'w Vm, ApiError> {
        let vmid = self.vmid()?;
        vm_on(world, self.node(), vmid)
    }

    /// Whether the caller has a privilege.
    pub(super) fn has(&self, world: &World, path: &str, privilege: &str) -> bool {
        acl::rights(world, &self.who.id, path).contains_key(privilege)
    }

    /// Refuses unless the caller has a privilege.
    pub(super) fn need(&self, world: &World, path: &str, privilege: &str) -> Result<(), ApiError> {
        self.need_any(world, path, &[privilege])
    }

    /// Refuses unless the caller has one of these.
    pub(super) fn need_any(&self, world: &World, path: &str, any: &[&str]) -> Result<(), ApiError> {
        let held = acl::rights(world, &self.who.id, path);
        if any.iter().any(|name| held.contains_key(*name)) {
            return Ok(());
        }
        Err(ApiError::denied(&format!("{path}, {}", any.join("|"))))
    }

    /// Starts a task of the caller; the answer is its id.
    #[expect(clippy::unnecessary_wraps, reason = "a handler ends with it")]
    pub(super) fn task<E: Into<String> + 'static>(
        &self,
        kind: &'static str,
        id: String,
        holds: Vec<(u32, Hold)>,
        work: impl FnOnce(&Arc<Sim>, &TaskLog<'_>) -> Result<(), E> + Send + 'static,
    ) -> Answer {
        let job = Job {
            kind,
            id,
            user: self.who.id.clone(),
            node: self.node().to_owned(),
            holds,
        };
        let upid = self
            .sim
            .run_task(job, move |sim, log| work(sim, log).map_err(Into::into));
        Ok(json!(upid))
    }

    /// The same for a task that holds a VM alone.
    pub(super) fn vm_task<E: Into<String> + 'static>(
        &self,
        kind: &'static str,
        vmid: u32,
        work: impl FnOnce(&Arc<Sim>, &TaskLog<'_>) -> Result<(), E> + Send + 'static,
    ) -> Answer {
        self.task(kind, vmid.to_string(), vec![(vmid, Hold::Alone)], work)
    }

    /// Refuses everyone but `root@pam`.
    pub(super) fn need_root(&self) -> Result<(), ApiError> {
        if self.who.id == acl::ROOT {
            return Ok(());
        }
        Err(ApiError::denied("user != root@pam"))
    }

    /// Refuses unless the caller has a privilege on the VM of the path.
    pub(super) fn need_vm(&self, world: &World, privilege: &str) -> Result<(), ApiError> {
        self.need(world, &format!("/vms/{}", self.part("vmid")), privilege)
    }

    /// Refuses unless the caller has a privilege on a storage.
    pub(super) fn need_storage(
        &self,
        world: &World,
        id: &str,
        privilege: &str,
    ) -> Result<(), ApiError> {
        self.need(world, &format!("/storage/{id}"), privilege)
    }

    /// Whether a VM's lock is to be passed over, which `root@pam` alone may ask for.
    pub(super) fn skips_lock(&self) -> Result<bool, ApiError> {
        let skip = self.params.flag("skiplock").unwrap_or(false);
        if skip && self.who.id != acl::ROOT {
            let text = "Only root may use this option.";
            return Err(ApiError::param("skiplock", text));
        }
        Ok(skip)
    }
}

/// A VM on a node, or the error that every call on a missing one gets.
pub(super) fn vm_on<'w>(world: &'w World, node: &str, vmid: u32) -> Result<&'w Vm, ApiError> {
    world
        .vms
        .get(&vmid)
        .filter(|vm| vm.node == node)
        .ok_or_else(|| gone(node, vmid))
}

/// The same, to change.
pub(super) fn vm_mut<'w>(
    world: &'w mut World,
    node: &str,
    vmid: u32,
) -> Result<&'w mut Vm, ApiError> {
    world
        .vms
        .get_mut(&vmid)
        .filter(|vm| vm.node == node)
        .ok_or_else(|| gone(node, vmid))
}

fn gone(node: &str, vmid: u32) -> ApiError {
    ApiError::die(format!(
        "Configuration file 'nodes/{node}/qemu-server/{vmid}.conf' does not exist"
    ))
}

/// Refuses a VM that is locked.
pub(super) fn unlocked(vm: &Vm) -> Result<(), ApiError> {
    match &vm.lock {
        None => Ok(()),
        Some(lock) => Err(ApiError::die(format!("VM is locked ({lock})"))),
    }
}
