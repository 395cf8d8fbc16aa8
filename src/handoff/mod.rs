//! What steps hand to other tools and to later runs: `state/runtime.yaml`,
//! `state/runs/latest.env`, the catalog of templates.
//!
//! | file | about |
//! |---|---|
//! | `catalog` | `state/cache/templates/manifest.json` |
//! | `declared` | what a step hands on, as its action declares it |
//! | `execution` | `.states/MANIFEST/HOST/execution.json`: the nodes of a manifest |
//! | `execution_keeper` | keeps it while a run goes on |
//! | `last_step` | the words of `LAST_STEP_COMPLETED` |
//! | `latest` | `state/runs/latest.env` |
//! | `publication` | which steps publish, and what `LAST_STEP_COMPLETED` says |
//! | `publish` | keeps `latest.env` and `runtime.yaml` while a run goes on |
//! | `runtime` | `state/runtime.yaml`: what is true now |

mod catalog;
mod declared;
#[cfg(test)]
mod declared_tests;
mod execution;
mod execution_keeper;
mod last_step;
pub mod latest;
mod publication;
mod publish;
mod runtime;

pub use catalog::{Catalog, FAMILIES, Image};
pub use declared::{Applied, Gives, Handoff, Handoffs, Hosts, Images, Inventory};
pub use declared::{Machines, Playbook, Provisioned, Removed, Stage, Workspace, typed};
#[cfg(test)]
pub(crate) use declared_tests::declared as assumed;
pub use execution::{Execution, NodeRecord, NodeStatus, nodes};
pub use execution_keeper::{ExecutionKeeper, ManifestOnHost};
pub use last_step::LastStep;
pub use latest::Latest;
pub use publish::{Identity, Publisher};
pub use runtime::{LastRun, Made, RUNTIME_VERSION, Runtime, VmInfo};
