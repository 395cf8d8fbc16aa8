//! The machines that are known of an environment: what the last L2 handed on,
//! else what its state remembers.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::outputs::{Machine, collect, last, wants_machines};
use super::workspace::Target;
use crate::action::StepContext;
use crate::diag::StepError;
use crate::tofu::state::State;

/// What is known.
#[derive(Debug, Clone)]
pub enum Records {
    /// The environment wants machines, and the state holds none.
    None,
    /// It wants none, and there are none.
    Unwanted,
    /// The machines of the state.
    Known {
        /// By name.
        machines: BTreeMap<String, Machine>,
        /// When the state was last written.
        written: Option<SystemTime>,
    },
}

/// The machines of `env` on `node`.
///
/// # Errors
/// The state cannot be read, or the apply that made it did not come to its end.
pub fn records(ctx: &StepContext<'_>, env: &str, node: &str) -> Result<Records, StepError> {
    let target = Target {
        env: env.to_owned(),
        node: node.to_owned(),
        dir: None,
        key: None,
    };
    let key = target.key()?;
    let path = ctx.lab.paths.tofu_state(&key).join("terraform.tfstate");
    let state = State::read(&path)?;
    if state.vms.is_empty() {
        return Ok(if wants_machines(ctx.lab, &target) {
            Records::None
        } else {
            Records::Unwanted
        });
    }
    // What the machines told last stands for what the state remembers.
    let told: BTreeMap<String, Vec<String>> = last(ctx.lab, &key)
        .into_iter()
        .map(|(name, machine)| (name, machine.addresses))
        .collect();
    let outputs = collect(&target, &state, &told, &BTreeMap::new())
        .map_err(|incomplete| incomplete.into_error(ctx, &target.env))?;
    Ok(Records::Known {
        machines: outputs.vms,
        written: path.metadata().and_then(|meta| meta.modified()).ok(),
    })
}
