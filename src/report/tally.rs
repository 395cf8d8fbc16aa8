//! The steps of a run that ended: those of a layer, and the time that they took.

use std::time::Duration;

use jiff::Timestamp;

use crate::plan::{Ended, Plan, Tally};

/// The steps of one layer that ended; `None` for those of no layer.
pub(super) fn of_layer<'a>(
    plan: &'a Plan,
    tally: &'a Tally,
    layer: Option<&'a str>,
) -> impl Iterator<Item = Ended<'a>> {
    tally.ended().filter(move |ended| {
        plan.step(ended.step)
            .is_some_and(|step| step.layer.as_deref() == layer)
    })
}

/// When a step started, and when it ended.
pub(super) fn times(ended: Ended<'_>) -> (Timestamp, Timestamp) {
    let at: Timestamp = ended.at.parse().unwrap_or_default();
    (at.saturating_sub(ended.end.duration()).unwrap_or(at), at)
}

/// From the first start of these steps to the last end: what runs at once is
/// counted once.
pub(super) fn span<'a>(steps: impl IntoIterator<Item = Ended<'a>>) -> Duration {
    let ran = steps.into_iter().filter(|e| e.end.duration_ms > 0);
    let whole = ran.map(times).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    whole
        .and_then(|(start, end)| Duration::try_from(end.duration_since(start)).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ended, plan};
    use super::*;
    use crate::plan::Status;

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
        let took = |layer| span(of_layer(&plan, &tally, layer)).as_secs();
        assert_eq!((took(Some("l1")), took(Some("l2")), took(None)), (5, 1, 0));
    }
}
