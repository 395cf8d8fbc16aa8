//! The simulator over HTTPS, with a client that knows nothing of it.

mod access;
mod clients;
mod disks;
pub(crate) mod faults;
mod files;
mod guests;
mod heal;
mod lives;
mod support;
mod tasks;
mod wire;
