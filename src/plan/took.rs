//! How long a run took: its parts, without the time between them.

use std::time::Duration;

use jiff::Timestamp;

use super::{Event, EventKind};

/// How long the parts of a run took together. A part that did not come to its
/// end lasted until its last event.
pub fn took(events: &[Event]) -> Duration {
    let mut all = Duration::ZERO;
    let mut rest = events;
    while let Some((first, behind)) = rest.split_first() {
        let next = behind
            .iter()
            .position(|event| event.kind.begins().is_some());
        let (part, others) = behind.split_at(next.unwrap_or(behind.len()));
        all += ended(part).unwrap_or_else(|| lasted(first, part));
        rest = others;
    }
    all
}

/// What the ends of a part say. One that was archived later has two.
fn ended(part: &[Event]) -> Option<Duration> {
    let ends = part.iter().filter_map(|event| {
        if let EventKind::RunFinished { duration_ms, .. } = event.kind {
            Some(Duration::from_millis(duration_ms))
        } else {
            None
        }
    });
    ends.reduce(|a, b| a + b)
}

fn lasted(first: &Event, part: &[Event]) -> Duration {
    let time = |event: &Event| event.time.parse::<Timestamp>().ok();
    let last = part.last().unwrap_or(first);
    time(first)
        .zip(time(last))
        .and_then(|(start, end)| Duration::try_from(end.duration_since(start)).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Outcome, Resumed, RunInfo, StepId};
    use std::collections::BTreeMap;

    fn event(second: u32, kind: EventKind) -> Event {
        Event {
            time: format!("2026-01-02T03:04:{second:02}.000Z"),
            step: None,
            kind,
        }
    }

    fn over(second: u32, duration_ms: u64, earlier_ms: u64) -> Event {
        let kind = EventKind::RunFinished {
            outcome: Outcome::Failed,
            exit: 1,
            duration_ms,
            earlier_ms,
        };
        event(second, kind)
    }

    #[test]
    fn the_time_between_the_parts_does_not_count() {
        let resumed = |second| {
            let kind = EventKind::Resumed(Resumed {
                info: RunInfo::default(),
                boot_id: String::new(),
                flags: BTreeMap::new(),
            });
            event(second, kind)
        };
        let mut step = event(33, EventKind::StepStarted { attempt: 1 });
        step.step = Some(StepId::from("r/a"));
        let events = [
            event(0, EventKind::RunStarted(RunInfo::default())),
            over(2, 2000, 0),
            resumed(30),
            step,
            resumed(50),
            over(51, 1000, 5000),
            // Archived.
            over(59, 0, 6000),
        ];
        let ms = |events: &[Event]| took(events).as_millis();
        assert_eq!(ms(&[]), 0);
        assert_eq!(ms(&events[..2]), 2000);
        assert_eq!(
            ms(&events[..4]),
            5000,
            "killed three seconds after it went on"
        );
        assert_eq!(ms(&events), 6000);
    }
}
