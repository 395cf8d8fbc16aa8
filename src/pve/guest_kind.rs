//! What a machine is: virtual machines and containers share their ids.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a machine is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum GuestKind {
    /// A virtual machine.
    #[default]
    Vm,
    /// A container.
    Ct,
}

impl GuestKind {
    /// Of a `type` in the API's lists: `qemu` or `lxc`.
    pub fn of_type(text: &str) -> Self {
        if text == "lxc" { Self::Ct } else { Self::Vm }
    }

    /// Whether it is a virtual machine, which most are.
    pub fn is_vm(&self) -> bool {
        *self == Self::Vm
    }

    /// The program of the node that manages it.
    pub fn program(self) -> &'static str {
        match self {
            Self::Vm => "qm",
            Self::Ct => "pct",
        }
    }

    /// Its part of the API's paths.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Vm => "qemu",
            Self::Ct => "lxc",
        }
    }
}

impl fmt::Display for GuestKind {
    /// As Proxmox VE calls it: `VM`, `CT`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Vm => "VM",
            Self::Ct => "CT",
        })
    }
}
