//! A run, step by step, gathered from its events.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Ending, Run};
use crate::plan::{EventKind, Status, StepId};

/// A step of a run, as far as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRun {
    /// Which.
    pub step: StepId,
    /// When it first started, RFC 3339 in UTC; absent when it did not.
    pub started_at: Option<String>,
    /// How it ended, or where it stands.
    pub state: State,
    /// How often it was tried.
    pub attempts: u32,
    /// How it ended; [`State::Running`] and [`State::Interrupted`] have none.
    pub end: Option<StepEnd>,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It ended.
    Ended(Status),
    /// It runs now.
    Running,
    /// It ran when its `hl` died.
    Interrupted,
}

/// The end of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepEnd {
    /// Whether anything changed, where that is known.
    pub changed: Option<bool>,
    /// Milliseconds from its first start.
    pub duration_ms: u64,
    /// The result, or the reason.
    pub summary: String,
    /// What it published.
    pub outputs: BTreeMap<String, Value>,
    /// Warnings, those on the way among them.
    pub warnings: Vec<String>,
    /// What to do, when it failed.
    pub help: Vec<String>,
    /// Last lines of output, when it failed.
    pub tail: Vec<String>,
    /// The exit code that its failure stands for.
    pub exit: Option<u8>,
    /// Its log, relative to the lab.
    pub log: Option<String>,
}

impl StepRun {
    /// Whether it is done and need not be done again.
    pub fn is_done(&self) -> bool {
        matches!(
            self.state,
            State::Ended(Status::Succeeded | Status::Skipped)
        )
    }

    /// Whether it failed.
    pub fn failed(&self) -> bool {
        self.state == State::Ended(Status::Failed)
    }

    fn new(step: StepId) -> Self {
        Self {
            step,
            started_at: None,
            state: State::Running,
            attempts: 0,
            end: None,
        }
    }
}

impl Run {
    /// Its steps, in the order in which they began. Of a step that ran more
    /// than once, because the run was resumed, the latest time counts.
    pub fn timeline(&self) -> Vec<StepRun> {
        let mut steps: Vec<StepRun> = Vec::new();
        let mut warned: BTreeMap<StepId, Vec<String>> = BTreeMap::new();
        for event in &self.events {
            let Some(id) = &event.step else { continue };
            let place = steps.iter().position(|step| step.step == *id);
            let place = place.unwrap_or_else(|| {
                steps.push(StepRun::new(id.clone()));
                steps.len() - 1
            });
            let Some(step) = steps.get_mut(place) else {
                continue;
            };
            match &event.kind {
                EventKind::StepStarted { attempt } => {
                    step.attempts = *attempt;
                    step.state = State::Running;
                    step.end = None;
                    if *attempt == 1 || step.started_at.is_none() {
                        step.started_at = Some(event.time.clone());
                    }
                }
                EventKind::Warning { message } => {
                    warned.entry(id.clone()).or_default().push(message.clone());
                }
                EventKind::StepFinished {
                    status,
                    changed,
                    duration_ms,
                    summary,
                    outputs,
                    warnings,
                    help,
                    tail,
                    exit,
                    log,
                    ..
                } => {
                    let mut all = warned.remove(id).unwrap_or_default();
                    all.extend(warnings.iter().cloned());
                    step.state = State::Ended(*status);
                    step.end = Some(StepEnd {
                        changed: *changed,
                        duration_ms: *duration_ms,
                        summary: summary.clone(),
                        outputs: outputs.clone(),
                        warnings: all,
                        help: help.clone(),
                        tail: tail.clone(),
                        exit: *exit,
                        log: log.clone(),
                    });
                }
                EventKind::RunStarted(_)
                | EventKind::Resumed(_)
                | EventKind::ChildStarted { .. }
                | EventKind::ChildExited { .. }
                | EventKind::Output { .. }
                | EventKind::Progress { .. }
                | EventKind::ApprovalAsked { .. }
                | EventKind::ApprovalGiven { .. }
                | EventKind::StepRetried { .. }
                | EventKind::Interrupted { .. }
                | EventKind::RunFinished { .. } => {}
            }
        }
        if self.ending != Ending::Running {
            for step in steps.iter_mut().filter(|s| s.state == State::Running) {
                step.state = State::Interrupted;
            }
        }
        steps
    }
}
