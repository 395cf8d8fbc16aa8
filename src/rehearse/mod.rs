//! Rehearsal: the user's lab, run for real where nothing real can be reached.

pub mod guest;
mod hidden;
mod seed;

pub use hidden::hidden_verb;
pub use seed::{invent_secret, seed};
