//! A manifest as types.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::OnFailure;

/// Machines that are made, tested and destroyed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestGraph {
    /// The name that its state is kept by.
    pub name: String,
    /// One line; may be empty.
    pub description: String,
    /// How its nodes lie.
    pub pattern: Pattern,
    /// How it is run.
    pub settings: Settings,
    /// In the order of the file; no node is in itself.
    pub nodes: Vec<ManifestNode>,
}

/// A machine of a manifest, as the file says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestNode {
    /// Unique in the manifest; the host name.
    pub name: String,
    /// What it is.
    pub kind: NodeType,
    /// The node that it is in, by its place in [`ManifestGraph::nodes`]; none: the
    /// target host.
    pub parent: Option<usize>,
    /// Its id; none: the file leaves it to a layer, else the cluster chooses.
    pub vmid: Option<u32>,
    /// The spec that it becomes.
    pub spec: Option<String>,
    /// How its spec is applied.
    pub mode: Mode,
}

/// How the nodes of a manifest lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// Side by side.
    Flat,
    /// Nodes in nodes.
    Tiered,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeType {
    /// A virtual machine.
    Vm,
    /// A container.
    Ct,
    /// A virtual machine that becomes a Proxmox VE of its own.
    Pve,
}

/// How a spec is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// From here.
    Push,
    /// The machine asks for it.
    Pull,
}

/// What becomes of the others when a node fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Nothing new starts.
    Stop,
    /// What this run made is undone.
    Rollback,
    /// What does not depend on it goes on.
    Continue,
}

/// How a manifest is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Log in on what was made.
    pub verify_ssh: bool,
    /// Remove what a failed test made.
    pub cleanup_on_failure: bool,
    /// In seconds.
    pub timeout_buffer: u32,
    /// When a node fails.
    pub on_error: OnError,
}

impl From<OnError> for OnFailure {
    fn from(mode: OnError) -> Self {
        match mode {
            OnError::Stop => Self::Stop,
            OnError::Rollback => Self::Rollback,
            OnError::Continue => Self::Continue,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            verify_ssh: true,
            cleanup_on_failure: true,
            timeout_buffer: 60,
            on_error: OnError::Stop,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Flat => "flat",
            Self::Tiered => "tiered",
        })
    }
}

impl fmt::Display for NodeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Vm => "vm",
            Self::Ct => "ct",
            Self::Pve => "pve",
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Push => "push",
            Self::Pull => "pull",
        })
    }
}
