//! The machines of a step.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::diag::StepError;
use crate::pve::GuestKind;

/// How many are asked at once: a node has three workers for its API.
pub(super) const AT_ONCE: usize = 8;

/// A machine, as `tofu.apply` publishes it in `provisioned_vms`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Machine {
    /// Its name.
    pub(super) name: String,
    /// Its number.
    pub(super) vmid: u32,
    /// What it is: `vm` when absent, or `ct`.
    #[serde(default)]
    pub(super) kind: GuestKind,
    /// The Proxmox node that it is on.
    pub(super) node: String,
    /// Its fixed address, when it has one.
    #[serde(default)]
    pub(super) address: Option<String>,
}

impl Machine {
    /// `` `web-1` (VM 5101 on `pve`) ``
    pub(super) fn words(&self) -> String {
        let Self {
            name,
            vmid,
            kind,
            node,
            ..
        } = self;
        format!("`{name}` ({kind} {vmid} on `{node}`)")
    }
}

/// Many failures as one: each is named, each remedy is given once.
pub(super) fn together(what: &str, failures: Vec<StepError>) -> StepError {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else {
        return StepError::new(what);
    };
    let rest: Vec<StepError> = failures.collect();
    if rest.is_empty() {
        return first;
    }
    let mut all = StepError::new(format!("{what}: {} machines", rest.len() + 1))
        .exit(first.exit)
        .cause(first.cause);
    for failure in std::iter::once(first).chain(rest) {
        all.tail.push(failure.message);
        for help in failure.help {
            if !all.help.contains(&help) {
                all.help.push(help);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_failures_are_told_as_one() {
        let fails = |vmid: u32| StepError::new(format!("VM {vmid}")).help("look");
        let bad = [0, 10, 20, 30].map(fails).to_vec();
        let error = together("cannot be asked", bad);
        assert_eq!((error.tail.len(), error.help.len()), (4, 1));
        assert!(error.message.ends_with("4 machines"));
    }
}
