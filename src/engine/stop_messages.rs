//! What is said when a run is stopped: what was done, what is waited for, and
//! what the next Ctrl-C would do.

use std::collections::BTreeMap;

use super::children::{Child, Signalled, StopAction};
use crate::base::short_duration;
use crate::diag::Commands;
use crate::lab::timeouts;
use crate::plan::StepId;

/// What makes a stop more urgent.
#[derive(Debug)]
pub(super) struct Urgency {
    /// The second one.
    hurries: String,
    /// The third.
    kills: String,
}

impl Urgency {
    /// Ctrl-C where somebody sits at the run, else a command.
    pub(super) fn new(unattended: bool, commands: Commands) -> Self {
        let command = |words| format!("`{}`", commands.line(words));
        if unattended {
            Self {
                hurries: command("stop --now"),
                kills: command("stop --kill"),
            }
        } else {
            Self {
                hurries: "Ctrl-C again".to_owned(),
                kills: "a third Ctrl-C".to_owned(),
            }
        }
    }
}

/// The first stop. `steps` are the running steps without a child.
pub(super) fn first(
    signalled: &[Signalled],
    steps: &[StepId],
    finally: bool,
    urgency: &Urgency,
) -> String {
    let mut waits: Vec<String> = signalled.iter().map(with_grace).collect();
    waits.extend(steps.iter().map(|step| format!("step `{step}`")));
    let mut text = if waits.is_empty() {
        "stopping, nothing new is started".to_owned()
    } else {
        format!("stopping, waiting for {}", waits.join(", "))
    };
    if finally {
        text.push_str("; clean-up steps still run");
    }
    let (hurried, precious): (Vec<&Signalled>, Vec<&Signalled>) =
        signalled.iter().partition(|one| one.child.takes_sigterm);
    let names: Vec<String> = precious.iter().map(|one| name(&one.child)).collect();
    let again = &urgency.hurries;
    let more = match (hurried.is_empty(), precious.is_empty()) {
        (false, true) => format!("; {again} to hurry"),
        (false, false) => format!("; {again} to hurry all but {}", names.join(", ")),
        (true, false) => format!("; {again} does not hurry it"),
        (true, true) => String::new(),
    };
    text + &more
}

/// The second: what a third one would leave behind.
pub(super) fn second(signalled: &[Signalled], urgency: &Urgency) -> String {
    let mut parts = Vec::new();
    for one in signalled {
        let child = name(&one.child);
        parts.push(match one.what {
            StopAction::Terminated => format!("sent SIGTERM to {child}"),
            StopAction::Interrupted => format!("asked {child} to stop"),
            StopAction::Killed => format!("killed {child}"),
            StopAction::StillWaiting => {
                format!("still waiting for {child}, which would lose what it is making")
            }
        });
    }
    if parts.is_empty() {
        return "still stopping; clean-up steps that have not started are left out".to_owned();
    }
    let precious: Vec<String> = signalled
        .iter()
        .filter(|one| !one.child.takes_sigterm)
        .map(|one| name(&one.child))
        .collect();
    let kills = &urgency.kills;
    let third = if precious.is_empty() {
        format!("{kills} kills what is left")
    } else {
        format!(
            "{kills} kills {}: what it is making then stays behind (a VM, a lock) and is in no state",
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
pub(super) fn third(signalled: &[Signalled]) -> String {
    if signalled.is_empty() {
        return "no child is left to kill; waiting for the steps themselves".to_owned();
    }
    let names: Vec<String> = signalled.iter().map(|one| name(&one.child)).collect();
    format!(
        "killed {}; what was being made may have stayed behind and be in no state",
        names.join(", ")
    )
}

/// A step timed out.
pub(super) fn timeout(signalled: &[Signalled]) -> String {
    if signalled.is_empty() {
        return "timed out, asked it to stop".to_owned();
    }
    let names: Vec<String> = signalled.iter().map(with_grace).collect();
    format!("timed out, waiting for {}", names.join(", "))
}

/// A stopped child has used up its grace.
pub(super) fn overdue(one: &Signalled) -> String {
    let child = name(&one.child);
    match one.what {
        StopAction::Terminated => format!(
            "{child} did not stop within {}: sent SIGTERM",
            short_duration(one.child.grace)
        ),
        StopAction::Killed => {
            format!("{child} did not stop after SIGTERM: killed it and all it started")
        }
        StopAction::Interrupted => format!("asked {child} to stop"),
        StopAction::StillWaiting => format!(
            "{child} did not stop within {}; still waiting, because ending it by force would lose what it is making",
            short_duration(one.child.grace)
        ),
    }
}

/// A child that is waited for, and for how long at most.
fn with_grace(one: &Signalled) -> String {
    let grace = short_duration(one.child.grace);
    format!("{}, which may take up to {grace}", name(&one.child))
}

fn name(child: &Child) -> String {
    format!(
        "`{}` of `{}` (process {})",
        child.program, child.step, child.pid
    )
}
