//! Listens to a run and keeps `latest.env` and `runtime.yaml`: at its start,
//! after each step that changes what they say, and at its end.
//!
//! A dry run touches of `latest.env` only what is about the run itself, and
//! nothing of `runtime.yaml`: what a live run relies on stays as it left it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::latest;
use super::latest::Latest;
use super::publication::{Ended, Publications};
use super::runtime::{LastRun, Made, Runtime, VmInfo};
use super::{Applied, Catalog, Gives, Handoffs, Images, Inventory, Machines, Provisioned};
use super::{Removed, Workspace, typed};
use crate::diag::Failure;
use crate::lab::{Paths, Redactor};
use crate::plan::{
    Event, EventKind, Listener, Outcome, Plan, RunInfo, Status, Step, StepEnd, StepId,
};

/// Which node a run works on; none of it is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `https://host:port`
    pub api_url: Option<String>,
    /// Name of the node.
    pub node: Option<String>,
    /// Name of the API token.
    pub token_id: Option<String>,
}

/// The listener.
#[derive(Debug)]
pub struct Publisher {
    paths: Paths,
    plan: Plan,
    identity: Identity,
    flags: BTreeMap<String, Value>,
    redactor: Redactor,
    latest: Latest,
    /// Absent in a dry run.
    runtime: Option<Runtime>,
    publications: Publications,
    handoffs: Handoffs,
    /// Where tofu works, by recipe, or by node of a manifest.
    spaces: BTreeMap<String, Workspace>,
    run: String,
    /// Environments of which nothing was known before this run.
    added: BTreeSet<String>,
    /// Steps that were begun in this part of the run.
    begun: BTreeSet<StepId>,
    /// The first step that was cancelled before it began, and why.
    unstarted: Option<(StepId, String)>,
    saved: (Option<Latest>, Option<Runtime>),
    notice: Option<String>,
}

impl Publisher {
    /// Reads what is published so far. `handoffs` are those of the plan's steps,
    /// `flags` those that change what the run does.
    ///
    /// # Errors
    /// `runtime.yaml` was written by a newer `hl` (76) or cannot be read (65).
    pub fn new(
        paths: &Paths,
        plan: &Plan,
        dry_run: bool,
        handoffs: Handoffs,
        identity: Identity,
        flags: BTreeMap<String, Value>,
        redactor: &Redactor,
    ) -> Result<Self, Failure> {
        let runtime = if dry_run {
            None
        } else {
            Some(Runtime::read(paths)?.unwrap_or_default())
        };
        let (latest, notice) = match Latest::read(paths) {
            Ok(latest) => (latest.unwrap_or_default(), None),
            // It can be written anew from what is true, so it stops nobody.
            Err(failure) => (
                Latest::default(),
                Some(format!("{failure}; `latest.env` is written again")),
            ),
        };
        Ok(Self {
            paths: paths.clone(),
            plan: plan.clone(),
            identity,
            flags,
            redactor: redactor.clone(),
            latest,
            runtime,
            publications: Publications::of(plan, &handoffs, dry_run),
            handoffs,
            spaces: BTreeMap::new(),
            run: String::new(),
            added: BTreeSet::new(),
            begun: BTreeSet::new(),
            unstarted: None,
            saved: (None, None),
            notice,
        })
    }

    /// What was odd about the files as they were.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    fn is_dry(&self) -> bool {
        self.runtime.is_none()
    }

    fn put(&mut self, key: &str, value: &str) {
        let value = self.redactor.text(value);
        self.latest.set(key, value);
    }

    fn begin(&mut self, info: &RunInfo, time: &str) {
        self.run.clone_from(&info.id);
        self.put(latest::RUN_ID, &info.id);
        self.put(latest::RUN_TIMESTAMP, time);
        self.put(latest::DRY_RUN, &info.dry_run.to_string());
        self.latest.unset(latest::FAILURE_STEP);
        self.latest.unset(latest::FAILURE_REASON);
        let Some(runtime) = &mut self.runtime else {
            return;
        };
        runtime.current_run_id = Some(info.id.clone());
        runtime.last_outcome = None;
        runtime.flags = std::mem::take(&mut self.flags);
        let Identity {
            api_url,
            node,
            token_id,
        } = self.identity.clone();
        for (key, value) in [
            (latest::PROXMOX_API_URL, api_url),
            (latest::PROXMOX_NODE, node),
            (latest::PROXMOX_TOKEN_ID, token_id),
        ] {
            if let Some(value) = value {
                self.put(key, &value);
            }
        }
        self.templates();
    }

    /// The templates as their catalog has them now.
    fn templates(&mut self) {
        let old: Vec<String> = self
            .latest
            .iter()
            .map(|(key, _)| key.to_owned())
            .filter(|key| key.starts_with("TEMPLATE_") && key.ends_with("_IMAGE"))
            .collect();
        for key in old {
            self.latest.unset(&key);
        }
        for (key, value) in Catalog::read(&self.paths).variables() {
            self.put(&key, &value);
        }
    }

    fn started(&mut self, step: &Step) {
        self.begun.insert(step.id.clone());
        let space = self.spaces.get(step.id.recipe()).cloned();
        if self.gives(step) == Some(Gives::Applied)
            && let Some(Workspace {
                key,
                workdir,
                state,
            }) = space
            && let Some(runtime) = &mut self.runtime
        {
            let added = &mut self.added;
            let made = runtime.environments.entry(key.clone()).or_insert_with(|| {
                added.insert(key);
                Made {
                    run: self.run.clone(),
                    state,
                    workdir,
                    ..Made::default()
                }
            });
            made.applying = Some(self.run.clone());
        }
    }

    fn ended(&mut self, step: &Step, well: bool, outputs: &BTreeMap<String, Value>) {
        if self.is_dry() {
            return;
        }
        let outputs = outputs.clone();
        match self.gives(step) {
            Some(Gives::Workspace) if well => {
                self.spaces
                    .insert(step.id.recipe().to_owned(), typed(outputs));
            }
            Some(Gives::Applied) => self.applied(step, well, typed(outputs)),
            Some(Gives::Machines) if well => self.machines(step, typed(outputs)),
            Some(Gives::Inventory) if well => {
                let Inventory { inventory } = typed(outputs);
                if let Some(path) = inventory {
                    self.put(latest::ANSIBLE_INVENTORY_PATH, &path);
                }
            }
            Some(Gives::Images) => self.templates(),
            Some(Gives::Removed) => {
                let Removed { key, removed } = typed(outputs);
                if let Some(runtime) = self.runtime.as_mut().filter(|_| removed) {
                    runtime.environments.remove(&key);
                }
            }
            _ => {}
        }
    }

    fn gives(&self, step: &Step) -> Option<Gives> {
        self.handoffs.get(&step.id)?.gives
    }

    fn applied(&mut self, step: &Step, well: bool, told: Applied) {
        let space = self
            .spaces
            .get(step.id.recipe())
            .cloned()
            .unwrap_or_default();
        if well {
            for (key, value) in [
                (latest::TERRAFORM_WORKDIR, &space.workdir),
                (latest::TFSTATE_PATH, &space.state),
            ] {
                if let Some(value) = value {
                    self.put(key, value);
                }
            }
        }
        let of_recipe = |other: &&Step| other.id.recipe() == step.id.recipe();
        let destroys = |step: &Step| self.handoffs.get(&step.id).is_some_and(|it| it.destroys);
        let gone = well && self.plan.steps.iter().filter(of_recipe).any(destroys);
        let Some(runtime) = &mut self.runtime else {
            return;
        };
        let Some(made) = runtime.environments.get_mut(&space.key) else {
            return;
        };
        made.applying = None;
        // An apply removes the outputs before it changes anything.
        let outputs = made.outputs_json.clone();
        let stale = outputs
            .as_ref()
            .is_some_and(|path| !std::path::Path::new(path).exists());
        if stale {
            made.outputs_json = None;
            made.vms.clear();
        }
        if let Some(machines) = told.provisioned_vms {
            made.vms = machines
                .into_iter()
                .map(|machine| provisioned(machine, &made.vms))
                .collect();
        }
        // It was not approved, or failed before it made anything.
        let nothing = made.vms.is_empty() && made.outputs_json.is_none();
        let gone = gone || (!well && nothing && self.added.contains(&space.key));
        if gone {
            runtime.environments.remove(&space.key);
        }
        if (stale || gone) && self.latest.get(latest::TERRAFORM_OUTPUT_JSON) == outputs.as_deref() {
            self.latest.unset(latest::TERRAFORM_OUTPUT_JSON);
            if gone {
                self.latest.unset(latest::ANSIBLE_INVENTORY_PATH);
            }
        }
    }

    fn machines(&mut self, step: &Step, told: Machines) {
        for (key, value) in [
            (latest::TERRAFORM_OUTPUT_JSON, &told.outputs_json),
            (latest::TFSTATE_PATH, &told.state),
        ] {
            if let Some(value) = value {
                self.put(key, value);
            }
        }
        let (Some(key), Some(runtime)) = (told.key, &mut self.runtime) else {
            return;
        };
        let before = runtime.environments.get(&key);
        let space = self
            .spaces
            .get(step.id.recipe())
            .filter(|space| space.key == key);
        let workdir = space
            .and_then(|space| space.workdir.clone())
            .or_else(|| before?.workdir.clone());
        let made = Made {
            run: self.run.clone(),
            applying: None,
            state: told.state,
            workdir,
            outputs_json: told.outputs_json,
            vms: told.machines,
        };
        runtime.environments.insert(key, made);
    }

    fn fail(&mut self, step: &StepId, reason: &str) {
        // The first one is why the others did not run.
        if self.latest.get(latest::FAILURE_STEP).is_none() {
            self.put(latest::FAILURE_STEP, step.as_str());
            self.put(latest::FAILURE_REASON, reason);
        }
    }

    fn over(&mut self, outcome: Outcome, time: &str) {
        // The run was stopped while no step ran.
        if let Some((step, reason)) = self.unstarted.take() {
            self.fail(&step, &reason);
        }
        let recipe = self.plan.recipe.clone();
        let id = self.run.clone();
        if let Some(runtime) = &mut self.runtime {
            runtime.last_outcome = Some(outcome);
            if outcome == Outcome::Succeeded {
                runtime.last_successful_run = Some(LastRun {
                    id,
                    recipe,
                    finished_at: time.to_owned(),
                });
            }
        }
    }

    /// Writes what is not written yet.
    fn save(&mut self) -> Result<(), Failure> {
        if self.saved.0.as_ref() != Some(&self.latest) {
            self.latest.write(&self.paths)?;
            self.saved.0 = Some(self.latest.clone());
        }
        if let Some(runtime) = &self.runtime
            && self.saved.1.as_ref() != Some(runtime)
        {
            runtime.write(&self.paths)?;
            self.saved.1 = Some(runtime.clone());
        }
        Ok(())
    }
}

impl Listener for Publisher {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        let step = event.step.as_ref();
        let planned = step.and_then(|id| self.plan.step(id)).cloned();
        if let Some(info) = event.kind.begins() {
            self.begin(info, &event.time);
        } else if let (EventKind::StepStarted { .. }, Some(step)) = (&event.kind, &planned) {
            self.started(step);
        } else if let (EventKind::StepFinished(end), Some(step)) = (&event.kind, &planned) {
            let StepEnd {
                status, outputs, ..
            } = end;
            self.ended(step, status.is_done(), outputs);
            if *status == Status::Failed {
                self.fail(&step.id, &end.summary);
            } else if *status == Status::Cancelled {
                let reason = format!("cancelled: {}", end.summary);
                if self.begun.contains(&step.id) {
                    self.fail(&step.id, &reason);
                } else {
                    // Told before the end of the step that was interrupted.
                    self.unstarted.get_or_insert((step.id.clone(), reason));
                }
            }
            let images = self.is_dry() && self.gives(step) == Some(Gives::Images);
            let stale = || typed::<Images>(outputs.clone()).stale;
            let pending = images && (end.changed == Some(true) || stale());
            let how = Ended::of(*status, end.fingerprint.is_some(), pending);
            if let Some(last) = self.publications.end(&step.id, how) {
                self.put(latest::LAST_STEP_COMPLETED, last.as_str());
            }
        } else if let EventKind::RunFinished { outcome, .. } = &event.kind {
            self.over(*outcome, &event.time);
        } else {
            return Ok(());
        }
        self.save()
    }
}

/// Of a machine that gets its address by itself, what was known before is taken.
fn provisioned(told: Provisioned, before: &BTreeMap<String, VmInfo>) -> (String, VmInfo) {
    let Provisioned {
        name,
        vmid,
        node,
        address,
        kind: _,
    } = told;
    let fixed = address
        .as_deref()
        .and_then(|address| address.split('/').next());
    let address = fixed.filter(|address| *address != "dhcp").or_else(|| {
        let before = before.get(&name).filter(|before| before.vmid == vmid)?;
        Some(before.address.as_str())
    });
    let info = VmInfo {
        vmid,
        address: address.unwrap_or_default().to_owned(),
        node: node.unwrap_or_default(),
    };
    (name, info)
}

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
