//! The command line: the only place that knows it.

mod args;
mod main;
mod tail;

pub use main::main;
