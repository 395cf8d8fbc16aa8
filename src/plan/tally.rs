//! A run as its events tell it: the one fold over them. Who resumes a run, shows
//! one that is over or follows one that goes on reads the same state.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::{Event, EventKind, Outcome, PriorResult, PriorState, Resumed};
use super::{Status, StepEnd, StepId, StepState};

/// A run as far as it went.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// How its last part ended, the exit code and the duration of that part;
    /// none while it goes on.
    pub finished: Option<(Outcome, u8, Duration)>,
    /// How long the parts before took, once the last one ended.
    pub earlier: Duration,
    /// What the last part said when it began, unless it was the first one.
    pub resumed: Option<Resumed>,
    /// Parts that began.
    part: u32,
    steps: Vec<StepRun>,
    places: HashMap<StepId, usize>,
    /// Places of the steps that ended in the last part, in that order.
    ended: Vec<usize>,
}

/// A step of a run, as far as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRun {
    /// Which.
    pub step: StepId,
    /// When it first started, RFC 3339 in UTC; absent when it did not.
    pub started_at: Option<String>,
    /// How it ended, or where it stands.
    pub state: StepState,
    /// How often it was tried.
    pub attempts: u32,
    /// How it ended, with the warnings that it gave on the way; a step that has
    /// started again has no end.
    pub end: Option<StepEnd>,
    /// When it ended, RFC 3339 in UTC.
    ended_at: String,
    /// The part of the run in which it started last.
    part: Option<u32>,
    /// What a later part may rely on.
    past: Option<PriorState>,
    /// Children that it has started, in all attempts.
    children: u32,
    /// The process of the last one, while its end is not told.
    open: Option<u32>,
    /// Since it started last, it started children or took the ends of earlier ones.
    dealt: bool,
    /// Children of the attempts that ended.
    settled: u32,
    /// Warnings since its last end.
    warnings: Vec<String>,
}

/// A step that ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ended<'a> {
    /// Which.
    pub step: &'a StepId,
    /// When, RFC 3339 in UTC.
    pub at: &'a str,
    /// How.
    pub end: &'a StepEnd,
}

impl Tally {
    /// What these events tell.
    pub fn of<'e>(events: impl IntoIterator<Item = &'e Event>) -> Self {
        let mut tally = Self::default();
        for event in events {
            tally.take(event);
        }
        tally
    }

    /// Takes one more event in.
    pub fn take(&mut self, event: &Event) {
        if event.kind.begins().is_some() {
            self.part += 1;
            self.ended.clear();
            self.finished = None;
        }
        if let EventKind::Resumed(resumed) = &event.kind {
            self.resumed = Some(resumed.clone());
        }
        if let EventKind::RunFinished {
            outcome,
            exit,
            duration_ms,
            earlier_ms,
        } = event.kind
        {
            self.earlier = Duration::from_millis(earlier_ms);
            self.finished = Some((outcome, exit, Duration::from_millis(duration_ms)));
        }
        let Some(id) = &event.step else { return };
        let place = self.places.get(id).copied().unwrap_or_else(|| {
            self.places.insert(id.clone(), self.steps.len());
            self.steps.push(StepRun::new(id.clone()));
            self.steps.len() - 1
        });
        if let Some(step) = self.steps.get_mut(place) {
            step.take(event, self.part);
        }
        if let EventKind::StepFinished(_) = event.kind {
            self.ended.push(place);
        }
    }

    /// Its steps, in the order in which they were first told of. Of a step that
    /// ran more than once, because the run was resumed, the latest time counts.
    pub fn steps(&self) -> &[StepRun] {
        &self.steps
    }

    /// The step of that name, once it was told of.
    pub fn step(&self, id: &StepId) -> Option<&StepRun> {
        self.steps.get(*self.places.get(id)?)
    }

    /// The steps that ended in the last part of the run, in that order.
    pub fn ended(&self) -> impl DoubleEndedIterator<Item = Ended<'_>> {
        let steps = self.ended.iter().filter_map(|place| self.steps.get(*place));
        steps.filter_map(|step| {
            Some(Ended {
                step: &step.step,
                at: &step.ended_at,
                end: step.end.as_ref()?,
            })
        })
    }

    /// How many children of each step belong to attempts that ended: those that it
    /// started since may be taken over. An attempt that was over before it had dealt
    /// with them, or whose last child nobody knows the end of, ended nothing.
    pub fn settled(&self) -> BTreeMap<StepId, u32> {
        let steps = self.steps.iter();
        steps
            .map(|step| (step.step.clone(), step.settled))
            .collect()
    }

    /// What every step did that was started. One that never started is not
    /// among them.
    pub fn past(self) -> BTreeMap<StepId, PriorState> {
        let steps = self.steps.into_iter();
        steps
            .filter_map(|step| Some((step.step, step.past?)))
            .collect()
    }
}

impl StepRun {
    fn new(step: StepId) -> Self {
        Self {
            step,
            started_at: None,
            state: StepState::Running,
            attempts: 0,
            end: None,
            ended_at: String::new(),
            part: None,
            past: None,
            children: 0,
            open: None,
            dealt: false,
            settled: 0,
            warnings: Vec::new(),
        }
    }

    /// When it ended, RFC 3339 in UTC; empty while it has not.
    pub fn ended_at(&self) -> &str {
        &self.ended_at
    }

    /// Whether it failed.
    pub fn failed(&self) -> bool {
        self.state == StepState::Ended(Status::Failed)
    }

    /// Takes one of its events in, of that part of the run.
    fn take(&mut self, event: &Event, part: u32) {
        match &event.kind {
            EventKind::StepStarted { attempt } => {
                self.attempts = *attempt;
                self.state = StepState::Running;
                self.end = None;
                self.part = Some(part);
                self.dealt = false;
                self.past = Some(PriorState::Killed);
                if *attempt == 1 || self.started_at.is_none() {
                    self.started_at = Some(event.time.clone());
                }
            }
            EventKind::Warning { message } => self.warnings.push(message.clone()),
            EventKind::StepFinished(end) => {
                let ran = self.part == Some(part);
                if ran {
                    self.settle(end.status.is_done());
                }
                self.past = left(self.past.take(), end, ran, &event.time);
                let mut end = end.clone();
                self.warnings.append(&mut end.warnings);
                end.warnings = std::mem::take(&mut self.warnings);
                self.state = StepState::Ended(end.status);
                self.ended_at.clone_from(&event.time);
                self.end = Some(end);
            }
            EventKind::ChildStarted { pid, number, .. } => {
                self.children = self.children.max(*number);
                self.open = Some(*pid);
                self.dealt = true;
            }
            EventKind::ChildExited { pid, unwatched, .. } => {
                let number = unwatched.unwrap_or_default();
                if self.open == Some(*pid) || number >= self.children.max(1) {
                    self.open = None;
                }
                self.children = self.children.max(number);
                self.dealt = true;
            }
            EventKind::StepRetried { .. } => self.settle(false),
            EventKind::RunStarted(_)
            | EventKind::Resumed(_)
            | EventKind::ApprovalAsked { .. }
            | EventKind::ApprovalGiven { .. }
            | EventKind::Output { .. }
            | EventKind::Progress { .. }
            | EventKind::Interrupted { .. }
            | EventKind::RunFinished { .. } => {}
        }
    }

    /// An attempt is over.
    fn settle(&mut self, done: bool) {
        if done || self.dealt && self.open.is_none() {
            self.settled = self.children;
            self.open = None;
        }
    }
}

/// What a step leaves for a later part of the run; `ran`: it had started in this
/// one.
fn left(past: Option<PriorState>, end: &StepEnd, ran: bool, time: &str) -> Option<PriorState> {
    let done = || {
        PriorState::Done(PriorResult {
            fingerprint: end.fingerprint.clone(),
            outputs: end.outputs.clone(),
            time: time.to_owned(),
        })
    };
    match (end.status, ran) {
        (Status::Succeeded, _) | (Status::Skipped, true) => Some(done()),
        // Its earlier result still stood, and was published again; that may be
        // of another run, which is not told here.
        (Status::Skipped, false) if end.fingerprint.is_some() => past.or_else(|| Some(done())),
        (Status::Skipped, false) => Some(PriorState::Skipped),
        (Status::Failed, _) => Some(PriorState::Failed),
        (Status::NotPlanned, _) => Some(PriorState::NotPlanned),
        (Status::Cancelled, true) => Some(PriorState::Stopped),
        // It never started: what it did before still stands.
        (Status::Blocked | Status::Cancelled, _) => past,
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
