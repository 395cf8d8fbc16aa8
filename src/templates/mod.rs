//! Templates and installer images: what a lab defines, what was built, what
//! is on the node, and which one is stable.
//!
//! Definitions are in the folder of one layer, records in `templates/NAME/`. The
//! notes of a template on the node say all that its record says, so records
//! that are lost are written again without a build.

mod begun;
mod clones;
mod digest;
mod fetch;
mod in_use;
mod inventory;
mod known;
mod manifest;
pub mod node;
pub mod notes;
pub mod pin;
mod shelf;
mod source;
mod table;

pub use begun::{Begun, built};
pub use clones::clones;
pub use digest::inputs_digest;
pub use fetch::{Fetch, Web};
pub use in_use::{pin_in_use, stable_iso};
pub use inventory::{BuildRow, TemplateRow, list, show, stable};
pub use known::{Entry, Known};
#[cfg(test)]
pub(crate) use manifest::sample;
pub use manifest::{IsoManifest, Manifest, Record, Stamp, VERSION};
pub use node::Found;
pub use notes::Notes;
pub use pin::Pin;
pub use shelf::Shelf;
pub use source::{
    ImageSpec, Iso, IsoSpec, IsoUse, MachineSpec, Template, TemplateSpec, isos, templates,
};
