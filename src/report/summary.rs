//! The end of a run: one line a layer, then one line for all.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Ended, Paint, Palette, Tally};
use crate::plan::{Outcome, Plan, Status, short_duration};

/// The summary of a finished run, for people.
pub fn summary(plan: &Plan, tally: &Tally, dry_run: bool, palette: Palette) -> String {
    let mut out = String::new();
    let mut layers: Vec<Option<&str>> = Vec::new();
    for step in &plan.steps {
        let layer = step.layer.as_deref();
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    let rule = palette.paint(Paint::Dim, "────────────");
    writeln!(out, "{rule}").unwrap_or_default();
    if layers.len() > 1 {
        for layer in &layers {
            let steps: Vec<_> = tally.of_layer(plan, *layer).collect();
            writeln!(out, "{}", layer_line(*layer, &steps, dry_run, palette)).unwrap_or_default();
        }
    }
    let (outcome, duration) = tally.finished.map_or(
        (Outcome::Failed, Duration::ZERO),
        |(outcome, _, duration)| (outcome, duration),
    );
    let (paint, verb) = match outcome {
        Outcome::Succeeded => (Paint::Good, if dry_run { "Planned" } else { "Finished" }),
        Outcome::Failed => (Paint::Bad, "Failed"),
        Outcome::Cancelled => (Paint::Warn, "Cancelled"),
    };
    let all: Vec<_> = tally.ended.iter().collect();
    let runway = runway_verdict(plan, tally)
        .map(|verdict| format!(": {verdict}"))
        .unwrap_or_default();
    let nothing = if dry_run { ", nothing was changed" } else { "" };
    writeln!(
        out,
        "{} `{}` in {}: {}{runway}{nothing}",
        palette.verb(paint, verb),
        plan.recipe,
        short_duration(duration),
        counts(&all, dry_run)
    )
    .unwrap_or_default();
    out
}

/// What L0 promises, where it ran: `cleared`, `cleared with warnings`, or
/// `not cleared`.
pub(super) fn runway_verdict(plan: &Plan, tally: &Tally) -> Option<&'static str> {
    let steps: Vec<_> = tally.of_layer(plan, Some("l0")).collect();
    if steps.is_empty() {
        return None;
    }
    Some(
        if steps
            .iter()
            .any(|e| !matches!(e.status, Status::Succeeded | Status::Skipped))
        {
            "not cleared"
        } else if steps.iter().any(|e| !e.warnings.is_empty()) {
            "cleared with warnings"
        } else {
            "cleared"
        },
    )
}

fn layer_line(layer: Option<&str>, steps: &[&Ended], dry_run: bool, palette: Palette) -> String {
    let name = layer.map_or_else(|| "other".to_owned(), str::to_uppercase);
    let has = |status| steps.iter().any(|e| e.status == status);
    let (paint, word) = if steps.is_empty() {
        (Paint::Dim, "not reached")
    } else if has(Status::Failed) {
        (Paint::Bad, "failed")
    } else if has(Status::Cancelled) {
        (Paint::Warn, "cancelled")
    } else if has(Status::Blocked) {
        (Paint::Dim, "not reached")
    } else if has(Status::NotPlanned) {
        (Paint::Warn, "not planned")
    } else if steps.iter().any(|e| e.changed == Some(true)) {
        (
            Paint::Good,
            if dry_run { "would change" } else { "changed" },
        )
    } else {
        (Paint::Good, "ok")
    };
    let took: Duration = steps.iter().map(|e| e.duration).sum();
    let took = if took.is_zero() {
        String::new()
    } else {
        short_duration(took)
    };
    format!(
        "{} {} {:>8}  {}",
        palette.verb(Paint::Bold, &name),
        palette.paint(paint, format_args!("{word:<12}")),
        took,
        counts(steps, dry_run)
    )
}

/// `12 done, 1 skipped`, leaving out what is zero.
fn counts(steps: &[&Ended], dry_run: bool) -> String {
    let of = |status| steps.iter().filter(|e| e.status == status).count();
    let changed = steps
        .iter()
        .filter(|e| e.status == Status::Succeeded && e.changed == Some(true))
        .count();
    let warnings: usize = steps.iter().map(|e| e.warnings.len()).sum();
    let mut parts = Vec::new();
    for (count, word) in [
        (
            of(Status::Succeeded),
            if dry_run { "planned" } else { "done" },
        ),
        (changed, if dry_run { "would change" } else { "changed" }),
        (of(Status::Skipped), "skipped"),
        (of(Status::NotPlanned), "not planned"),
        (of(Status::Failed), "failed"),
        (of(Status::Cancelled), "cancelled"),
        (of(Status::Blocked), "not run"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    if warnings > 0 {
        parts.push(format!(
            "{warnings} {}",
            if warnings == 1 { "warning" } else { "warnings" }
        ));
    }
    if parts.is_empty() {
        "nothing was run".to_owned()
    } else {
        parts.join(", ")
    }
}
