//! The end of a run: one line a layer, then one line for all.

use super::tally::{of_layer, span};
use super::{Paint, Palette};
use crate::base::{count, short_duration};
use crate::plan::{Ended, Outcome, Plan, RunInfo, Status, Step, TEXT, Tally, wrap};

/// The summary of a finished run, for people, in lines of `width` columns.
pub fn summary(
    plan: &Plan,
    tally: &Tally,
    info: &RunInfo,
    palette: Palette,
    width: Option<usize>,
) -> String {
    let mut layers: Vec<Option<&str>> = Vec::new();
    for step in &plan.steps {
        let layer = step.layer.as_deref();
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    let mut lines = vec![palette.paint(Paint::Dim, "────────────")];
    let verdict = runway_verdict(plan, tally);
    if layers.len() > 1 {
        let rows: Vec<Row> = layers
            .iter()
            .map(|layer| Row::new(plan, tally, *layer, verdict, info.dry_run))
            .collect();
        let word = rows.iter().map(|row| row.word.len()).max().unwrap_or(0);
        lines.extend(rows.iter().map(|row| row.text(word, palette, width)));
    }
    let (outcome, _, duration) = tally.finished.unwrap_or_default();
    let (paint, verb) = match outcome {
        Outcome::Succeeded if info.dry_run => (Paint::Good, "Planned"),
        Outcome::Succeeded if info.rehearsal => (Paint::Good, "Rehearsed"),
        Outcome::Succeeded => (Paint::Good, "Finished"),
        Outcome::Failed => (Paint::Bad, "Failed"),
        Outcome::Cancelled => (Paint::Warn, "Cancelled"),
    };
    let verdict = match verdict {
        Some(verdict) if layers.len() == 1 => format!("{verdict}, "),
        _ => String::new(),
    };
    let all: Vec<_> = tally.ended().collect();
    let counts = counts(&all, info.dry_run && !plan.steps.iter().all(Step::is_gate));
    let nothing = if info.dry_run {
        ", nothing was changed"
    } else {
        ""
    };
    let whole = if tally.earlier.is_zero() {
        String::new()
    } else {
        format!(" ({} in all)", short_duration(duration + tally.earlier))
    };
    let all = format!(
        "`{}` in {}{whole}: {verdict}{counts}{nothing}",
        plan.recipe,
        short_duration(duration),
    );
    let verb = palette.verb(paint, verb);
    lines.push(format!("{verb} {}", wrap(&all, TEXT, TEXT, width)));
    lines.join("\n")
}

/// One layer of the summary.
struct Row {
    name: String,
    paint: Paint,
    word: &'static str,
    took: String,
    counts: String,
}

impl Row {
    fn new(
        plan: &Plan,
        tally: &Tally,
        layer: Option<&str>,
        verdict: Option<&'static str>,
        dry_run: bool,
    ) -> Self {
        let own = |step: &&Step| step.layer.as_deref() == layer;
        let runway = plan.steps.iter().filter(own).any(Step::is_gate);
        let steps: Vec<_> = of_layer(plan, tally, layer).collect();
        let (paint, word) = state(&steps, dry_run);
        let took = span(steps.iter().copied());
        Self {
            name: layer.map_or_else(|| "other".to_owned(), str::to_uppercase),
            paint,
            word: match verdict {
                Some(verdict) if runway && word != "cancelled" => verdict,
                _ => word,
            },
            took: if took.is_zero() {
                String::new()
            } else {
                short_duration(took)
            },
            counts: counts(&steps, dry_run && !runway),
        }
    }

    /// The line; its second column is `word` wide.
    fn text(&self, word: usize, palette: Palette, width: Option<usize>) -> String {
        let begin = TEXT + word + 10;
        format!(
            "{} {} {:>7}  {}",
            palette.verb(Paint::Bold, &self.name),
            palette.paint(self.paint, format_args!("{:<word$}", self.word)),
            self.took,
            wrap(&self.counts, begin, TEXT, width)
        )
    }
}

/// What a layer of checks promises, where one ran: `cleared`, `cleared with
/// warnings`, or `not cleared`.
pub(super) fn runway_verdict(plan: &Plan, tally: &Tally) -> Option<&'static str> {
    let gate = |ended: &Ended<'_>| plan.step(ended.step).is_some_and(Step::is_gate);
    let steps: Vec<_> = tally.ended().filter(gate).collect();
    if steps.is_empty() {
        return None;
    }
    Some(
        if steps
            .iter()
            .any(|e| !matches!(e.end.status, Status::Succeeded | Status::Skipped))
        {
            "not cleared"
        } else if steps.iter().any(|e| !e.end.warnings.is_empty()) {
            "cleared with warnings"
        } else {
            "cleared"
        },
    )
}

fn state(steps: &[Ended<'_>], dry_run: bool) -> (Paint, &'static str) {
    let has = |status| steps.iter().any(|e| e.end.status == status);
    if steps.is_empty() {
        (Paint::Dim, "not reached")
    } else if has(Status::Failed) {
        (Paint::Bad, "failed")
    } else if has(Status::Cancelled) {
        (Paint::Warn, "cancelled")
    } else if has(Status::Blocked) {
        (Paint::Dim, "not reached")
    } else if has(Status::NotPlanned) {
        (Paint::Warn, "not planned")
    } else if steps.iter().any(|e| e.end.changed == Some(true)) {
        let word = if dry_run { "would change" } else { "changed" };
        (Paint::Good, word)
    } else {
        (Paint::Good, "ok")
    }
}

/// `12 done, 1 skipped`, leaving out what is zero.
fn counts(steps: &[Ended<'_>], dry_run: bool) -> String {
    let of = |status| steps.iter().filter(|e| e.end.status == status).count();
    let changed = steps
        .iter()
        .filter(|e| e.end.status == Status::Succeeded && e.end.changed == Some(true))
        .count();
    let warnings: usize = steps.iter().map(|e| e.end.warnings.len()).sum();
    let mut parts = Vec::new();
    let [done, does] = if dry_run {
        ["planned", "would change"]
    } else {
        ["done", "changed"]
    };
    for (number, word) in [
        (of(Status::Succeeded), done),
        (changed, does),
        (of(Status::Skipped), "skipped"),
        (of(Status::NotPlanned), "not planned"),
        (of(Status::Failed), "failed"),
        (of(Status::Cancelled), "cancelled"),
        (of(Status::Blocked), "not run"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    if warnings > 0 {
        parts.push(count(warnings, "warning"));
    }
    if parts.is_empty() {
        "nothing was run".to_owned()
    } else {
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{end_of, ended, info, over, plan};
    use super::*;
    use crate::plan::Event;

    fn changed(mut event: Event) -> Event {
        let end = end_of(&mut event);
        end.changed = Some(true);
        event
    }

    fn text(plan: &Plan, info: &RunInfo, events: &[Event]) -> String {
        let mut tally = Tally::default();
        for event in events {
            tally.take(event);
        }
        summary(plan, &tally, info, Palette { color: false }, None)
    }

    #[test]
    fn layers_have_a_line_each_and_what_ran_at_once_counts_once() {
        let plan = plan(&["l0-r/a", "l0-r/b", "l2-x/plan", "l2-x/apply", "l3-y/go"]);
        let events = [
            ended(1500, "l0-r/a", Status::Succeeded, 1500, ""),
            ended(1600, "l0-r/b", Status::Skipped, 1400, ""),
            ended(2600, "l2-x/plan", Status::Succeeded, 1000, ""),
            changed(ended(9600, "l2-x/apply", Status::Succeeded, 7000, "")),
            ended(9600, "l3-y/go", Status::Failed, 0, ""),
            over(9600, Outcome::Failed, 2),
        ];
        insta::assert_snapshot!(text(&plan, &info(), &events), @r"
        ────────────
                  L0 cleared    1.6s  1 done, 1 skipped
                  L2 changed    8.0s  2 done, 1 changed
                  L3 failed           1 failed
              Failed `up` in 9.6s: 3 done, 1 changed, 1 skipped, 1 failed
        ");
    }

    #[test]
    fn a_dry_run_says_what_is_pending_and_that_nothing_was_changed() {
        let plan = plan(&["l0-r/a", "l2-x/plan", "l3-y/go"]);
        let mut info = info();
        info.dry_run = true;
        let events = [
            ended(100, "l0-r/a", Status::Succeeded, 100, ""),
            changed(ended(900, "l2-x/plan", Status::Succeeded, 800, "")),
            ended(900, "l3-y/go", Status::NotPlanned, 0, ""),
            over(900, Outcome::Succeeded, 0),
        ];
        insta::assert_snapshot!(text(&plan, &info, &events), @r"
        ────────────
                  L0 cleared         0.1s  1 done
                  L2 would change    0.8s  1 planned, 1 would change
                  L3 not planned           1 not planned
             Planned `up` in 0.9s: 2 planned, 1 would change, 1 not planned, nothing was changed
        ");
    }

    #[test]
    fn the_runway_alone_gives_its_verdict_at_once() {
        let plan = plan(&["l0-r/a"]);
        let verdict = |status, warning: &str| {
            let mut end = ended(5, "l0-r/a", status, 5, "");
            end_of(&mut end)
                .warnings
                .extend((!warning.is_empty()).then(|| warning.to_owned()));
            text(&plan, &info(), &[end, over(5, Outcome::Succeeded, 0)])
        };
        assert!(verdict(Status::Succeeded, "").contains(": cleared, 1 done"));
        assert!(verdict(Status::Succeeded, "x").contains(": cleared with warnings, 1 done"));
        assert!(verdict(Status::Blocked, "").contains(": not cleared, 1 not run"));
    }
}
