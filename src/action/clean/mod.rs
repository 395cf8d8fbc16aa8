//! `clean.remove`: takes away what runs made, and never anything else.
//!
//! [`survey`] looks at a path and says what of it may go and what stays, and
//! why; `hl clean` shows that, and [`CleanRemove`] asks again before it acts.

mod guard;
mod mounts;
mod reason;
mod remove;
mod survey;
mod tfstate;
mod tracked;

pub use guard::protected;
pub use mounts::Mounts;
pub use reason::Reason;
pub use remove::{CleanRemove, bytes};
pub use survey::{Found, Surroundings, survey};
pub use tfstate::state_key;
pub use tracked::Tracked;
