//! One state for all who read a log.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::plan::{RunInfo, Tally};

fn event(step: Option<u8>, kind: EventKind) -> Event {
    Event {
        time: "2026-01-02T03:04:05.678Z".to_owned(),
        step: step.map(|step| StepId::new("r", &step.to_string())),
        kind,
    }
}

fn part(resumes: bool) -> Event {
    let info = RunInfo::default();
    let kind = if resumes {
        EventKind::Resumed(Resumed {
            info,
            boot_id: "b".to_owned(),
            flags: BTreeMap::new(),
        })
    } else {
        EventKind::RunStarted(info)
    };
    event(None, kind)
}

fn warning(step: u8, text: &str) -> Event {
    let message = text.to_owned();
    event(Some(step), EventKind::Warning { message })
}

fn events() -> impl Strategy<Value = Event> {
    let status = prop_oneof![
        Just(Status::Succeeded),
        Just(Status::Failed),
        Just(Status::Skipped),
        Just(Status::Blocked),
        Just(Status::Cancelled),
        Just(Status::NotPlanned),
    ];
    let step = || 0u8..4;
    prop_oneof![
        1 => any::<bool>().prop_map(part),
        6 => (step(), 1u32..4).prop_map(|(step, attempt)| {
            event(Some(step), EventKind::StepStarted { attempt })
        }),
        6 => (step(), status, any::<bool>()).prop_map(|(step, status, whole)| {
            let end = StepEnd {
                fingerprint: whole.then(|| "f".to_owned()),
                ..StepEnd::new(status, "")
            };
            event(Some(step), EventKind::StepFinished(end))
        }),
        2 => step().prop_map(|step| warning(step, "w")),
        1 => (any::<u8>(), any::<u64>(), any::<u64>()).prop_map(|(exit, duration_ms, earlier_ms)| {
            let outcome = Outcome::Failed;
            event(None, EventKind::RunFinished { outcome, exit, duration_ms, earlier_ms })
        }),
    ]
}

proptest! {
    /// A reader that joins late and reads the rest knows what one knows that
    /// followed from the beginning.
    #[test]
    fn a_prefix_and_then_the_rest_is_the_whole(
        log in prop::collection::vec(events(), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let (before, after) = log.split_at(cut.index(log.len() + 1));
        let mut tally = Tally::of(before);
        for event in after {
            tally.take(event);
        }
        prop_assert_eq!(tally, Tally::of(&log));
    }

    /// What resumes a run, shows it, judges its end and counts its steps.
    #[test]
    fn all_readers_of_a_log_agree(log in prop::collection::vec(events(), 0..40)) {
        let tally = Tally::of(&log);
        let past = Tally::of(&log).past();
        let begins = |event: &Event| event.kind.begins().is_some();
        let last = log.iter().rposition(begins).unwrap_or_default();
        let finished = log.iter().skip(last).any(|e| matches!(e.kind, EventKind::RunFinished { .. }));
        prop_assert_eq!(tally.finished.is_some(), finished);
        let resumed = log.iter().any(|event| matches!(event.kind, EventKind::Resumed(_)));
        prop_assert_eq!(tally.resumed.is_some(), resumed);
        let told: BTreeSet<&StepId> = log.iter().filter_map(|event| event.step.as_ref()).collect();
        prop_assert_eq!(tally.steps().iter().map(|run| &run.step).collect::<BTreeSet<_>>(), told);
        for run in tally.steps() {
            let own = |event: &&Event| event.step.as_ref() == Some(&run.step);
            let end = log.iter().filter(own).rev().find_map(|event| {
                if let EventKind::StepFinished(end) = &event.kind {
                    return Some(Some(end.status));
                }
                matches!(event.kind, EventKind::StepStarted { .. }).then_some(None)
            });
            let state = end.flatten().map_or(StepState::Running, StepState::Ended);
            prop_assert_eq!(run.state, state);
            prop_assert_eq!(run.end.as_ref().map(|end| end.status), end.flatten());
            prop_assert_eq!(run.started_at.is_some(), run.attempts > 0);
            let past = past.get(&run.step);
            match state {
                StepState::Running if run.attempts > 0 => prop_assert_eq!(past, Some(&PriorState::Killed)),
                StepState::Running | StepState::Interrupted => prop_assert_eq!(past, None),
                StepState::Ended(Status::Succeeded) => {
                    prop_assert!(matches!(past, Some(PriorState::Done(_))));
                }
                StepState::Ended(Status::Failed) => prop_assert_eq!(past, Some(&PriorState::Failed)),
                StepState::Ended(_) => {}
            }
        }
        for ended in tally.ended() {
            let run = tally.steps().iter().find(|run| run.step == *ended.step).unwrap();
            prop_assert_eq!(run.end.as_ref(), Some(ended.end));
        }
    }
}

#[test]
fn warnings_on_the_way_and_at_the_end_are_the_steps_own() {
    let end = StepEnd {
        warnings: vec!["at the end".to_owned()],
        ..StepEnd::new(Status::Succeeded, "")
    };
    let over = EventKind::RunFinished {
        outcome: Outcome::Succeeded,
        exit: 0,
        duration_ms: 9,
        earlier_ms: 0,
    };
    let log = [
        warning(0, "on the way"),
        warning(1, "of another"),
        event(Some(0), EventKind::StepFinished(end)),
        event(None, over),
    ];
    let tally = Tally::of(&log[..3]);
    let ended: Vec<_> = tally.ended().map(|ended| &ended.end.warnings).collect();
    assert_eq!(ended, [&["on the way", "at the end"]]);
    assert_eq!(tally.finished, None);
    let took = Duration::from_millis(9);
    assert_eq!(
        Tally::of(&log).finished,
        Some((Outcome::Succeeded, 0, took))
    );
}

fn started(number: u32) -> Event {
    let kind = EventKind::ChildStarted {
        pid: 100 + number,
        pid_start: 1,
        program: "sh".to_owned(),
        spool: Vec::new(),
        number,
    };
    event(Some(0), kind)
}

fn exited(pid: u32, unwatched: Option<u32>) -> Event {
    let kind = EventKind::ChildExited {
        pid,
        code: Some(0),
        signal: None,
        unwatched,
    };
    event(Some(0), kind)
}

/// What may be taken over is neither forgotten nor taken twice.
#[test]
fn only_an_attempt_that_dealt_with_its_children_settles_them() {
    let begun = || event(Some(0), EventKind::StepStarted { attempt: 1 });
    let over = |status| event(Some(0), EventKind::StepFinished(StepEnd::new(status, "")));
    let asked = event(
        Some(0),
        EventKind::ApprovalAsked {
            summary: Vec::new(),
            digest: None,
            again: true,
        },
    );
    let settled = |later: &[Event]| {
        let first = [part(false), begun(), started(1), part(true)];
        let log: Vec<Event> = first.iter().chain(later).cloned().collect();
        *Tally::of(&log).settled().values().next().unwrap()
    };
    // It did not come to them: blocked, or stopped before it had looked.
    assert_eq!(settled(&[over(Status::Blocked)]), 0);
    assert_eq!(settled(&[begun(), over(Status::Cancelled)]), 0);
    // Nobody knows how the child ended, and nobody said to run it again.
    let refused = [begun(), asked, over(Status::Cancelled)];
    assert_eq!(settled(&refused), 0);
    // Its result was taken, or it was seen to have failed.
    for status in [Status::Succeeded, Status::Failed] {
        let taken = [begun(), exited(101, Some(1)), over(status)];
        assert_eq!(settled(&taken), 1);
    }
    // Another one was run, and watched to its end or not.
    let again = [begun(), started(2), exited(102, None), over(Status::Failed)];
    assert_eq!(settled(&again), 2);
    assert_eq!(settled(&[begun(), started(2), part(true)]), 0);
    // One that the journal does not know was taken.
    let unknown = [begun(), exited(7, Some(2)), over(Status::Failed)];
    assert_eq!(settled(&unknown), 2);
    // The end of an earlier one says nothing of the last.
    let earlier = [
        begun(),
        started(2),
        part(true),
        begun(),
        exited(101, Some(1)),
        over(Status::Cancelled),
    ];
    assert_eq!(settled(&earlier), 0);
}
