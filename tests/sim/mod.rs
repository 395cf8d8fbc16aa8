//! The simulator over HTTPS, with a client that knows nothing of it.

mod access;
mod agent;
mod backups;
mod calls;
pub(crate) mod clients;
mod command;
mod container_lives;
mod containers;
mod disks;
pub(crate) mod faults;
mod files;
mod folders;
mod guests;
mod heal;
mod lives;
mod migrate;
mod networks;
mod page;
mod people;
mod settings;
mod snapshots;
mod snippets;
mod support;
mod tasks;
mod texts;
mod wire;
