//! L2 with the real OpenTofu and the real provider against the simulator, each
//! test in a network namespace of its own: a machine's address is probed, and
//! nothing must answer for it but what the test put there.

mod applies;
mod approvals;
mod containers;
mod faults;
mod guards;
mod interrupts;
mod late;
mod machines;
mod opens;
mod reconcile;
mod site;
pub(crate) mod stage;
mod traps;
mod wait;
