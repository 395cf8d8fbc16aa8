//! What is known of a run so far, gathered from its events.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plan::{Event, EventKind, Outcome, Plan, Status, StepId};

/// How a step ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Which.
    pub step: StepId,
    /// How.
    pub status: Status,
    /// Whether anything changed.
    pub changed: Option<bool>,
    /// How long.
    pub duration: Duration,
    /// Result or reason.
    pub summary: String,
    /// Warnings, also those given while it ran.
    pub warnings: Vec<String>,
    /// What to do.
    pub help: Vec<String>,
    /// Last lines of output.
    pub tail: Vec<String>,
    /// The exit code its failure stands for.
    pub exit: Option<u8>,
    /// Log, relative to the lab.
    pub log: Option<String>,
    /// What it published.
    pub outputs: BTreeMap<String, serde_json::Value>,
}

/// The run as far as it went.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Steps that ended, in that order.
    pub ended: Vec<Ended>,
    /// How the run ended, its exit code and its duration.
    pub finished: Option<(Outcome, u8, Duration)>,
    /// Warnings of steps that still run.
    warnings: BTreeMap<StepId, Vec<String>>,
}

impl Tally {
    /// Takes an event in.
    pub fn take(&mut self, event: &Event) {
        if let (EventKind::Warning { message }, Some(step)) = (&event.kind, &event.step) {
            self.warnings
                .entry(step.clone())
                .or_default()
                .push(message.clone());
        }
        if let EventKind::RunFinished {
            outcome,
            exit,
            duration_ms,
        } = &event.kind
        {
            self.finished = Some((*outcome, *exit, Duration::from_millis(*duration_ms)));
        }
        let Some(step) = &event.step else { return };
        if let EventKind::StepFinished {
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
        } = &event.kind
        {
            let mut all = self.warnings.remove(step).unwrap_or_default();
            all.extend(warnings.iter().cloned());
            self.ended.push(Ended {
                step: step.clone(),
                status: *status,
                changed: *changed,
                duration: Duration::from_millis(*duration_ms),
                summary: summary.clone(),
                warnings: all,
                help: help.clone(),
                tail: tail.clone(),
                exit: *exit,
                log: log.clone(),
                outputs: outputs.clone(),
            });
        }
    }

    /// The steps of one layer that ended; `None` for those of no layer.
    pub fn of_layer<'a>(
        &'a self,
        plan: &'a Plan,
        layer: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Ended> {
        self.ended.iter().filter(move |e| {
            plan.step(&e.step)
                .is_some_and(|step| step.layer.as_deref() == layer)
        })
    }

    /// How many steps ended that way.
    pub fn count(&self, status: Status) -> usize {
        self.ended.iter().filter(|e| e.status == status).count()
    }
}
