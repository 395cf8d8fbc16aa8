//! `machines.check`: are the machines that a layer needs there?
//!
//! | file | what |
//! |---|---|
//! | `check` | the action |
//! | `fate` | what the node says of machines |
//! | `answer` | which machines answer on their ssh port |
//! | `half_made` | machines that an interrupted create or clone left |
//! | `peer` | whether the VPN's peer answers |
//! | `remedy` | the commands that help, as they can be typed |

mod answer;
mod check;
mod fate;
mod half_made;
mod peer;
mod remedy;

pub use check::Reconcile;
pub(super) use fate::{Fate, fates};
pub use remedy::{NAME, Remedy, typed};
