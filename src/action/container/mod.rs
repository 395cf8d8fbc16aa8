//! Containers: what they are unpacked from.
//!
//! | file | what |
//! |---|---|
//! | `archive` | names of archives, and which is the newest |
//! | `template` | `ct.template`: the archive is on the node |

mod archive;
mod template;

pub use template::CtTemplate;
