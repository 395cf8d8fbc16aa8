//! What the node says of machines, where it can be asked: one question for all
//! of them, and one more for each that the answer does not name.

use std::collections::BTreeMap;

use crate::action::StepContext;
use crate::action::tofu::Machine;
use crate::diag::{Cause, StepError};
use crate::pve;

/// Seconds in which a machine that was started may still be booting.
const BOOTING: u64 = 600;

/// What became of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::action) enum Fate {
    /// No machine has its id any more.
    Gone,
    /// It is there and does not run.
    Stopped,
    /// It was started a moment ago.
    Booting,
    /// It runs.
    Running,
    /// The node does not say; why.
    Unknown(String),
}

/// The fate of each of these machines, by name.
///
/// # Errors
/// The run is being stopped.
pub(in crate::action) fn fates<'a>(
    ctx: &StepContext<'_>,
    machines: &BTreeMap<&'a str, &Machine>,
) -> Result<BTreeMap<&'a str, Fate>, StepError> {
    let all = |why: &str| {
        let unknown = |name: &&'a str| (*name, Fate::Unknown(why.to_owned()));
        machines.keys().map(unknown).collect()
    };
    let client = match ctx.pve() {
        Ok(client) => client,
        Err(error) => return Ok(all(&error.to_string())),
    };
    let listed = match client.cluster_resources_vms() {
        Ok(listed) => listed,
        Err(error @ pve::Error::Cancelled) => return Err(error.into()),
        Err(error) => return Ok(all(&error.to_string())),
    };
    let mut fates = BTreeMap::new();
    for (name, machine) in machines {
        let fate = match listed.iter().find(|vm| vm.vmid == machine.vmid) {
            // Ids are shared: one of the other kind is another machine.
            Some(vm) if vm.guest() != machine.kind => Fate::Gone,
            Some(vm) => standing(&vm.status, vm.uptime),
            // A token sees only what it may audit: the answer proves nothing yet.
            None => match client.guest_status(machine.kind, &machine.node, machine.vmid) {
                Ok(vm) => standing(&vm.status, vm.uptime),
                Err(error) if error.is_not_found() => Fate::Gone,
                Err(error) => {
                    let error = StepError::from(error);
                    if error.cause == Cause::Cancelled {
                        return Err(error);
                    }
                    Fate::Unknown(error.message)
                }
            },
        };
        fates.insert(*name, fate);
    }
    Ok(fates)
}

fn standing(status: &str, uptime: u64) -> Fate {
    match status {
        "running" if uptime < BOOTING => Fate::Booting,
        "running" => Fate::Running,
        "stopped" => Fate::Stopped,
        other => Fate::Unknown(format!("the node calls it `{other}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_was_just_started_is_booting() {
        assert_eq!(standing("running", 12), Fate::Booting);
        assert_eq!(standing("running", 86_400), Fate::Running);
        assert_eq!(standing("stopped", 0), Fate::Stopped);
        assert!(matches!(standing("unknown", 0), Fate::Unknown(_)));
    }
}
