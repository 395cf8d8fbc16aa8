//! What the earlier parts of a run did with each step, read from its events.

use std::collections::BTreeMap;

use serde_json::Value;

/// How far a step came.
#[derive(Debug, Clone, PartialEq)]
pub enum PriorState {
    /// It succeeded, or had nothing to do.
    Done(PriorResult),
    /// It failed.
    Failed,
    /// It was stopped while it ran.
    Stopped,
    /// It had started, and there is no word of its end.
    Killed,
    /// Its `when` said no.
    Skipped,
    /// It came to its end, and its result depended on what a live run makes.
    NotPlanned,
}

/// What a step that succeeded left behind.
#[derive(Debug, Clone, PartialEq)]
pub struct PriorResult {
    /// What its result rests on; absent when its outputs were not written down
    /// whole.
    pub fingerprint: Option<String>,
    /// What it published.
    pub outputs: BTreeMap<String, Value>,
    /// When it succeeded, RFC 3339.
    pub time: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Event, EventKind, RunInfo, Status, StepEnd, StepId, Tally};

    fn event(step: &str, kind: EventKind) -> Event {
        Event {
            time: "2026-01-02T03:04:05.678Z".to_owned(),
            step: (!step.is_empty()).then(|| StepId::from(step)),
            kind,
        }
    }

    fn started(step: &str) -> Event {
        event(step, EventKind::StepStarted { attempt: 1 })
    }

    fn ended(step: &str, status: Status, fingerprint: Option<&str>) -> Event {
        let kind = EventKind::StepFinished(StepEnd {
            fingerprint: fingerprint.map(str::to_owned),
            ..StepEnd::new(status, "")
        });
        event(step, kind)
    }

    fn part() -> Event {
        event("", EventKind::RunStarted(RunInfo::default()))
    }

    fn how(events: &[Event]) -> Option<&'static str> {
        Tally::of(events)
            .past()
            .remove(&StepId::from("a"))
            .map(|past| match past {
                PriorState::Done(done) if done.fingerprint.is_some() => "done",
                PriorState::Done(_) => "done, not whole",
                PriorState::Failed => "failed",
                PriorState::Stopped => "stopped",
                PriorState::Killed => "killed",
                PriorState::Skipped => "skipped",
                PriorState::NotPlanned => "not planned",
            })
    }

    #[test]
    fn the_last_word_counts_unless_the_step_never_started() {
        let done = [
            part(),
            started("a"),
            ended("a", Status::Succeeded, Some("f")),
        ];
        let after = |more: &[Event]| how(&[&done[..], &[part()], more].concat());
        assert_eq!(how(&[part()]), None);
        let reused = [part(), ended("a", Status::Skipped, Some("f"))];
        assert_eq!(how(&reused), Some("done"), "of a run before this one");
        assert_eq!(how(&done), Some("done"));
        assert_eq!(how(&done[..2]), Some("killed"));
        assert_eq!(after(&[ended("a", Status::Blocked, None)]), Some("done"));
        assert_eq!(after(&[ended("a", Status::Cancelled, None)]), Some("done"));
        assert_eq!(
            after(&[ended("a", Status::Skipped, Some("f"))]),
            Some("done"),
            "it was done before"
        );
        assert_eq!(
            after(&[ended("a", Status::Skipped, None)]),
            Some("skipped"),
            "what it made may be somebody else's by now"
        );
        assert_eq!(after(&[started("a")]), Some("killed"));
        let end = |status| after(&[started("a"), ended("a", status, None)]);
        assert_eq!(end(Status::Failed), Some("failed"));
        assert_eq!(end(Status::Cancelled), Some("stopped"));
        assert_eq!(end(Status::Skipped), Some("done, not whole"));
        assert_eq!(end(Status::NotPlanned), Some("not planned"));
    }
}
