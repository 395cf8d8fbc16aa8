//! What is no lab: text, files, processes and signals.
//!
//! | file | what |
//! |---|---|
//! | `cancel` | the flag that stops a run |
//! | `child` | programs that must answer within a limit |
//! | `closed_port` | for tests: a port that refuses |
//! | `core_dump` | this process writes none |
//! | `digest` | SHA-256 of files and bytes |
//! | `drawing` | texts in pictures of graphs |
//! | `json` | JSON in which unseen characters stand as `\uXXXX`; the texts in a value |
//! | `network` | hosts with a port |
//! | `private` | files for the owner alone, opened without following links |
//! | `process` | processes, recognised even when their number is reused |
//! | `queued` | a writer that keeps nobody waiting |
//! | `signals` | what the user says by signal |
//! | `text` | text without what a terminal does not show |
//! | `there` | what may not be there |
//! | `unseen` | what a terminal does not show: escape sequences, control and invisible characters |
//! | `words` | durations, counts, lists and shell words |

mod cancel;
mod child;
#[cfg(test)]
mod closed_port;
mod core_dump;
mod digest;
mod drawing;
pub mod json;
mod network;
mod private;
mod process;
mod queued;
mod signals;
mod text;
mod there;
mod unseen;
mod words;

pub use cancel::{Cancel, Cancelled};
pub use child::output;
#[cfg(test)]
pub(crate) use closed_port::closed_port;
pub use core_dump::forbid_core_dumps;
pub use digest::{digest, hex};
pub use drawing::{arms, dot_text, mermaid_text};
pub use network::host_port;
pub use private::{
    no_links, private_append, private_new, private_read, private_reopen, private_update, remedy,
};
pub use process::{HOLDER, Process, boot_id};
pub use queued::Queued;
pub use signals::{Signal, StopSource, Watch, catch_signals};
pub use text::sanitize;
pub use there::if_there;
pub use unseen::{Unseen, has_unseen, is_invisible, unseen, width};
pub use words::{Lines, count, has_word, quoted, short_duration, ticked};
