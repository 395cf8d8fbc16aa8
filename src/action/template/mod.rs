//! Templates and installer images: what a lab defines, what was built, what
//! is on the node, and which one is stable.
//!
//! Definitions are in `layers/l1-templates`, records in `templates/NAME/`. The
//! notes of a template on the node say all that its record says, so records
//! that are lost are written again without a build.

mod begun;
pub(in crate::action) mod call;
mod catalog;
mod check;
mod digest;
mod fetch;
mod image;
mod inventory;
mod iso;
mod known;
mod manifest;
pub(in crate::action) mod node;
pub(in crate::action) mod notes;
mod pin;
mod promote;
mod prune;
mod publish;
mod shelf;
mod source;

pub(in crate::action) use begun::Begun;
pub use check::TemplateCheck;
pub(in crate::action) use check::pin_in_use;
pub use digest::inputs_digest;
pub use fetch::{Fetch, Web};
pub use image::TemplateImage;
pub use inventory::{BuildRow, TemplateRow, list, show, stable};
pub use iso::IsoFetch;
pub use known::{Entry, Known};
pub use manifest::{IsoManifest, Manifest, Record, Stamp};
pub use node::Found;
pub use notes::Notes;
pub use pin::Pin;
pub use promote::{TemplatePromote, TemplateRollback};
pub use prune::TemplatePrune;
pub use publish::TemplatePublish;
pub use shelf::Shelf;
pub use source::{
    ImageSpec, Iso, IsoSpec, IsoUse, MachineSpec, Template, TemplateSpec, isos, templates,
};
