//! Templates and installer images: what a lab defines, what was built, what
//! is on the node, and which one is stable.
//!
//! Definitions are in the folder of one layer, records in `templates/NAME/`. The
//! notes of a template on the node say all that its record says, so records
//! that are lost are written again without a build.

mod build_in_progress;
mod clones;
mod digest;
mod fetch;
mod in_use;
mod inventory;
mod listing;
mod manifest;
pub mod node;
pub mod notes;
pub mod pin;
mod source;
mod store;
mod table;

pub use build_in_progress::{BuildInProgress, built};
pub use clones::clones;
pub use digest::inputs_digest;
#[cfg(test)]
pub(crate) use fetch::plain_client;
pub use fetch::{Fetch, Web};
pub use in_use::{pin_in_use, stable_iso};
pub use inventory::{Entry, TemplateInventory};
pub use listing::{BuildRow, TemplateRow, list, show, stable};
#[cfg(test)]
pub(crate) use manifest::sample;
pub use manifest::{IsoManifest, Manifest, Record, Stamp, VERSION};
pub use node::Found;
pub use notes::Notes;
pub use pin::Pin;
pub use source::{
    ImageSpec, Iso, IsoSpec, IsoUse, MachineSpec, Template, TemplateSpec, isos, templates,
};
pub use store::TemplateStore;
