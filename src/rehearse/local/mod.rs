//! Where the inner `hl` and the local steps of a rehearsal run: processes, files
//! and rights of their own, so that no step reaches this machine.
//!
//! | file | what it is about |
//! |---|---|
//! | `process` | `hl __local`: PID 1, which runs the inner `hl` and takes signals for it |
//! | `files` | the file system that they see |
//! | `shown` | what is shown of home and temporary directories |

mod files;
mod process;
mod shown;

pub(super) use process::{Orders, main};
