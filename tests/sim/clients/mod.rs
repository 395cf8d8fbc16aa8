//! The real tofu with the bpg provider, and the real packer, against the
//! simulator. They are found by `scripts/tools`.

#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod faults;
mod packer;
mod tofu;
mod tofu_container;
mod tofu_settings;
mod tools;
