//! L2: machines by OpenTofu or Terraform, from a plan that was shown.
//!
//! `site.tfvars` turns an environment into variables, `tofu.init` makes a
//! working copy of the module, `tofu.plan` saves a plan and says what it would
//! do, `tofu.apply` applies that very file once, `tofu.outputs` hands the
//! machines on. The checkout is never written; the state lies in
//! `.states/ENV-NODE/`, everything else in `.build/tofu/ENV-NODE/`.

mod apply;
mod forget;
mod guard;
mod ids;
mod init;
mod node;
mod orphans;
mod outputs;
mod plan;
mod records;
mod stale_host_keys;
mod tfvars;
mod tool;
mod traps;
mod vars;
mod workspace;

pub use apply::Apply;
pub use forget::Forget;
pub(in crate::action) use ids::{choosing, fill, is_free};
pub use init::{Init, Validate};
pub(in crate::action) use node::NodeMachine;
pub use outputs::{Machine, Outputs, ReadOutputs, file as outputs_file, read as read_outputs};
pub use plan::MakePlan;
pub use records::{Records, records};
pub(in crate::action) use stale_host_keys::forget as forget_host_keys;
pub use tfvars::Tfvars;
pub(in crate::action) use traps::{drop_lock, renew};
pub(in crate::action) use workspace::{LOCK, VARIABLES, built, source_of};
