//! What a step can do: one file per tool, behind one trait.
//!
//! An action is given its inputs as JSON (`with` of the layer file), the lab,
//! the environment and an [`Exec`] to run children with. It returns what it
//! published, or a [`StepError`]. It never prints.

mod about;
mod ansible;
mod at_once;
mod basis;
pub mod clean;
mod command;
mod context;
mod contract;
mod exec;
mod fault;
pub mod known_hosts;
mod limit;
mod machine;
mod packer;
mod probe;
pub mod reconcile;
mod registry;
mod runway;
mod site;
mod ssh_wait;
pub mod template;
pub mod tofu;

pub use about::About;
pub use ansible::{InventoryAction, PlaybookAction};
pub use basis::{Basis, Reads};
pub use command::Program;
pub use context::{Emit, StepContext};
pub use contract::{Action, Approval, Done, Instead};
pub use exec::{Captured, ChildExit, ChildOutcome, ChildSpec, Exec, Line, Stop};
pub use machine::{VmStart, VmWait};
pub use packer::{PackerBuild, PackerValidate};
pub use registry::{Registry, builtin, present_name};
pub use runway::{PveAccess, PveCheck, ToolCheck};
pub use ssh_wait::SshWait;
