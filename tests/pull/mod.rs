//! Machines that ask for their spec and apply it, and containers beside them.

mod actions;
mod program;
mod rehearsal;
pub(crate) mod same;
