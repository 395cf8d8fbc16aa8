//! `hl manifest`: manifests listed, checked, shown and drawn. None of it needs a
//! lab; where there is one, its states and templates count.
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

mod args;
mod check;
mod chosen;
mod graph;
mod list;
mod show;
mod verb;

pub(super) use args::ManifestArgs;
pub(super) use verb::manifest;
