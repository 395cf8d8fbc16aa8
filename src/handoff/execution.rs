//! `.states/MANIFEST/HOST/execution.json`: where each node of a manifest stands on a
//! host, so that a later run knows its id, and whoever looks knows what there is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Applied, typed};
use crate::base::if_there;
use crate::diag::{Exit, Failure};
use crate::lab::{self, Paths};
use crate::plan::{Plan, Status, Step, StepRun, StepState, Tally};

/// A manifest on a host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// The manifest's name.
    pub manifest_name: String,
    /// The host.
    pub host_name: String,
    /// When the last run began, in seconds since 1970.
    pub started_at: Option<f64>,
    /// When it ended.
    pub completed_at: Option<f64>,
    /// Its nodes, by name.
    pub nodes: BTreeMap<String, NodeRecord>,
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    /// Its turn has not come, or it was cut off before its end.
    #[default]
    Pending,
    /// Its steps run.
    Running,
    /// It is as the manifest says.
    Completed,
    /// One of its steps failed.
    Failed,
    /// It was destroyed.
    Destroyed,
}

/// A node as far as it came.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: NodeStatus,
    /// Its id, once one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_id: Option<u32>,
    /// Its address, once it told one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// When its first step began, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<f64>,
    /// When its last step ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<f64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What steps of a node publish of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    vmid: Option<u32>,
    vm_ip: Option<String>,
    removed: bool,
}

impl Execution {
    /// Reads the record of a manifest on a host; `None` when there is none.
    ///
    /// # Errors
    /// It is there and cannot be read (65).
    pub fn read(paths: &Paths, manifest: &str, host: &str) -> Result<Option<Self>, Failure> {
        let path = file(paths, manifest, host);
        let wrong = |why: String| {
            let shown = paths.show(&path);
            Failure::message(Exit::Definition, format!("cannot read `{shown}`: {why}"))
                .help("remove it: ids are in the states beside it")
        };
        let text = if_there(std::fs::read(&path)).map_err(|error| wrong(error.to_string()))?;
        text.map(|text| serde_json::from_slice(&text))
            .transpose()
            .map_err(|error| wrong(error.to_string()))
    }

    /// Writes it, for its owner alone.
    ///
    /// # Errors
    /// It cannot be written (73).
    pub fn write(&self, paths: &Paths) -> Result<(), Failure> {
        let path = file(paths, &self.manifest_name, &self.host_name);
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        lab::write(&path, format!("{text}\n"), 0o600)
    }
}

fn file(paths: &Paths, manifest: &str, host: &str) -> camino::Utf8PathBuf {
    let key = format!("{manifest}/{host}");
    paths.tofu_state(&key).join("execution.json")
}

impl NodeRecord {
    /// What the `steps` of a node came to; `before` is what was known of it, which still
    /// holds while none of them has run.
    pub(super) fn of<'s>(
        name: &str,
        steps: impl Iterator<Item = &'s Step>,
        tally: &Tally,
        before: Option<&Self>,
    ) -> Self {
        // The id of one that was destroyed is free for others.
        let known = before.filter(|before| before.status != NodeStatus::Destroyed);
        let mut record = Self {
            name: name.to_owned(),
            vm_id: known.and_then(|known| known.vm_id),
            ip: known.and_then(|known| known.ip.clone()),
            ..Self::default()
        };
        let (mut all_done, mut running, mut removed) = (true, false, false);
        let mut any_ran = false;
        let mut begun = Vec::new();
        let mut ended = Vec::new();
        for step in steps {
            let Some(run) = tally.step(&step.id) else {
                all_done &= step.finally;
                continue;
            };
            any_ran |= has_run(run);
            begun.extend(run.started_at.as_deref().and_then(seconds));
            let Some(end) = &run.end else {
                all_done = false;
                running |= run.state == StepState::Running;
                continue;
            };
            ended.extend(seconds(run.ended_at()));
            if end.status == Status::Failed && record.error.is_none() {
                record.error = Some(end.summary.clone());
            }
            all_done &= step.finally || end.status.is_done();
            let outputs = || -> BTreeMap<String, Value> { end.outputs.clone() };
            let told: Told = typed(outputs());
            let applied: Applied = typed(outputs());
            let made = applied.provisioned_vms.unwrap_or_default();
            let made = made.iter().find(|vm| vm.name == name);
            record.vm_id = told.vmid.or(made.map(|vm| vm.vmid)).or(record.vm_id);
            record.ip = told.vm_ip.or(record.ip);
            removed |= told.removed;
        }
        if !any_ran {
            return before.cloned().unwrap_or(record);
        }
        record.started_at = begun.into_iter().reduce(f64::min);
        record.status = if running {
            NodeStatus::Running
        } else if removed {
            record.ip = None;
            NodeStatus::Destroyed
        } else if record.error.is_some() {
            NodeStatus::Failed
        } else if all_done {
            NodeStatus::Completed
        } else {
            NodeStatus::Pending
        };
        if !running {
            record.completed_at = ended.into_iter().reduce(f64::max);
        }
        record
    }
}

/// Whether a step did anything, or may have: one that was passed over did not.
fn has_run(run: &StepRun) -> bool {
    match run.end.as_ref().map(|end| end.status) {
        Some(Status::Succeeded | Status::Failed) => true,
        Some(Status::Skipped | Status::Blocked | Status::NotPlanned) => false,
        Some(Status::Cancelled) | None => run.started_at.is_some(),
    }
}

/// The nodes of a plan as far as they came, in the plan's order.
pub fn nodes(plan: &Plan, tally: &Tally) -> Vec<NodeRecord> {
    let mut order: Vec<&str> = Vec::new();
    let mut steps: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for step in &plan.steps {
        let Some(machine) = step.machine.as_deref() else {
            continue;
        };
        let known = steps.entry(machine).or_default();
        if known.is_empty() {
            order.push(machine);
        }
        known.push(step);
    }
    let record = |name: &str| {
        let own = steps.get(name).into_iter().flatten().copied();
        NodeRecord::of(name, own, tally, None)
    };
    order.into_iter().map(record).collect()
}

/// Seconds since 1970, to the millisecond.
pub(super) fn seconds(time: &str) -> Option<f64> {
    let time: jiff::Timestamp = time.parse().ok()?;
    Some(time.as_duration().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Event, EventKind, StepEnd, StepId};

    /// What a node is after steps that ended so; `true`: it had started.
    fn after(before: &NodeRecord, ends: &[(bool, StepEnd)]) -> NodeRecord {
        let event = |id: &StepId, kind| Event {
            time: "2026-01-02T03:04:05.000Z".to_owned(),
            step: Some(id.clone()),
            kind,
        };
        let (mut events, mut steps) = (Vec::new(), Vec::new());
        for (place, (started, end)) in ends.iter().enumerate() {
            let step = Step::new(StepId::new("web", &place.to_string()), "x");
            if *started {
                events.push(event(&step.id, EventKind::StepStarted { attempt: 1 }));
            }
            events.push(event(&step.id, EventKind::StepFinished(end.clone())));
            steps.push(step);
        }
        NodeRecord::of("web", steps.iter(), &Tally::of(&events), Some(before))
    }

    fn known(status: NodeStatus) -> NodeRecord {
        NodeRecord {
            name: "web".to_owned(),
            status,
            vm_id: Some(100),
            ip: Some("192.0.2.7".to_owned()),
            started_at: Some(1.0),
            completed_at: Some(2.0),
            error: None,
        }
    }

    fn end(status: Status) -> StepEnd {
        StepEnd::new(status, "so")
    }

    #[test]
    fn a_run_that_does_nothing_to_a_node_leaves_its_record() {
        for status in [
            NodeStatus::Completed,
            NodeStatus::Destroyed,
            NodeStatus::Failed,
        ] {
            let before = known(status);
            for ends in [
                vec![],
                vec![(false, end(Status::Blocked)), (false, end(Status::Skipped))],
                vec![(true, end(Status::Skipped))],
                vec![(false, end(Status::Cancelled))],
            ] {
                assert_eq!(after(&before, &ends), before, "{ends:?}");
            }
        }
        let cut = [(true, end(Status::Cancelled))];
        let record = after(&known(NodeStatus::Completed), &cut);
        assert_eq!(
            (record.status, record.vm_id),
            (NodeStatus::Pending, Some(100))
        );
    }

    #[test]
    fn an_id_of_a_machine_that_was_destroyed_does_not_come_back() {
        let ends = [
            (true, end(Status::Succeeded)),
            (false, end(Status::Blocked)),
        ];
        let record = after(&known(NodeStatus::Destroyed), &ends);
        assert_eq!((record.status, record.vm_id), (NodeStatus::Pending, None));
        let record = after(&known(NodeStatus::Completed), &ends);
        assert_eq!(record.vm_id, Some(100));
    }
}
