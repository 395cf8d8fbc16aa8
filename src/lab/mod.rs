//! The lab itself: its root and paths, its settings (`hl.toml`), the
//! environment its tools get, what must never be shown, and the lock.
//!
//! Everything that comes from the outside (the working directory, the process
//! environment, the home directory) is an argument here, so that tests and
//! rehearsals can give their own; the command line reads the real ones.

mod accounts;
mod config;
pub mod controller;
pub mod environment;
mod hl_toml;
mod lock;
mod paths;
mod redact;
mod root;
mod secret_store;
mod settings;
pub mod spool;
pub mod ssh;
pub mod timeouts;
pub mod trace;
pub mod trust;
pub mod variables;
mod write;

pub use accounts::Accounts;
pub use config::{
    ApprovalSettings, Config, DopplerMode, DopplerSettings, LabSettings, NetworkSettings,
    ServeSettings, SshSettings,
};
pub use environment::{Environment, Provenance, Var};
pub use hl_toml::schema;
pub use lock::{Holder, Lock};
pub use paths::Paths;
pub use redact::{RedactStream, Redactor, mask_within, within};
pub use root::{Lab, locate};
pub use secret_store::{keep_secret, kept_secret};
pub use settings::{Setting, Settings, dry_run_variable};
pub use write::{create_dir, write};
