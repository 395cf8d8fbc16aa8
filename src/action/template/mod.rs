//! The steps of L1: checks, images, installers, promotion and pruning, over
//! [`crate::templates`].

pub(in crate::action) mod call;
mod catalog;
mod check;
mod image;
mod iso;
mod promote;
mod prune;
mod publish;

pub use check::TemplateCheck;
pub use image::TemplateImage;
pub use iso::IsoFetch;
pub use promote::Choose;
pub use prune::TemplatePrune;
pub use publish::TemplatePublish;
