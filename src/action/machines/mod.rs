//! The machines of a manifest as a whole, and the end of one.
//!
//! | file | what |
//! |---|---|
//! | `given` | the inputs that say which machines there are |
//! | `known` | what state, record and node say of them |
//! | `approve` | `manifest.approve`: nothing begins before it says yes |
//! | `empty` | `manifest.empty`: a test begins where nothing of it is |
//! | `clear` | `machine.clear`: what an earlier part of this run left half-made goes |
//! | `remove` | `machine.remove`: what this very run made is taken away |
//! | `forget` | `machine.forget`: what is kept of a machine that was destroyed goes |
//! | `left` | `manifest.left`: nothing of it is left |
//! | `inside` | `machine.inside`: a machine in a Proxmox VE that is made first |

mod approve;
mod clear;
mod empty;
mod forget;
mod given;
mod inside;
mod known;
mod left;
mod remove;

pub use approve::Approve;
pub use clear::ClearMachine;
pub use empty::Empty;
pub use forget::ForgetMachine;
pub use inside::Inside;
pub use left::Left;
pub use remove::Remove;
