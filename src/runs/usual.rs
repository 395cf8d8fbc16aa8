//! How long steps usually take, as far as past runs tell.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{page, read};
use crate::lab::Paths;
use crate::plan::{EventKind, Status, StepId};

/// Runs that are looked at.
const RUNS: usize = 20;

/// Times of a step that are enough.
const TIMES: usize = 5;

/// How long steps usually take: the middle one of the last times that a step did
/// its work. Dry runs and live ones are told apart; a step that never did its
/// work is not among them.
pub fn usual(paths: &Paths, dry_run: bool) -> BTreeMap<StepId, Duration> {
    let mut times: BTreeMap<StepId, Vec<u64>> = BTreeMap::new();
    for entry in page(paths, Some(RUNS)).entries {
        let same = entry.summary.is_ok_and(|run| run.header.dry_run == dry_run);
        let Some(run) = same.then(|| read(&entry.path).ok()).flatten() else {
            continue;
        };
        for event in run.events.iter().rev() {
            if let (Some(step), EventKind::StepFinished(end)) = (&event.step, &event.kind)
                && end.status == Status::Succeeded
            {
                let times = times.entry(step.clone()).or_default();
                if times.len() < TIMES {
                    times.push(end.duration_ms);
                }
            }
        }
    }
    let middle = |mut times: Vec<u64>| {
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    };
    times
        .into_iter()
        .filter_map(|(step, times)| Some((step, Duration::from_millis(middle(times)?))))
        .collect()
}
