//! The lab itself: its root and paths, its settings (`hl.toml`), the
//! environment its tools get, what must never be shown, and the lock.

mod cancel;
mod config;
mod environment;
mod paths;
mod redact;

pub use cancel::{Cancel, Cancelled};
pub use config::{Config, DopplerMode, DopplerSettings, LabSettings, SshSettings};
pub use environment::{Environment, Provenance, Var};
pub use paths::Paths;
pub use redact::Redactor;

/// A lab: where it is and what its `hl.toml` says.
#[derive(Debug, Clone)]
pub struct Lab {
    /// Where things are.
    pub paths: Paths,
    /// What `hl.toml` says.
    pub config: Config,
}
