//! Ansible: the inventory from L2's outputs, and playbooks with progress and
//! a verdict from the statistics.

mod converge;
mod events;
mod inventory;
mod machine;
mod playbook;
mod site;
mod spec;

pub(super) use converge::{Playbook, check_syntax, converge};
pub use inventory::InventoryAction;
pub use machine::MachineInventory;
pub use playbook::PlaybookAction;
