//! What a step hands on to later runs and to other tools: declared by its action,
//! read by who publishes and reports. The names of outputs are the fields here.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{LastStep, VmInfo};
use crate::plan::StepId;

/// A part of a run that is published when it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The node and the tools.
    Access,
    /// Templates and installer images.
    Templates,
    /// Machines.
    Terraform,
    /// What runs on them.
    Ansible,
}

/// What a step hands on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Handoff {
    /// The stage that it is a part of.
    pub stage: Option<Stage>,
    /// What is published when its stage is complete; none where it makes nothing
    /// of the stage: reading outputs is no publication, applying is one.
    pub makes: Option<LastStep>,
    /// It plans to destroy all that there is.
    pub destroys: bool,
    /// What its outputs are.
    pub gives: Option<Gives>,
}

/// What the steps of a plan hand on.
pub type Handoffs = BTreeMap<StepId, Handoff>;

/// What the outputs of a step are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// Findings: it is a gate for what follows.
    Findings,
    /// A [`Workspace`].
    Workspace,
    /// [`Applied`]: it changes the machines of its recipe's workspace.
    Applied,
    /// [`Machines`].
    Machines,
    /// [`Inventory`].
    Inventory,
    /// [`Images`]: the catalog may have changed.
    Images,
    /// [`Hosts`]: it ran a [`Playbook`].
    Hosts,
    /// [`Removed`]: a machine of a manifest went.
    Removed,
}

impl Handoff {
    /// A part of a stage.
    pub fn part(stage: Stage) -> Self {
        Self {
            stage: Some(stage),
            ..Self::default()
        }
    }

    /// One that makes this of its stage.
    #[must_use]
    pub fn making(mut self, says: LastStep) -> Self {
        self.makes = Some(says);
        self
    }

    /// One with these outputs.
    #[must_use]
    pub fn giving(mut self, gives: Gives) -> Self {
        self.gives = Some(gives);
        self
    }
}

/// Where tofu works for one environment on one node; paths are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workspace {
    /// `ENV-NODE`
    pub key: String,
    /// Where it runs.
    pub workdir: Option<String>,
    /// Its state.
    pub state: Option<String>,
}

/// What an apply left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Applied {
    /// The machines that the state holds; none where that is not known.
    pub provisioned_vms: Option<Vec<Provisioned>>,
}

/// A machine as an apply tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provisioned {
    /// Its name.
    pub name: String,
    /// Its id.
    pub vmid: u32,
    /// The node it is on.
    pub node: Option<String>,
    /// Its fixed address, with its prefix; `dhcp` where it gets one by itself.
    pub address: Option<String>,
    /// `ct` of a container; none of a virtual machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// The machines of an environment, and where that is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machines {
    /// `ENV-NODE`
    pub key: Option<String>,
    /// The state, absolute.
    pub state: Option<String>,
    /// `outputs.json`, absolute.
    pub outputs_json: Option<String>,
    /// The machines by name.
    pub machines: BTreeMap<String, VmInfo>,
}

/// Where an inventory is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory {
    /// Absolute.
    pub inventory: Option<String>,
}

/// A node of a manifest that may be gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Removed {
    /// `MANIFEST/HOST/NODE`
    pub key: String,
    /// Nothing is left of it.
    pub removed: bool,
}

/// What is known of a template or an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Images {
    /// It is missing or out of date.
    pub stale: bool,
}

/// What a playbook was asked for: inputs of its step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Playbook {
    /// Its file.
    pub playbook: Option<Value>,
    /// Hosts.
    pub limit: Option<Value>,
    /// Tags.
    pub tags: Option<Value>,
    /// Changes nothing.
    pub check: Option<Value>,
}

/// What it did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hosts {
    /// Tasks that changed something, or would.
    pub changed: Option<Value>,
    /// Hosts that it ran on.
    pub hosts: Option<Value>,
}

/// Inputs or outputs as what they are; empty where they are not that.
pub fn typed<T: DeserializeOwned + Default>(
    values: impl IntoIterator<Item = (String, Value)>,
) -> T {
    let values: Map<String, Value> = values.into_iter().collect();
    serde_json::from_value(Value::Object(values)).unwrap_or_default()
}
