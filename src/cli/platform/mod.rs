//! `hl platform`: adapters and `platform.yaml` to files, and to a cluster.
//!
//! | file | what |
//! |---|---|
//! | `args` | the verbs as clap sees them |
//! | `verb` | which verb runs |
//! | `init`, `ask`, `answers` | `hl platform init` |
//! | `render` | `hl platform render` |
//! | `bootstrap` | `hl platform bootstrap` |
//! | `validate` | `hl platform validate` |
//! | `eject` | `hl platform eject` |
//! | `vacuum` | `hl platform vacuum` |
//! | `settled` | what a killed `hl` began is finished first |

mod answers;
mod args;
mod ask;
mod bootstrap;
mod eject;
mod init;
mod render;
mod settled;
mod vacuum;
mod validate;
mod verb;

pub(super) use args::{PlatformArgs, PlatformVerb};
pub(super) use verb::platform;
