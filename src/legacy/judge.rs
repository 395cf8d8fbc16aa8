//! How a run of the older tool ended, by its events. Its own `status` proves
//! nothing: it said `completed` before optional components were installed.

use jiff::Timestamp;

use super::document::{Event, Phase};
use super::phases;

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The last thing that counts is that all was done.
    Succeeded {
        /// When.
        at: Timestamp,
    },
    /// The last thing that counts is a failure.
    Failed {
        /// When.
        at: Timestamp,
        /// The phase, where it can be told.
        phase: Option<String>,
        /// What was said.
        message: String,
    },
    /// Neither: it was cut off.
    Unfinished {
        /// The phase that had begun, where it can be told.
        phase: Option<String>,
    },
}

/// Judges one run. `times` are those of its events; `begun` names phases that
/// the state calls `in_progress`, for the last run alone.
pub(super) fn judge<'a>(
    events: &[Event],
    times: &[Timestamp],
    begun: impl Iterator<Item = (&'a String, &'a Phase)>,
) -> Verdict {
    let open = || Verdict::Unfinished { phase: None };
    let mut verdict = open();
    // What the verdict goes back to when what was begun after it is done.
    let mut before = open();
    for (event, at) in events.iter().zip(times) {
        let phase = || {
            let known = phases::of_action(&event.action).map(str::to_owned);
            event.phase.clone().or(known)
        };
        match turn(&event.action) {
            Turn::Done => {
                verdict = Verdict::Succeeded { at: *at };
                before = verdict.clone();
            }
            Turn::Failed => {
                verdict = Verdict::Failed {
                    at: *at,
                    phase: phase(),
                    message: event.message.clone(),
                };
            }
            Turn::Begun => {
                if matches!(verdict, Verdict::Succeeded { .. }) {
                    before = verdict;
                }
                verdict = Verdict::Unfinished { phase: phase() };
            }
            Turn::PartDone => {
                verdict = match verdict {
                    Verdict::Unfinished { phase: open } if open.is_some() && open == phase() => {
                        before.clone()
                    }
                    Verdict::Failed { .. } => open(),
                    other @ (Verdict::Succeeded { .. } | Verdict::Unfinished { .. }) => other,
                };
            }
            Turn::Nothing => {}
        }
    }
    let mut begun: Vec<_> = begun.collect();
    begun.sort_by_key(|(_, phase)| phase.at);
    let newest = begun.pop();
    match (&mut verdict, newest) {
        // Begun after all was said to be done, and not done.
        (Verdict::Succeeded { at }, Some((name, phase)))
            if phase.at.is_some_and(|since| since > *at) =>
        {
            verdict = Verdict::Unfinished {
                phase: Some(name.clone()),
            };
        }
        (
            Verdict::Unfinished {
                phase: known @ None,
            }
            | Verdict::Failed {
                phase: known @ None,
                ..
            },
            Some((name, _)),
        ) => *known = Some(name.clone()),
        _ => {}
    }
    verdict
}

/// What an action says about the run.
enum Turn {
    Done,
    Failed,
    Begun,
    PartDone,
    Nothing,
}

fn turn(action: &str) -> Turn {
    let ends = |words: &[&str]| words.iter().any(|word| action.ends_with(word));
    if action == "deployment_completed" {
        Turn::Done
    } else if ends(&["_failed"]) {
        Turn::Failed
    } else if action == "phase_skipped" || action.contains("deletion") {
        Turn::Nothing
    } else if ends(&["_started"]) {
        Turn::Begun
    } else if ends(&[
        "_completed",
        "_ready",
        "_installed",
        "_created",
        "_connected",
        "_passed",
    ]) {
        Turn::PartDone
    } else {
        Turn::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn verdict(actions: &str, begun: Option<(&str, i64)>) -> String {
        let actions = actions.split_whitespace();
        let events: Vec<Event> = actions
            .map(|action| Event {
                stamp: String::new(),
                at: None,
                action: action.to_owned(),
                message: String::new(),
                phase: None,
            })
            .collect();
        let time = |second: i64| Timestamp::from_second(second).unwrap();
        let times: Vec<Timestamp> = (0..).take(events.len()).map(time).collect();
        let begun = begun.map(|(name, second)| {
            let phase = Phase {
                status: "in_progress".to_owned(),
                at: Some(time(second)),
                reason: None,
            };
            (name.to_owned(), phase)
        });
        let begun = begun.iter().map(|(name, phase)| (name, phase));
        match judge(&events, &times, begun) {
            Verdict::Succeeded { at } => format!("succeeded {}", at.as_second()),
            Verdict::Failed { at, phase, .. } => {
                format!("failed {} {}", at.as_second(), phase.unwrap_or_default())
            }
            Verdict::Unfinished { phase } => format!("unfinished {}", phase.unwrap_or_default()),
        }
    }

    #[rstest]
    #[case(
        "deployment_started deployment_completed vpn_disconnected",
        None,
        "succeeded 1"
    )]
    #[case(
        "deployment_completed vpn_disconnected deployment_completed",
        None,
        "succeeded 2"
    )]
    // The optional components came after the first one.
    #[case(
        "deployment_completed kof_mothership_deployment_started",
        None,
        "unfinished install_kof_mothership"
    )]
    #[case(
        "deployment_completed kof_mothership_deployment_started kof_mothership_installation_failed",
        None,
        "failed 2 install_kof_mothership"
    )]
    #[case(
        "deployment_completed kof_mothership_deployment_started kof_mothership_ready",
        None,
        "succeeded 0"
    )]
    #[case(
        "deployment_completed kof_regional_deployment_started vpn_connected",
        None,
        "unfinished install_kof_regional"
    )]
    // A failure that something got over.
    #[case(
        "network_validation_failed k0s_deployment_started k0s_deployment_completed deployment_completed",
        None,
        "succeeded 3"
    )]
    #[case(
        "k0s_deployment_failed k0s_deployment_started",
        None,
        "unfinished install_k0s"
    )]
    #[case("k0s_deployment_failed vpn_disconnected", None, "failed 0 install_k0s")]
    #[case("deployment_completed vm_deletion_started", None, "succeeded 0")]
    // What the state says is only asked where the events leave it open.
    #[case("deployment_completed", Some(("install_kof_mothership", 5)), "unfinished install_kof_mothership")]
    #[case("x deployment_completed", Some(("install_kof_mothership", 0)), "succeeded 1")]
    #[case("network_validation_failed", Some(("install_k0s", 0)), "failed 0 install_k0s")]
    #[case("wireguard_ips_assigned", Some(("create_vms", 3)), "unfinished create_vms")]
    fn the_last_thing_that_counts(
        #[case] actions: &str,
        #[case] begun: Option<(&str, i64)>,
        #[case] is: &str,
    ) {
        assert_eq!(verdict(actions, begun), is);
    }
}
