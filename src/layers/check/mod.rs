//! Everything that can be wrong with layer files beyond their shape: all
//! findings are collected, so that one report tells them together.

mod circles;
mod inputs;
mod places;
mod recipes;
mod steps;
mod templates;

pub(super) use inputs::longest;
pub(super) use places::inner;
pub(super) use recipes::findings;
pub(super) use templates::secret;
