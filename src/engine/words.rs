//! What is said when a run is stopped: what was done, what is waited for, and
//! what the next Ctrl-C would do.

use std::collections::BTreeMap;

use super::children::{Child, Deed, What};
use crate::base::short_duration;
use crate::lab::timeouts;
use crate::plan::StepId;

/// The first stop. `steps` are the running steps without a child.
pub(super) fn first(deeds: &[Deed], steps: &[StepId], finally: bool) -> String {
    let mut waits: Vec<String> = deeds.iter().map(patience).collect();
    waits.extend(steps.iter().map(|step| format!("step `{step}`")));
    let mut text = if waits.is_empty() {
        "stopping, nothing new is started".to_owned()
    } else {
        format!("stopping, waiting for {}", waits.join(", "))
    };
    if finally {
        text.push_str("; clean-up steps still run");
    }
    let (hurried, precious): (Vec<&Deed>, Vec<&Deed>) =
        deeds.iter().partition(|deed| deed.child.takes_sigterm);
    let names: Vec<String> = precious.iter().map(|deed| name(&deed.child)).collect();
    match (hurried.is_empty(), precious.is_empty()) {
        (false, true) => text.push_str("; Ctrl-C again to hurry"),
        (false, false) => {
            text.push_str("; Ctrl-C again to hurry all but ");
            text.push_str(&names.join(", "));
        }
        (true, false) => text.push_str("; Ctrl-C again does not hurry it"),
        (true, true) => {}
    }
    text
}

/// The second: what a third one would leave behind.
pub(super) fn second(deeds: &[Deed]) -> String {
    let mut parts = Vec::new();
    for deed in deeds {
        let child = name(&deed.child);
        parts.push(match deed.what {
            What::Terminated => format!("sent SIGTERM to {child}"),
            What::Interrupted => format!("asked {child} to stop"),
            What::Killed => format!("killed {child}"),
            What::StillWaiting => {
                format!("still waiting for {child}, which would lose what it is making")
            }
        });
    }
    if parts.is_empty() {
        return "still stopping; clean-up steps that have not started are left out".to_owned();
    }
    let precious: Vec<String> = deeds
        .iter()
        .filter(|deed| !deed.child.takes_sigterm)
        .map(|deed| name(&deed.child))
        .collect();
    let third = if precious.is_empty() {
        "a third Ctrl-C kills what is left".to_owned()
    } else {
        format!(
            "a third Ctrl-C kills {}: what it is making then stays behind (a VM, a lock) and is in no state",
            precious.join(", ")
        )
    };
    format!("{}; {third}", parts.join(", "))
}

/// A program of the user's has run for as long as others may.
pub(super) fn no_limit(step: &StepId, tiers: &BTreeMap<String, String>) -> String {
    let after = timeouts::default(tiers).map(short_duration);
    let after = after.unwrap_or_default();
    format!(
        "`{step}` has run for {after} and has no limit; `timeout = \"30m\"` in its step gives it one, `timeout = \"none\"` says that none is meant"
    )
}

/// The third.
pub(super) fn third(deeds: &[Deed]) -> String {
    if deeds.is_empty() {
        return "no child is left to kill; waiting for the steps themselves".to_owned();
    }
    let names: Vec<String> = deeds.iter().map(|deed| name(&deed.child)).collect();
    format!(
        "killed {}; what was being made may have stayed behind and be in no state",
        names.join(", ")
    )
}

/// A step's time is over.
pub(super) fn timeout(deeds: &[Deed]) -> String {
    if deeds.is_empty() {
        return "its time is over, it is asked to stop".to_owned();
    }
    let names: Vec<String> = deeds.iter().map(patience).collect();
    format!("its time is over, waiting for {}", names.join(", "))
}

/// A stopped child has used up its grace.
pub(super) fn overdue(deed: &Deed) -> String {
    let child = name(&deed.child);
    match deed.what {
        What::Terminated => format!(
            "{child} did not stop within {}: sent SIGTERM",
            short_duration(deed.child.grace)
        ),
        What::Killed => format!("{child} did not stop after SIGTERM: killed it and all it started"),
        What::Interrupted => format!("asked {child} to stop"),
        What::StillWaiting => format!(
            "{child} did not stop within {}; still waiting, because ending it by force would lose what it is making",
            short_duration(deed.child.grace)
        ),
    }
}

fn patience(deed: &Deed) -> String {
    let grace = short_duration(deed.child.grace);
    format!("{}, which may take up to {grace}", name(&deed.child))
}

fn name(child: &Child) -> String {
    format!(
        "`{}` of `{}` (process {})",
        child.program, child.step, child.pid
    )
}
