//! `hl sim` as a user starts it: variables for clients, worlds that are seeded, kept
//! and read, faults, and VMs that are SSH guests on loopback.

mod faults;
mod guests;
mod page;
mod ssh;
mod stage;
mod variables;
mod worlds;
