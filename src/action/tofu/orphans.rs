//! After an apply that did not end well: machines on the node that no state
//! holds. An interrupted clone goes on at the node, and tofu may never have
//! heard of it (measured).

use super::workspace::Workspace;
use crate::action::StepContext;
use crate::diag::{Advice, say};
use crate::pve;
use crate::tofu::summary::Summary;
use crate::tofu::{state, state::State};

/// A machine in no state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Orphan {
    pub(super) vmid: u32,
    name: String,
    node: String,
    kind: pve::GuestKind,
    status: String,
    lock: Option<String>,
}

impl Orphan {
    /// What it is.
    pub(super) fn words(&self) -> String {
        let Self {
            vmid,
            name,
            node,
            kind,
            status,
            ..
        } = self;
        let lock = self
            .lock
            .as_ref()
            .map_or_else(String::new, |lock| format!(", locked: {lock}"));
        // A machine that is just being cloned has no name yet.
        let name = if name.is_empty() {
            String::new()
        } else {
            format!(" `{name}`")
        };
        format!("{kind} {vmid}{name} on `{node}` is in no state ({status}{lock})")
    }

    /// What to do.
    pub(super) fn help(&self) -> Advice {
        let Self {
            vmid, node, kind, ..
        } = self;
        let program = kind.program();
        let wait = if self.lock.is_some() {
            "wait until the node has finished, then "
        } else {
            ""
        };
        say(format!("{wait}look at {kind} {vmid} and remove it: "))
            .on_node(node, format!("{program} destroy {vmid} --purge"))
    }
}

/// Compares the node with the state: those that the plan was to make, and
/// those that carry this environment's tags. `Err`: it could not be asked.
pub(super) fn find(
    ctx: &StepContext<'_>,
    space: &Workspace,
    env: &str,
    summary: &Summary,
) -> Result<Vec<Orphan>, String> {
    // Not cancellable: the user has to know, also after Ctrl-C.
    let resources = ctx
        .lasting_pve()
        .and_then(|client| client.cluster_resources_vms())
        .map_err(|error| error.to_string())?;
    let states = state::all(&ctx.lab.paths.states());
    // One that cannot be read is no proof that a machine is lost.
    State::read(&space.state).map_err(|error| error.message)?;
    Ok(among(&resources, &states, env, summary))
}

fn among(
    resources: &[pve::Vm],
    states: &[(String, State)],
    env: &str,
    summary: &Summary,
) -> Vec<Orphan> {
    let made: Vec<u32> = planned(summary).collect();
    let ours = |vm: &pve::Vm| {
        let tags: Vec<&str> = vm
            .tags
            .as_deref()
            .unwrap_or_default()
            .split([';', ',', ' '])
            .collect();
        made.contains(&vm.vmid) || (tags.contains(&"hl") && tags.contains(&env))
    };
    let held = |vmid: u32| {
        states
            .iter()
            .any(|(_, state)| state.with_vmid(vmid).is_some())
    };
    resources
        .iter()
        .filter(|vm| ours(vm) && !vm.template && !held(vm.vmid))
        .map(|vm| Orphan {
            vmid: vm.vmid,
            name: vm.name.clone().unwrap_or_default(),
            node: vm.node.clone(),
            kind: vm.guest(),
            status: vm.status.clone(),
            lock: vm.lock.clone(),
        })
        .collect()
}

/// Ids of the machines that a plan makes.
pub(super) fn planned(summary: &Summary) -> impl Iterator<Item = u32> {
    summary.made().filter_map(|(_, vm)| vm.vmid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tofu::summary::Kind;
    use crate::tofu::{summary::Change, summary::Vm};

    #[test]
    fn a_machine_of_the_plan_or_with_our_tags_in_no_state_is_an_orphan() {
        let vm = |vmid: u32| Vm {
            vmid: Some(vmid),
            ..Vm::default()
        };
        let add = |vmid: u32| Change {
            address: String::new(),
            name: "x".to_owned(),
            kind: Kind::Add,
            before: None,
            after: Some(vm(vmid)),
            details: Vec::new(),
        };
        let summary = Summary {
            changes: vec![add(5101), add(5102)],
            ..Summary::default()
        };
        let mut state = State::default();
        state.vms.insert("a".to_owned(), vm(5102));
        let resources: Vec<pve::Vm> = serde_json::from_value(json!([
            {"vmid": 5101, "node": "pve", "type": "qemu", "status": "stopped", "lock": "clone"},
            {"vmid": 5102, "node": "pve", "type": "qemu", "status": "running", "tags": "dev;hl"},
            {"vmid": 5103, "node": "pve", "type": "qemu", "status": "running", "name": "web", "tags": "dev;hl"},
            {"vmid": 5104, "node": "pve", "type": "qemu", "status": "running", "tags": "hl;prod"},
            {"vmid": 9000, "node": "pve", "type": "qemu", "status": "stopped", "template": 1, "tags": "dev;hl"},
            {"vmid": 100, "node": "pve", "type": "qemu", "status": "running"},
            {"vmid": 5105, "node": "pve", "type": "lxc", "status": "running", "name": "cache", "tags": "dev;hl"},
        ]))
        .unwrap();
        let found = among(
            &resources,
            &[("dev-pve".to_owned(), state)],
            "dev",
            &summary,
        );
        let ids: Vec<_> = found.iter().map(|orphan| orphan.vmid).collect();
        assert_eq!(ids, [5101, 5103, 5105]);
        assert!(found[2].words().starts_with("CT 5105 `cache`"));
        let help = |at: usize| found[at].help().text(crate::diag::Commands::Live);
        assert!(found[0].words().contains("locked: clone") && help(0).starts_with("wait"));
        assert!(help(1).contains("qm destroy 5103 --purge"));
        assert!(help(2).contains("pct destroy 5105 --purge"));
    }
}
