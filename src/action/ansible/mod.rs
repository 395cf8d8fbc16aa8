//! Ansible: the inventory from L2's outputs, and playbooks with progress and
//! a verdict from the statistics.

mod events;
mod inventory;
mod playbook;
mod site;

pub use inventory::InventoryAction;
pub use playbook::PlaybookAction;
