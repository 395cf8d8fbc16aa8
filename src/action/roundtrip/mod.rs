//! The phases of `spec-vm-push-roundtrip`: a machine is made and told of its controller,
//! asks it, and is deleted.
//!
//! | file | what is in it |
//! |---|---|
//! | `machine` | the machine of an environment, and what it is told |
//! | `check` | `roundtrip.check`: all of that is there |
//! | `controller` | `controller.start`, `controller.stop` |
//! | `template` | `template.ready`: its template is on the node |
//! | `provision` | `machine.provision`: it is made |
//! | `reach` | `machine.reach`: it answers over ssh |
//! | `ask`, `discover.py` | `machine.ask`: it knows its controller, and reaches it |

mod ask;
mod check;
mod controller;
mod machine;
mod provision;
mod reach;
mod template;

pub use ask::MachineAsk;
pub use check::RoundtripCheck;
pub use controller::{ControllerStart, ControllerStop};
pub use provision::MachineProvision;
pub use reach::MachineReach;
pub use template::TemplateReady;
