//! `hl site`: the site-config, found, checked, listed and resolved. None of it
//! needs a lab.
//!
//! | file | what is in it |
//! |---|---|
//! | `args` | the verbs as clap sees them |
//! | `verb` | which verb runs; the site-config that it works on |
//! | `secrets` | `hl site secrets` |
//! | `init` | `hl site init` |
//! | `generate` | `hl site node-config`, `hl site host-config` |
//! | `repos` | `hl site repos` |
//! | `place` | `hl site where` |
//! | `check` | `hl site check` |
//! | `names` | `hl site list` |
//! | `resolve` | `hl site resolve` |

mod args;
mod check;
mod generate;
mod init;
mod names;
mod open;
mod place;
mod repos;
mod resolve;
mod secrets;
mod verb;

pub(super) use args::SiteArgs;
pub(super) use check::conclude;
pub(super) use open::OpenSite;
pub(super) use resolve::origins;
pub(super) use verb::{find, site};
