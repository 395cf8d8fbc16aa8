//! The Proxmox VE API: a client with typed calls and typed errors, whom it
//! trusts, and what its tools are given so that they trust the same.
//!
//! Formats: the API viewer of Proxmox VE
//! (<https://pve.proxmox.com/pve-docs/api-viewer/>). A success is
//! `{"data": ...}`; an error carries its message in the HTTP status line.

mod address;
mod answer;
mod body;
mod client;
mod cluster;
mod endpoint;
mod error;
mod fingerprint;
mod guest_kind;
mod guests;
pub mod handshake;
pub mod https;
mod lenient;
mod path;
pub mod rights;
mod settings;
mod storage;
mod tasks;
mod tls;
mod transport;
pub mod trust;
mod types;
mod vms;

pub use address::BuildAddress;
pub use client::{Client, Param};
pub use endpoint::{DEFAULT_PORT, Endpoint};
pub use error::{BadSetting, Error, TlsProblem, Unreachable};
pub use fingerprint::Fingerprint;
pub use guest_kind::GuestKind;
pub use path::percent_encode;
pub use settings::{Settings, check_token_id};
pub use storage::Download;
pub use tasks::TaskEnd;
pub use tls::Policy;
pub use trust::{Trust, tool_env, write_bundle};
pub use types::{
    Appliance, Flag, LogLine, Network, Node, Permissions, Storage, Task, Upid, Version, Vm,
    VmConfig, VmStatus, Volume,
};
