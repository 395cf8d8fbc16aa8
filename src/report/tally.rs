//! What is known of a run so far, gathered from its events.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

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
    /// When.
    pub at: Timestamp,
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
    /// How long the parts of the run before this one took.
    pub earlier: Duration,
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
            earlier_ms,
        } = &event.kind
        {
            self.earlier = Duration::from_millis(*earlier_ms);
            self.finished = Some((*outcome, *exit, Duration::from_millis(*duration_ms)));
        }
        let Some(step) = &event.step else { return };
        if let EventKind::StepFinished {
            status,
            changed,
            duration_ms,
            summary,
            outputs,
            fingerprint: _,
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
                at: event.time.parse().unwrap_or_default(),
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

    /// From the first start of these steps to the last end: what runs at once
    /// is counted once.
    pub fn span<'a>(steps: impl IntoIterator<Item = &'a Ended>) -> Duration {
        let ran = steps.into_iter().filter(|e| !e.duration.is_zero());
        let times = ran.map(|e| (e.at.saturating_sub(e.duration).unwrap_or(e.at), e.at));
        let whole = times.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        whole
            .and_then(|(start, end)| Duration::try_from(end.duration_since(start)).ok())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ended, event, over, plan};
    use super::*;

    #[test]
    fn warnings_on_the_way_and_at_the_end_are_the_steps_own() {
        let mut tally = Tally::default();
        let warning = |step: &str, text: &str| {
            let message = text.to_owned();
            event(1, step, EventKind::Warning { message })
        };
        tally.take(&warning("l1-a/x", "on the way"));
        tally.take(&warning("l1-a/y", "of another"));
        let mut end = ended(9, "l1-a/x", Status::Succeeded, 9, "");
        if let EventKind::StepFinished { warnings, .. } = &mut end.kind {
            warnings.push("at the end".to_owned());
        }
        tally.take(&end);
        assert_eq!(tally.ended[0].warnings, ["on the way", "at the end"]);
        assert_eq!(tally.finished, None);
        tally.take(&over(9, Outcome::Succeeded, 0));
        assert_eq!(
            tally.finished,
            Some((Outcome::Succeeded, 0, Duration::from_millis(9)))
        );
    }

    #[test]
    fn a_span_is_from_the_first_start_to_the_last_end() {
        let plan = plan(&["l1-a/x", "l1-a/y", "l1-a/never", "l2-b/z"]);
        let mut tally = Tally::default();
        for event in [
            ended(5000, "l1-a/x", Status::Succeeded, 4000, ""),
            ended(6000, "l1-a/y", Status::Succeeded, 3000, ""),
            ended(6000, "l1-a/never", Status::Blocked, 0, ""),
            ended(9000, "l2-b/z", Status::Succeeded, 1000, ""),
        ] {
            tally.take(&event);
        }
        let span = |layer| Tally::span(tally.of_layer(&plan, layer)).as_secs();
        assert_eq!((span(Some("l1")), span(Some("l2")), span(None)), (5, 1, 0));
    }
}
