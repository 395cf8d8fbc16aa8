//! The real tofu with the bpg provider, the real packer, proxmoxer and
//! community.proxmox, against the simulator. They are found by `scripts/tools`.

#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod container_plays;
mod faults;
pub(crate) mod flows;
mod packer;
mod python;
mod tofu;
mod tofu_container;
mod tofu_network;
mod tofu_settings;
mod tools;
