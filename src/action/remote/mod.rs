//! Work on this machine or, over OpenSSH, on another one: one way to say which, one
//! user, one `known_hosts`.

mod machine;
mod ssh;

pub(in crate::action) use machine::{Machine, Where};
pub(in crate::action) use ssh::Ssh;
