//! `hl sim`: the Proxmox VE simulator on loopback, for trying things by hand. None of
//! it needs a lab.
//!
//! | file | what is in it |
//! |---|---|
//! | `args` | the verbs as clap sees them |
//! | `verb` | which verb runs |
//! | `serve` | `hl sim` |
//! | `report` | what is said of a server that ended |
//! | `guests` | the systems in its VMs |
//! | `open` | a world: kept, a rehearsal's, or a new one |
//! | `place` | the directory of a world, and who serves it |
//! | `ssh` | the command lines of its nodes |
//! | `access` | how a world is reached, and who may do everything |
//! | `exports` | the variables of each client; `hl sim export` |
//! | `reset` | `hl sim reset` |

mod access;
mod args;
mod exports;
mod guests;
mod open;
mod place;
mod report;
mod reset;
mod serve;
mod ssh;
mod verb;

pub(super) use args::SimArgs;
pub(super) use verb::sim;
