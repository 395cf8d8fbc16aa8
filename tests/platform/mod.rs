//! Platforms with the real binary: adapters and `platform.yaml` to files and runs.

mod answers;
mod bootstrap;
mod checks;
mod docs;
mod drift;
mod faults;
mod rehearsed;
mod render;
mod sets;
mod stage;
mod swap;
mod terminal;
