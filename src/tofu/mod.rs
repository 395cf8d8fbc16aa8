//! OpenTofu and Terraform as data: a state, a plan's summary, the stream of an
//! apply, and the working directory's files. Runs no program.
//!
//! | file | what |
//! |---|---|
//! | `delta` | the attributes that a change changes |
//! | `events` | the lines of `-json` |
//! | `files` | a copy of a module, without what does not belong into it |
//! | `lock_file` | a lock file beside what its module asks for |
//! | `state` | the machines of a state file |
//! | `summary` | what a plan would do, as it is shown |

pub mod delta;
pub mod events;
pub mod files;
pub mod lock_file;
pub mod state;
pub mod summary;
