//! Scenarios from end to end: the real `hl`, the real packer.

mod checks;
mod context;
mod docs;
mod given;
mod hosts;
pub(crate) mod image;
mod lab;
mod limits;
mod packer;
mod roundtrip;
