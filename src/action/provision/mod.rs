//! Machines are made what a lab needs: nodes, with a user, with `hl` on them.
//!
//! | file | what it is about |
//! |---|---|
//! | `target` | which machine is meant, and its inventory |
//! | `playbook` | `host.playbook`: one of L0's playbooks on it |
//! | `install` | `pve.install`: it becomes a Proxmox VE |
//! | `node_config` | `node.config`: `nodes/HOST.yaml`, and the token in the secrets |
//! | `bootstrap` | `host.bootstrap`: `hl` is installed on it |
//! | `verify` | `host.verify`: what was installed on it is there |
//! | `chain` | `ssh.chain`: machines behind machines answer |

mod bootstrap;
mod chain;
mod install;
mod node_config;
mod playbook;
mod target;
mod verify;

pub use bootstrap::HostBootstrap;
pub use chain::SshChain;
pub use install::PveInstall;
pub use node_config::NodeConfig;
pub use playbook::HostPlaybook;
pub use verify::HostVerify;
