//! The variables of an invocation: read from where people put them, in a
//! fixed order, with the source of each and whether it must stay secret.
//!
//! The order, first wins: `--set`, the process environment, Doppler,
//! `state/proxmox.env` and `state/secrets.env`, `.env`, `[env]` in `hl.toml`,
//! and the documented default. A variable that is set but empty hides weaker
//! sources, and counts as not set.

mod alias;
mod assignment;
mod doppler;
pub(super) mod dotenv;
mod example;
mod files;
mod listing;
mod load;
mod loader;
mod options;
mod overlay;
mod resolved;

pub use alias::ALIASES;
pub use assignment::{assignment, read as read_assignments};
pub use example::example;
pub use listing::{Listed, list};
pub use load::{Loaded, load};
pub use loader::{LOADERS, is_loader};
pub use options::{DopplerUse, LoadOptions};
pub use resolved::{Environment, Nodes, Provenance, Var, process};
