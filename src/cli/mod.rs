//! The command line: the only place that knows it.

mod main;

pub use main::main;
