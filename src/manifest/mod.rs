//! Manifests: machines that are made, tested and destroyed together, as a graph.
//! Read, checked, ordered, resolved, drawn and planned; nothing here runs.
//!
//! What may stand in a file, and what its nodes may say of each other, is the
//! site's to know (`site::shape`, `Tree::check_manifest`): it has both forms, `nodes`
//! with parents and the older `levels` in a row, which are read as a chain.
//!
//! | file | what is in it |
//! |---|---|
//! | `model` | a manifest as types |
//! | `read` | a file to those types, once nothing is wrong with it |
//! | `keys` | keys of a node of a file, as types |
//! | `levels` | the older form, levels in a row, as nodes |
//! | `around` | what a manifest is held against: site-config, states, templates |
//! | `order` | who is made after whom |
//! | `resolve` | what each node is made from, and which file says so |
//! | `settings` | what a plan is made of besides its manifest |
//! | `limits` | how long a step may take |
//! | `machine` | a node as its steps are given it |
//! | `steps` | the phases of a node as steps |
//! | `plan` | the plan of `create`, `destroy`, `test` |
//! | `list` | the manifests of a site-config |
//! | `draw` | a manifest as a picture |

mod around;
pub mod draw;
mod keys;
mod levels;
mod limits;
mod list;
mod machine;
mod model;
mod order;
mod plan;
mod read;
mod resolve;
mod settings;
mod steps;

pub use around::Around;
pub use list::{Listed, list};
pub use model::{ManifestGraph, ManifestNode, Mode, NodeType, OnError, Pattern, Settings};
pub use plan::{on_host, plan};
pub use read::{ManifestFile, read, read_to_destroy};
pub use resolve::{check, explain, resolve, resolve_to_destroy};
pub use settings::PlanSettings;
