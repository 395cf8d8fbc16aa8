//! L1 with the real packer against the simulator: a template of its own that
//! needs no SSH, and the traps of packer and its plugin.

mod builds;
mod guests;
mod pins;
mod records;
mod stage;
mod traps;
