//! A site-config to begin with: every file that one can have, with comments,
//! small, and valid as it is.
//!
//! | file | what is in it |
//! |---|---|
//! | `tree/` | the files |
//! | `files` | their names, modes and schemas |
//! | `write` | into a directory, without touching what is there |

mod files;
mod write;

pub(in crate::site) use files::secrets;
pub use files::{Starter, all, first_line};
pub use write::{Made, write, write_schema};
