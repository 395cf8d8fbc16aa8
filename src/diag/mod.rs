//! Errors as people read them: a message, a place in a file, what to do next,
//! and the exit code the process ends with.
//!
//! Modules with failures of their own define a `thiserror` enum next to the
//! code and turn it into a [`Failure`] at their border.

mod advice;
mod diagnostic;
mod exit;
mod failure;
mod render;
mod step_error;
mod suggest;

pub use advice::{Advice, Commands, hl, is_same_in_a_rehearsal, say};
pub use diagnostic::{Diagnostic, Place, Severity, Source};
pub use exit::{Exit, merge};
pub use failure::Failure;
pub use render::render;
pub use step_error::{Cause, StepError};
pub use suggest::{closest, did_you_mean};
