//! The one integration binary: the real `hl` in a scrubbed environment.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arch;
mod engine;
mod environment;
mod layers;
mod sim;
