//! What may stand in each file, in one place: the checker, the JSON Schemas
//! and the suggestions read the same tables.
//!
//! | file | what is in it |
//! |---|---|
//! | `model` | a shape: type, keys, what a name refers to |
//! | `files` | the tables of site, nodes, hosts, environments, templates, presets, postures, specs |
//! | `manifests` | the tables of manifests, both forms |
//! | `schema` | the tables as JSON Schemas |
//! | `check` | holds a document against a table: types, keys, references |

mod check;
mod files;
mod manifests;
mod model;
mod schema;

pub(super) use check::{Reference, Target, check};
pub(super) use files::{ENV, FLAT_POSTURE, HOST, NODE, POSTURE, PRESET, SITE, SPEC, TEMPLATE};
pub(super) use manifests::manifest;
pub(super) use model::Record;
pub use schema::{SCHEMAS, schema};
