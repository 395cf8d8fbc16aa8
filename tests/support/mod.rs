//! Runs the real `hl` in a scrubbed environment and looks at what it did.

pub mod hl;
pub mod lab;

pub use hl::{Hl, Ran};
pub use lab::TestLab;
