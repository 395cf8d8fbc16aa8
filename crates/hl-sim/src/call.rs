//! A call on its way to its handler: who asks, for what, and the checks that
//! every handler makes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::acl;
use super::auth::Identity;
use super::error::ApiError;
use super::locks::Hold;
use super::machine::{Job, Sim, TaskLog};
use super::params::Params;
use super::vm::{GuestKind, Vm};
use super::world::World;

/// What a handler returns: the `data` of the answer.
pub(super) type Answer = Result<Value, ApiError>;

/// Which guest is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GuestId {
    pub(super) kind: GuestKind,
    pub(super) node: String,
    pub(super) vmid: u32,
}

impl GuestId {
    /// The guest, or the error that every call on a missing one gets.
    pub(super) fn find<'w>(&self, world: &'w World) -> Result<&'w Vm, ApiError> {
        guest_on(world, self.kind, &self.node, self.vmid)
    }

    /// The same, to change.
    pub(super) fn find_mut<'w>(&self, world: &'w mut World) -> Result<&'w mut Vm, ApiError> {
        guest_mut(world, self.kind, &self.node, self.vmid)
    }
}

/// One call.
pub(super) struct Call<'a> {
    pub(super) sim: &'a Arc<Sim>,
    pub(super) who: &'a Identity,
    /// What the path held: `node`, `vmid` ...
    pub(super) path: BTreeMap<&'static str, String>,
    /// What the guests of the path are.
    pub(super) kind: GuestKind,
    pub(super) params: Params,
    /// What is told beside the data: how long a list is that this is a piece of.
    pub(super) beside: RefCell<Map<String, Value>>,
    /// The data as JSON text, instead of what the handler returns.
    pub(super) written: RefCell<Option<String>>,
}

impl Call<'_> {
    /// A part of the path.
    pub(super) fn part(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// Tells something beside the data.
    pub(super) fn tell(&self, key: &str, value: impl Into<Value>) {
        self.beside
            .borrow_mut()
            .insert(key.to_owned(), value.into());
    }

    /// Answers with a long list that is JSON text already: as `Value`s a thousand
    /// guests cost more than ten times as much.
    pub(super) fn written(&self, list: String) -> Value {
        *self.written.borrow_mut() = Some(list);
        Value::Null
    }

    /// The node of the path.
    pub(super) fn node(&self) -> &str {
        self.part("node")
    }

    /// The node that works for the call: that of the path, or the one that answers.
    fn worker(&self) -> String {
        let world = self.sim.world();
        let first = world.nodes.first().map_or("", |node| node.name.as_str());
        let own = self.path.get("node").map(String::as_str);
        own.unwrap_or(first).to_owned()
    }

    /// The VMID of the path.
    pub(super) fn vmid(&self) -> Result<u32, ApiError> {
        self.part("vmid")
            .parse()
            .map_err(|_| ApiError::param("vmid", "type check ('integer') failed"))
    }

    /// The VM or container of the path.
    pub(super) fn vm<'w>(&self, world: &'w World) -> Result<&'w Vm, ApiError> {
        guest_on(world, self.kind, self.node(), self.vmid()?)
    }

    /// The guest of the path, which may be missing.
    pub(super) fn guest(&self) -> Result<GuestId, ApiError> {
        Ok(self.guest_of(self.vmid()?))
    }

    /// A guest of the node and of the kind of the path.
    pub(super) fn guest_of(&self, vmid: u32) -> GuestId {
        GuestId {
            kind: self.kind,
            node: self.node().to_owned(),
            vmid,
        }
    }

    /// A path whose `{x}` are what the call says of them, in its path or beside it.
    pub(super) fn filled(&self, pattern: &str) -> String {
        let parts = pattern.split('/').map(|part| {
            let name = part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'));
            name.map_or(part, |name| match self.path.get(name) {
                Some(value) => value,
                None => self.params.text(name).unwrap_or_default(),
            })
        });
        parts.collect::<Vec<_>>().join("/")
    }

    /// Whether the caller has a privilege.
    pub(super) fn has(&self, world: &World, path: &str, privilege: &str) -> bool {
        acl::holds(world, &self.who.id, path, privilege)
    }

    /// Whether the caller has a privilege on a guest, to be asked of many.
    pub(super) fn on_guests(&self, world: &World, privilege: &str) -> impl Fn(u32) -> bool {
        acl::on_guests(world, &self.who.id, privilege)
    }

    /// Whether the caller has one of these.
    pub(super) fn has_any(&self, world: &World, path: &str, any: &[&str]) -> bool {
        any.iter().any(|name| self.has(world, path, name))
    }

    /// Refuses unless the caller has a privilege.
    pub(super) fn need(&self, world: &World, path: &str, privilege: &str) -> Result<(), ApiError> {
        self.need_any(world, path, &[privilege])
    }

    /// Refuses unless the caller has one of these.
    pub(super) fn need_any(&self, world: &World, path: &str, any: &[&str]) -> Result<(), ApiError> {
        if self.has_any(world, path, any) {
            return Ok(());
        }
        Err(ApiError::denied(&format!("{path}, {}", any.join("|"))))
    }

    /// Refuses unless the caller may give others rights on a path.
    pub(super) fn need_modify(&self, world: &World, path: &str) -> Result<(), ApiError> {
        self.need_any(world, path, acl::modifiers(path))
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
            node: self.worker(),
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

/// A guest of a node, or the error that every call on a missing one gets.
pub(super) fn guest_on<'w>(
    world: &'w World,
    kind: GuestKind,
    node: &str,
    vmid: u32,
) -> Result<&'w Vm, ApiError> {
    let found = world.vms.get(&vmid);
    found
        .filter(|vm| vm.node == node && vm.kind == kind)
        .ok_or_else(|| gone(kind, node, vmid))
}

/// The same, to change.
pub(super) fn guest_mut<'w>(
    world: &'w mut World,
    kind: GuestKind,
    node: &str,
    vmid: u32,
) -> Result<&'w mut Vm, ApiError> {
    let found = world.vms.get_mut(&vmid);
    found
        .filter(|vm| vm.node == node && vm.kind == kind)
        .ok_or_else(|| gone(kind, node, vmid))
}

fn gone(kind: GuestKind, node: &str, vmid: u32) -> ApiError {
    ApiError::die(format!(
        "Configuration file 'nodes/{node}/{}/{vmid}.conf' does not exist",
        kind.folder()
    ))
}

/// Refuses a guest that is locked.
pub(super) fn unlocked(vm: &Vm) -> Result<(), ApiError> {
    match &vm.lock {
        None => Ok(()),
        Some(lock) => Err(ApiError::die(format!(
            "{} is locked ({lock})",
            vm.kind.noun()
        ))),
    }
}
