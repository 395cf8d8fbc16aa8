//! Which Proxmox VE the simulator says it is, and the facts that depend on it.

use serde::{Deserialize, Serialize};

/// A release of Proxmox VE. The default is 9.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What `GET /version` says, e.g. `9.1.2`.
    pub version: String,
    /// The release, e.g. `9.1`.
    pub release: String,
    /// The repository id, eight hexadecimal digits.
    pub repoid: String,
    /// Major number of the release.
    pub major: u32,
}

impl Default for Profile {
    fn default() -> Self {
        Self::v9_1()
    }
}

impl Profile {
    /// Proxmox VE 9.1.
    pub fn v9_1() -> Self {
        Self {
            version: "9.1.2".to_owned(),
            release: "9.1".to_owned(),
            repoid: "9d436f37a0ac4172".to_owned(),
            major: 9,
        }
    }

    /// Proxmox VE 8.4.
    pub fn v8_4() -> Self {
        Self {
            version: "8.4.1".to_owned(),
            release: "8.4".to_owned(),
            repoid: "2a5fa54a8503f96d".to_owned(),
            major: 8,
        }
    }

    /// The QEMU that comes with it.
    pub(super) fn qemu(&self) -> &'static str {
        if self.major >= 9 { "10.1.2" } else { "9.2.0" }
    }

    /// Any of these rights lets a caller ping the guest agent.
    pub(super) fn agent_ping(&self) -> &'static [&'static str] {
        if self.major >= 9 {
            &[
                "VM.GuestAgent.Audit",
                "VM.GuestAgent.FileRead",
                "VM.GuestAgent.FileWrite",
                "VM.GuestAgent.FileSystemMgmt",
                "VM.GuestAgent.Unrestricted",
            ]
        } else {
            &["VM.Monitor"]
        }
    }
}
