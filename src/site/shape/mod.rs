//! What may stand in each file of a site-config.
//!
//! | file | what is in it |
//! |---|---|
//! | `target` | what the names in the files stand for |
//! | `forms` | addresses, names |
//! | `files` | the tables of site, nodes, hosts, environments, templates, presets, postures, specs |
//! | `manifests` | the tables of manifests, both forms |
//! | `table` | the table of a file; a file held against it |
//! | `schema` | the tables as JSON Schemas |

mod files;
mod forms;
mod manifests;
mod schema;
mod table;
mod target;

pub(super) use files::SITE;
pub(super) use forms::{is_label, vmid_range};
pub use schema::{SCHEMAS, schema};
pub(super) use table::{check, of};
pub(super) use target::{Record, Reference, Target};
