//! `nodes/NODE.yaml`

use serde::Serialize;

/// What the resolver reads of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeFile {
    /// Name in Proxmox VE.
    pub node: String,
    /// The machine it runs on, when `hosts/` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `https://ADDRESS:8006`
    pub api_endpoint: String,
    /// Name in `api_tokens`.
    pub api_token: String,
    /// Storage for disks.
    pub datastore: String,
    /// Address for SSH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Who logs in there, when it is not root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_user: Option<String>,
}
