//! Containers: what they are unpacked from.
//!
//! | file | what |
//! |---|---|
//! | `archive` | names of archives, and which is the newest |
//! | `downloaded` | archives that a run let the node download, and taking them away |
//! | `template` | `ct.template`: the archive is on the node |

mod archive;
mod downloaded;
mod template;

pub(super) use downloaded::remove_downloads;
pub use template::CtTemplate;
