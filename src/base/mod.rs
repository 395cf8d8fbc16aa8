//! What is no lab: text as it may be shown, and JSON as it may be printed.
//!
//! | file | what |
//! |---|---|
//! | `unseen` | what a terminal does not show: escape sequences, control and invisible characters |
//! | `text` | text without it |
//! | `json` | JSON in which it stands as `\uXXXX` |
//! | `core_dump` | this process writes none |

mod core_dump;
pub mod json;
mod text;
mod unseen;

pub use core_dump::forbid_core_dumps;
pub use text::sanitize;
pub use unseen::{Unseen, has_unseen, is_invisible, unseen, width};
