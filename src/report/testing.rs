//! Made-up runs for the tests of this room.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::screen::Screen;
use super::{Look, Mode, Palette};
use crate::plan::{
    Event, EventKind, Outcome, Plan, Purpose, RunInfo, Status, Step, StepEnd, StepId,
};

/// A plan of `recipe/step` names; the layer is the part before the first `-`.
pub(super) fn plan(steps: &[&str]) -> Plan {
    let steps = steps.iter().map(|id| {
        let mut step = Step::new(*id, "act");
        step.layer = id.split_once('-').map(|(layer, _)| layer.to_owned());
        if step.layer.as_deref() == Some("l0") {
            step.purpose = Purpose::Gate;
        }
        step
    });
    Plan::new("up".to_owned(), steps.collect())
}

pub(super) fn info() -> RunInfo {
    RunInfo {
        id: "20260101-000000-abcd".to_owned(),
        recipe: "up".to_owned(),
        command: vec!["hl".to_owned(), "up".to_owned()],
        dry_run: false,
        rehearsal: false,
        steps: 0,
        version: "0.1.0".to_owned(),
        pid: 1,
        pid_start: 1,
        operator: "me@here".to_owned(),
        plan_digest: String::new(),
    }
}

/// What happened so many milliseconds after the start.
pub(super) fn event(ms: i64, step: &str, kind: EventKind) -> Event {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    Event {
        time: (start + SignedDuration::from_millis(ms)).to_string(),
        step: (!step.is_empty()).then(|| StepId::from(step)),
        kind,
    }
}

pub(super) fn started(ms: i64, step: &str) -> Event {
    event(ms, step, EventKind::StepStarted { attempt: 1 })
}

/// An end `duration` milliseconds after the start of the step.
pub(super) fn ended(ms: i64, step: &str, status: Status, duration_ms: u64, summary: &str) -> Event {
    let kind = EventKind::StepFinished(StepEnd {
        duration_ms,
        ..StepEnd::new(status, summary)
    });
    event(ms, step, kind)
}

/// The end of an event of [`ended`], to add to it.
pub(super) fn end_of(event: &mut Event) -> &mut StepEnd {
    let EventKind::StepFinished(end) = &mut event.kind else {
        panic!("not the end of a step");
    };
    end
}

pub(super) fn over(ms: i64, outcome: Outcome, exit: u8) -> Event {
    let duration_ms = u64::try_from(ms).unwrap();
    let kind = EventKind::RunFinished {
        outcome,
        exit,
        duration_ms,
        earlier_ms: 0,
    };
    event(ms, "", kind)
}

/// A writer whose text can be read.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a person reads of these events.
pub(super) fn shown(plan: &Plan, mode: Mode, width: Option<usize>, events: &[Event]) -> String {
    watched(plan, mode, width, BTreeMap::new(), |screen| {
        for event in events {
            screen.event(event);
        }
    })
}

/// What a person reads on a screen to which all this happens.
pub(super) fn watched(
    plan: &Plan,
    mode: Mode,
    width: Option<usize>,
    usual: BTreeMap<StepId, Duration>,
    happens: impl FnOnce(&mut Screen),
) -> String {
    let paper = Paper::default();
    let look = Look {
        mode,
        palette: Palette { color: false },
        bars: false,
        width: if width.is_some() {
            || Some(60)
        } else {
            || None
        },
        github: false,
        again: Some("hl up".to_owned()),
        resume: None,
        usual: crate::report::usual(|| usual),
    };
    let mut screen = Screen::new(plan.clone(), look, Box::new(paper.clone()));
    happens(&mut screen);
    let bytes = paper.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}
