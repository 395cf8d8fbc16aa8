//! The real tofu with the bpg provider, and the real packer, against the
//! simulator. They are found by `scripts/tools`.

mod packer;
mod tofu;
mod tools;
