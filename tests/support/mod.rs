//! Runs the real `hl` in a scrubbed environment and looks at what it did.

pub(crate) mod hl;
pub(crate) mod lab;
mod numbers;
mod schema;

pub(crate) use hl::{Hl, Ran};
pub(crate) use lab::TestLab;
pub(crate) use numbers::Numbers;
pub(crate) use schema::conforms;
