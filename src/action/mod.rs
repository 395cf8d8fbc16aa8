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
mod container;
mod context;
mod contract;
mod exec;
mod fault;
mod flag;
mod host;
mod image;
pub mod known_hosts;
mod limit;
mod machine;
mod machines;
mod mark;
mod packer;
pub mod platform;
mod probe;
mod provision;
mod pull;
pub mod reconcile;
mod registry;
mod remote;
mod repository;
mod roundtrip;
mod runway;
mod site;
mod ssh_host;
mod ssh_wait;
pub mod template;
pub mod tofu;

pub use about::{About, Undo};
pub use ansible::{InventoryAction, MachineInventory, PlaybookAction};
pub use basis::{Basis, Reads};
pub use command::Program;
pub use container::CtTemplate;
pub use context::{Emit, StepContext};
pub use contract::{Action, Approval, Done, Instead};
pub use exec::{Captured, ChildExit, ChildOutcome, ChildSpec, Exec, Line, Stop};
pub use host::{HostCheck, HostProbe};
pub use image::{ImageBuild, ImageDownload, ImageFetch, ImagePublish, ImageRemove, ImageSync};
pub use machine::{VmStart, VmWait};
pub use machines::{
    Approve as ManifestApprove, ClearMachine, Empty as ManifestEmpty, ForgetMachine, Inside,
    Left as ManifestLeft, Remove as RemoveMachine,
};
pub use packer::{PackerBuild, PackerValidate};
pub use provision::{HostBootstrap, HostPlaybook, HostVerify, NodeConfig, PveInstall, SshChain};
pub use pull::{PullClean, PullSnippet, PullWait, pull_findings};
pub use registry::{Registry, builtin, present_name};
pub use repository::RepoSync;
pub use roundtrip::{
    ControllerStart, ControllerStop, MachineAsk, MachineProvision, MachineReach, RoundtripCheck,
    TemplateReady,
};
pub use runway::{PveAccess, PveCheck, ToolCheck};
pub use ssh_wait::SshWait;
