//! The end of a step on the screen, and that of the run.

use std::time::Duration;

use super::github;
use super::not_started_group::NotStartedGroup;
use super::run_document::verb;
use super::screen::Screen;
use super::{GoOn, Level, Mode, Paint, annotation, failed_step, summary};
use crate::base::short_duration;
use crate::diag::Exit;
use crate::plan::{Outcome, Status, Step, StepEnd, StepId, StepState, TEXT, sanitize, wrap};

/// Where the count of a step's line begins: behind verb and duration.
const COUNT: usize = TEXT + 8;

impl Screen {
    pub(super) fn finished(&mut self, id: &StepId, end: &StepEnd) {
        if let Some(bars) = &mut self.bars {
            bars.end(id);
        }
        let running = self.running.remove(id);
        if self.look.mode == Mode::Quiet {
            return;
        }
        let begun = self.tally.ended().filter(|e| !never_begun(e.end));
        let ended = begun.count();
        if running.is_none() && end.duration_ms == 0 && end.status != Status::NotPlanned {
            let ended = (!never_begun(end)).then_some(ended);
            let crowd = self.unstarted.as_mut();
            if !crowd.is_some_and(|crowd| crowd.join(id, end, ended)) {
                self.flush();
                self.unstarted = Some(NotStartedGroup::new(id, end, ended));
            }
            return;
        }
        let lines: Vec<String> = running.into_iter().flat_map(|r| r.lines).collect();
        let folded = self.look.github && !lines.is_empty();
        if folded {
            self.command(&github::group(id.as_str()));
        }
        for line in lines {
            let bar = self.look.palette.paint(Paint::Dim, "│");
            self.show(&format!("  {bar} {line}"));
        }
        if folded {
            self.command(github::END_GROUP);
        }
        self.flush();
        let text = self.step_text(
            end.status,
            id,
            end.duration(),
            Some(ended),
            id.as_str(),
            &end.summary,
        );
        self.show(&text);
    }

    /// `        Done    1.2s ( 3/17) l0-runway/tls  the certificate is trusted`
    pub(super) fn step_text(
        &self,
        status: Status,
        step: &StepId,
        took: Duration,
        ended: Option<usize>,
        name: &str,
        result: &str,
    ) -> String {
        let planned = self.plan.step(step);
        let runway = planned.is_some_and(Step::is_gate);
        let dry = self.info.as_ref().is_some_and(|info| info.dry_run);
        let (paint, verb) = match (status, runway, dry) {
            (Status::Succeeded, true, _) => (Paint::Good, "Checked"),
            (Status::Succeeded, false, true) => (Paint::Good, "Planned"),
            (Status::Blocked, true, _) => (Paint::Warn, "Not checked"),
            _ => verb(StepState::Ended(status)),
        };
        let took = if took < Duration::from_millis(50) {
            String::new()
        } else {
            short_duration(took)
        };
        let total = self.plan.steps.len();
        let digits = total.to_string().len();
        let count = match ended {
            Some(ended) => format!("({ended:>digits$}/{total})"),
            None => " ".repeat(2 * digits + 3),
        };
        let result = if result.is_empty() {
            String::new()
        } else {
            format!("  {}", sanitize(result))
        };
        format!(
            "{} {took:>7} {} {}",
            self.look.palette.verb(paint, verb),
            self.look.palette.paint(Paint::Dim, &count),
            wrap(
                &format!("{name}{result}"),
                COUNT + count.len() + 1,
                COUNT,
                (self.look.width)()
            ),
        )
    }

    pub(super) fn over(&mut self) {
        self.flush();
        if let Some(bars) = self.bars.take() {
            drop(bars);
        }
        let (outcome, exit, _) = self.tally.finished.unwrap_or_default();
        let go_on = self.look.go_on();
        let failed = self.tally.ended();
        let failed = failed.filter(|e| e.end.status == Status::Failed);
        let failed: Vec<(StepId, StepEnd)> =
            failed.map(|e| (e.step.clone(), e.end.clone())).collect();
        for (index, (step, end)) in failed.iter().enumerate() {
            let go_on = go_on.as_ref().filter(|_| index + 1 == failed.len());
            let text = failed_step(step, end, go_on, self.look.palette, (self.look.width)());
            self.print("");
            self.print(text.trim_end());
            if self.look.github {
                let title = format!("step {step} failed");
                self.command(&annotation(Level::Error, &title, None, &end.summary));
            }
        }
        if self.look.mode == Mode::Quiet {
            return;
        }
        if let Some(info) = &self.info {
            let (palette, width) = (self.look.palette, (self.look.width)());
            let text = summary(&self.plan, &self.tally, info, palette, width);
            self.print(text.trim_end());
        }
        if let Some(GoOn::Resume(again) | GoOn::Again(again)) = go_on
            && outcome == Outcome::Cancelled
            && exit != Exit::NotApproved.code()
        {
            self.line(Paint::Active, "", &format!("to continue: `{again}`"));
        }
    }
}

/// Whether the run ended around the step: it is not part of the way done.
fn never_begun(end: &StepEnd) -> bool {
    end.duration_ms == 0 && matches!(end.status, Status::Blocked | Status::Cancelled)
}
