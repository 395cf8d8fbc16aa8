//! The inputs that say which machines a manifest has.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::action::tofu::NodeMachine;

/// What is done with the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verb {
    /// Its machines are made.
    Create,
    /// They are destroyed.
    Destroy,
    /// They are made, and then destroyed.
    Test,
}

/// A manifest on a host.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct OnHost {
    /// The manifest's name.
    #[schemars(length(max = 100))]
    pub(super) manifest: String,
    /// The host.
    #[schemars(length(max = 100))]
    pub(super) node: String,
    /// Its machines, in the order in which they are made.
    pub(super) machines: Vec<Given>,
}

/// A machine of a manifest.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Given {
    /// The machine itself.
    #[serde(flatten)]
    pub(super) machine: NodeMachine,
    /// The machine that it is in; without one it is on the host itself.
    #[serde(default)]
    pub(super) parent: Option<String>,
}

impl OnHost {
    /// The key of a node.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.manifest, self.node)
    }

    /// Whether the manifest has a machine of that name on the host itself.
    pub(super) fn names(&self, name: &str) -> bool {
        self.own().any(|given| given.machine.name == name)
    }

    /// Those on the host itself.
    pub(super) fn own(&self) -> impl Iterator<Item = &Given> {
        self.machines.iter().filter(|given| given.parent.is_none())
    }
}
