//! The plan of `hl access`: the access to a node is proved, then kept in
//! `state/proxmox.env`.

use serde_json::json;

use crate::plan::{OnFailure, Plan, Step, StepId};

/// What is proved before anything is kept, each after the one before it but the
/// last two. L0 checks more: this is what these five variables answer for.
const CHECKS: [(&str, &str, &str); 6] = [
    ("endpoint", "", "the node answers"),
    ("tls", "endpoint", "its certificate is trusted"),
    ("token", "tls", "the token is accepted"),
    ("node", "token", "the node exists and is online"),
    ("rights", "node", "the token may do what L1 and L2 do"),
    ("vm-storage", "node", "the storage for disks"),
];

/// The plan.
pub fn plan() -> Plan {
    let id = |name: &str| StepId::new("access", name);
    let mut steps: Vec<Step> = CHECKS
        .iter()
        .map(|(check, after, doc)| {
            let mut step = Step::new(id(check), "pve.check");
            (*doc).clone_into(&mut step.doc);
            step.with.insert("check".to_owned(), json!(check));
            step.needs = (!after.is_empty()).then(|| id(after)).into_iter().collect();
            step
        })
        .collect();
    let mut keep = Step::new(id("keep"), "pve.access");
    "state/proxmox.env".clone_into(&mut keep.doc);
    keep.needs = steps.iter().map(|step| step.id.clone()).collect();
    steps.push(keep);
    let mut plan = Plan::new("access", steps);
    plan.on_failure = OnFailure::Continue;
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_only_when_every_check_has_passed() {
        let plan = plan();
        let keep = plan.steps.last().unwrap();
        assert_eq!(keep.needs.len(), CHECKS.len());
        for (check, after, _) in CHECKS {
            assert!(
                after.is_empty() || CHECKS.iter().any(|(name, ..)| *name == after),
                "{check}"
            );
        }
        assert_eq!(plan.steps[0].with["check"], "endpoint");
    }
}
