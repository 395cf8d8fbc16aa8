//! Virtual machines that were made: running, and where they are reached.
//!
//! | file | what |
//! |---|---|
//! | `given` | the machines of a step |
//! | `start` | `vm.start`: those that are stopped are started |
//! | `wait` | `vm.wait`: every guest agent tells its addresses |
//! | `address` | which of a guest's addresses lead to it |

mod address;
mod given;
mod start;
mod wait;

pub use start::VmStart;
pub use wait::VmWait;
