//! packer: a template's files checked, and a template built from them.
//!
//! packer works in a copy under `.build/templates/NAME/`, so that neither `crash.log`
//! nor `packer_cache` is ever in the checkout. What it is told comes by
//! environment: `PKR_VAR_*`, and `PROXMOX_URL`, `PROXMOX_USERNAME`,
//! `PROXMOX_TOKEN`. Its word is not enough: it succeeds when the conversion
//! to a template failed, and it leaves machines behind when it fails.

mod base;
mod build;
mod manifest;
mod orphans;
mod takeover;
mod validate;
mod variables;
mod workspace;

pub use build::PackerBuild;
pub use validate::PackerValidate;
