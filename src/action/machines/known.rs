//! What state, record and node say of a manifest's machines.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use super::given::OnHost;
use crate::action::StepContext;
use crate::action::mark;
use crate::action::tofu::{VARIABLES, built};
use crate::diag::StepError;
use crate::handoff::{Execution, NodeStatus};
use crate::pve::{self, Vm, VmConfig};
use crate::tofu::state::{STATE_FILE, State, keys_below};
use crate::tofu::summary;

/// What is known of a manifest on a host.
pub(super) struct Known {
    /// The states of its nodes, by name: also of nodes that it does not name any more.
    pub(super) states: BTreeMap<String, State>,
    /// Ids that were recorded, by name.
    pub(super) recorded: BTreeMap<String, u32>,
}

impl Known {
    /// Reads states and record.
    pub(super) fn read(ctx: &StepContext<'_>, on: &OnHost) -> Result<Self, StepError> {
        let on_host = format!("{}/{}", on.manifest, on.node);
        Self::of(ctx, on, keys_below(&ctx.lab.paths.states(), &on_host))
    }

    /// Reads the state of one node, and the record.
    pub(super) fn of_node(
        ctx: &StepContext<'_>,
        on: &OnHost,
        name: &str,
    ) -> Result<Self, StepError> {
        Self::of(ctx, on, [name.to_owned()])
    }

    fn of(
        ctx: &StepContext<'_>,
        on: &OnHost,
        names: impl IntoIterator<Item = String>,
    ) -> Result<Self, StepError> {
        let paths = &ctx.lab.paths;
        let mut states = BTreeMap::new();
        for name in names {
            let state = State::read(&paths.tofu_state(&on.key(&name)).join(STATE_FILE))?;
            states.insert(name, state);
        }
        let execution = Execution::read(paths, &on.manifest, &on.node)?.unwrap_or_default();
        // Of one that was destroyed the id is free for others.
        let nodes = execution.nodes.into_iter();
        let nodes = nodes.filter(|(_, node)| node.status != NodeStatus::Destroyed);
        let recorded = nodes.filter_map(|(name, node)| Some((name, node.vm_id?)));
        Ok(Self {
            states,
            recorded: recorded.collect(),
        })
    }

    /// The machine of a node in its state.
    pub(super) fn made(&self, name: &str) -> Option<&summary::Vm> {
        self.states.get(name)?.vms.get(name)
    }

    /// Machines in the state of a node that an earlier run than `run` made.
    pub(super) fn of_earlier_runs(&self, name: &str, run: &str, key: &str) -> Vec<String> {
        let vms = self
            .states
            .get(name)
            .into_iter()
            .flat_map(|s| s.vms.values());
        let earlier = vms.filter(|vm| {
            let description = vm.description.as_deref();
            description.is_some() && !mark::has(description, run, key)
        });
        earlier
            .map(|vm| format!("{} of its state", vm.id()))
            .collect()
    }

    /// Whether the state of a node holds anything.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.states
            .get(name)
            .is_some_and(|state| state.resources > 0)
    }
}

/// Ids under which a node may have been made: of its state, of its record, and of the
/// variables that were written for tofu.
pub(super) fn ids(ctx: &StepContext<'_>, key: &str, known: &Known, name: &str) -> BTreeSet<u32> {
    #[derive(Deserialize)]
    struct Vars {
        #[serde(default)]
        vms: BTreeMap<String, Id>,
        #[serde(default)]
        containers: BTreeMap<String, Id>,
    }
    #[derive(Deserialize)]
    struct Id {
        vmid: u32,
    }
    let state = known.states.get(name);
    let mut ids: BTreeSet<u32> = state
        .into_iter()
        .flat_map(|state| state.vms.values().filter_map(|vm| vm.vmid))
        .collect();
    ids.extend(known.recorded.get(name));
    let file = built(&ctx.lab.paths).join(key).join(VARIABLES);
    let text = std::fs::read(file).unwrap_or_default();
    if let Ok(vars) = serde_json::from_slice::<Vars>(&text) {
        let written = vars.vms.into_values().chain(vars.containers.into_values());
        ids.extend(written.map(|id| id.vmid));
    }
    ids
}

/// A machine as the node has it.
pub(super) struct OnNode<'a> {
    pub(super) client: &'a pve::Client,
    pub(super) vm: &'a Vm,
}

impl OnNode<'_> {
    /// `VM 5101`, `CT 5102`
    pub(super) fn words(&self) -> String {
        format!("{} {}", self.vm.guest(), self.vm.vmid)
    }

    /// Its settings; none when it is gone.
    pub(super) fn config(&self) -> Result<Option<VmConfig>, pve::Error> {
        let Vm { node, vmid, .. } = self.vm;
        match self.client.guest_config(self.vm.guest(), node, *vmid) {
            Ok(config) => Ok(Some(config)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether it has the mark of this run.
    pub(super) fn is_of(&self, run: &str, key: &str) -> Result<bool, pve::Error> {
        let config = self.config()?;
        let description = config.and_then(|config| config.text("description"));
        Ok(mark::has(description.as_deref(), run, key))
    }

    /// Stops it, where it runs, and deletes it with the disks that it refers to; no
    /// others, as these may be older than it. Its mark is read once more right before.
    pub(super) fn delete(&self, ctx: &StepContext<'_>, key: &str) -> Result<(), StepError> {
        let patience = Duration::from_mins(10);
        let wait = |task: &pve::Upid| self.client.wait_task(task, ctx.cancel, patience);
        let Vm { node, vmid, .. } = self.vm;
        let kind = self.vm.guest();
        let status = match self.client.guest_status(kind, node, *vmid) {
            Ok(status) => status,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if status.status == "running" {
            ctx.progress(format!("stopping {}", self.words()));
            let task = self.client.stop_guest(kind, node, *vmid)?;
            wait(&task)?;
        }
        ctx.progress(format!("deleting {}", self.words()));
        let Some(config) = self.config()? else {
            return Ok(());
        };
        if !mark::has(config.text("description").as_deref(), ctx.run_id, key) {
            return Err(StepError::new("it has no mark of this run any more"));
        }
        let task = match self.client.delete_guest(kind, node, *vmid, false) {
            Ok(task) => task,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        wait(&task)?;
        Ok(())
    }
}
