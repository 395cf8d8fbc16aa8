//! What the earlier parts of a run did with each step, read from its events.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Event, EventKind, Status, StepId};

/// How far a step came.
#[derive(Debug, Clone, PartialEq)]
pub enum Past {
    /// It succeeded, or had nothing to do.
    Done(DoneBefore),
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
pub struct DoneBefore {
    /// What its result rests on; absent when its outputs were not written down
    /// whole.
    pub fingerprint: Option<String>,
    /// What it published.
    pub outputs: BTreeMap<String, Value>,
    /// When it succeeded, RFC 3339.
    pub time: String,
}

/// The past of every step that was started in a run. One that never started is
/// not among them.
pub fn past(events: &[Event]) -> BTreeMap<StepId, Past> {
    let mut known: BTreeMap<StepId, Past> = BTreeMap::new();
    // Those that began in the part of the run that is being read.
    let mut started: BTreeSet<&StepId> = BTreeSet::new();
    for event in events {
        if event.kind.begins().is_some() {
            started.clear();
        }
        let Some(step) = &event.step else { continue };
        if let EventKind::StepStarted { .. } = event.kind {
            started.insert(step);
            known.insert(step.clone(), Past::Killed);
        }
        let EventKind::StepFinished {
            status,
            outputs,
            fingerprint,
            ..
        } = &event.kind
        else {
            continue;
        };
        let done = |time: &str| {
            Past::Done(DoneBefore {
                fingerprint: fingerprint.clone(),
                outputs: outputs.clone(),
                time: time.to_owned(),
            })
        };
        let ran = started.contains(step);
        match (status, ran) {
            (Status::Succeeded, _) | (Status::Skipped, true) => {
                known.insert(step.clone(), done(&event.time));
            }
            // Its earlier result still stood, and was published again; that
            // may be of another run, which is not told here.
            (Status::Skipped, false) if fingerprint.is_some() => {
                known
                    .entry(step.clone())
                    .or_insert_with(|| done(&event.time));
            }
            (Status::Skipped, false) => {
                known.insert(step.clone(), Past::Skipped);
            }
            (Status::Failed, _) => {
                known.insert(step.clone(), Past::Failed);
            }
            (Status::NotPlanned, _) => {
                known.insert(step.clone(), Past::NotPlanned);
            }
            (Status::Cancelled, true) => {
                known.insert(step.clone(), Past::Stopped);
            }
            // It never started: what it did before still stands.
            (Status::Blocked | Status::Cancelled, _) => {}
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::RunInfo;

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
        let kind = EventKind::StepFinished {
            status,
            changed: None,
            duration_ms: 1,
            summary: String::new(),
            outputs: BTreeMap::new(),
            fingerprint: fingerprint.map(str::to_owned),
            warnings: Vec::new(),
            help: Vec::new(),
            tail: Vec::new(),
            exit: None,
            log: None,
        };
        event(step, kind)
    }

    fn part() -> Event {
        event("", EventKind::RunStarted(RunInfo::default()))
    }

    fn how(events: &[Event]) -> Option<&'static str> {
        past(events)
            .remove(&StepId::from("a"))
            .map(|past| match past {
                Past::Done(done) if done.fingerprint.is_some() => "done",
                Past::Done(_) => "done, not whole",
                Past::Failed => "failed",
                Past::Stopped => "stopped",
                Past::Killed => "killed",
                Past::Skipped => "skipped",
                Past::NotPlanned => "not planned",
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
