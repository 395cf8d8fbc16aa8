//! Listens to a run of a manifest and keeps its `execution.json`: before an id is used
//! it stands there, also when the run does not come to its end.

use std::collections::BTreeMap;

use super::execution::{Execution, NodeRecord, NodeStatus, seconds};
use crate::diag::Failure;
use crate::lab::Paths;
use crate::plan::{Event, EventKind, Listener, Plan, Tally};

/// Which manifest a run is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestOnHost {
    /// Its name.
    pub manifest: String,
    /// The host.
    pub host: String,
}

/// The listener.
#[derive(Debug)]
pub struct ExecutionKeeper {
    paths: Paths,
    plan: Plan,
    /// The places of each node's steps in the plan.
    steps: BTreeMap<String, Vec<usize>>,
    /// What was known of the nodes before this part of the run.
    before: BTreeMap<String, NodeRecord>,
    execution: Execution,
    tally: Tally,
}

impl ExecutionKeeper {
    /// Reads what is known.
    ///
    /// # Errors
    /// The record is there and cannot be read (65).
    pub fn new(paths: &Paths, plan: &Plan, of: &ManifestOnHost) -> Result<Self, Failure> {
        let mut execution = Execution::read(paths, &of.manifest, &of.host)?.unwrap_or_default();
        execution.manifest_name.clone_from(&of.manifest);
        execution.host_name.clone_from(&of.host);
        let mut steps: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, step) in plan.steps.iter().enumerate() {
            if let Some(machine) = &step.machine {
                steps.entry(machine.clone()).or_default().push(place);
            }
        }
        Ok(Self {
            paths: paths.clone(),
            plan: plan.clone(),
            before: execution.nodes.clone(),
            steps,
            execution,
            tally: Tally::default(),
        })
    }

    fn begin(&mut self, time: &str) -> Result<(), Failure> {
        self.execution.started_at = seconds(time);
        self.execution.completed_at = None;
        for name in self.steps.keys() {
            let known = self.execution.nodes.entry(name.clone());
            known.or_insert_with(|| NodeRecord {
                name: name.clone(),
                ..NodeRecord::default()
            });
        }
        self.execution.write(&self.paths)
    }

    fn look_at(&mut self, machine: &str) -> Result<(), Failure> {
        let places = self.steps.get(machine).into_iter().flatten();
        let steps = places.filter_map(|place| self.plan.steps.get(*place));
        let before = self.before.get(machine);
        let mut record = NodeRecord::of(machine, steps, &self.tally, before);
        if record.status == NodeStatus::Destroyed {
            record.vm_id = None;
        }
        if self.execution.nodes.get(machine) == Some(&record) {
            return Ok(());
        }
        self.execution.nodes.insert(machine.to_owned(), record);
        self.execution.write(&self.paths)
    }
}

impl Listener for ExecutionKeeper {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        let tells = match &event.kind {
            EventKind::StepStarted { .. }
            | EventKind::StepFinished(_)
            | EventKind::RunStarted(_)
            | EventKind::Resumed(_)
            | EventKind::RunFinished { .. } => true,
            EventKind::ChildStarted { .. }
            | EventKind::ChildExited { .. }
            | EventKind::Output { .. }
            | EventKind::Progress { .. }
            | EventKind::Warning { .. }
            | EventKind::ApprovalAsked { .. }
            | EventKind::ApprovalGiven { .. }
            | EventKind::StepRetried { .. }
            | EventKind::Interrupted { .. } => false,
        };
        if !tells {
            return Ok(());
        }
        self.tally.take(event);
        if event.kind.begins().is_some() {
            return self.begin(&event.time);
        }
        if let EventKind::RunFinished { .. } = event.kind {
            self.execution.completed_at = seconds(&event.time);
            return self.execution.write(&self.paths);
        }
        let step = event.step.as_ref().and_then(|id| self.plan.step(id));
        let Some(machine) = step.and_then(|step| step.machine.clone()) else {
            return Ok(());
        };
        self.look_at(&machine)
    }
}
