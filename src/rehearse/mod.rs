//! Rehearsal: the user's lab, run for real where nothing real can be reached.

mod seed;

pub use seed::{invent_secret, seed};
