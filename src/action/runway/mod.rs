//! The checks of L0: everything that the later layers will use, looked at
//! before they use it. They only read: GET requests, connections that carry
//! nothing, `--version` of tools. Each failure says what to do about it, and
//! ends with the runway's exit code.

mod access;
mod address;
mod check;
mod connection;
mod environment;
mod host;
mod key;
mod rights;
mod storage;
mod tool;
mod version;

pub use access::PveAccess;
pub use check::PveCheck;
pub use tool::ToolCheck;
