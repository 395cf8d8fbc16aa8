//! The simulator over HTTPS, with a client that knows nothing of it.

mod access;
mod clients;
mod disks;
mod files;
mod guests;
mod heal;
mod lives;
mod people;
mod snapshots;
mod support;
mod tasks;
mod wire;
