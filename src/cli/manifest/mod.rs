//! `hl manifest`: manifests listed, checked, shown and drawn. None of it needs a
//! lab; where there is one, its states and templates count. And `hl create`,
//! `hl destroy` and `hl test`, which do.
//!
//! | file | what is in it |
//! |---|---|
//! | `args` | the verbs as clap sees them |
//! | `chosen` | which manifest is meant, and its text |
//! | `verb` | which verb runs, and what is around its manifest |
//! | `list` | `hl manifest list` |
//! | `check` | `hl manifest check` |
//! | `show` | `hl manifest show` |
//! | `graph` | `hl manifest graph` |
//! | `request` | `hl create`, `hl destroy`, `hl test` as a request |
//! | `kept` | what a test that failed leaves |

mod args;
mod check;
mod chosen;
mod graph;
mod kept;
mod list;
mod request;
mod show;
mod verb;

pub(super) use args::{ManifestArgs, ON_ERROR_OF_TEST, RunArgs};
pub(super) use kept::tell_kept;
pub(super) use request::request;
pub(super) use verb::manifest;
