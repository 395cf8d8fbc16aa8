//! The site-config with the real binary: `tree/` is a whole one, `expected/`
//! what each question about it is answered with.

mod check;
mod conventions;
mod docs;
mod faults;
mod golden;
mod large;
mod laws;
mod places;
mod repos;
mod schemas;
mod sinks;
pub(crate) mod stage;
