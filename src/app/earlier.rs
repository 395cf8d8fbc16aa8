//! What earlier parts of a run did, read with the lab locked: another `hl` may
//! have gone on with it.

use std::time::Duration;

use super::job::Resume;
use super::past_run::{rename_steps, succeeded};
use crate::diag::{Exit, Failure};
use crate::engine::PriorRun;
use crate::lab::Lab;
use crate::plan::{Consent, Plan, Tally, forget_undone, took};
use crate::runs;

/// What the earlier parts of the run that is gone on with did.
pub(super) fn earlier(lab: &Lab, resume: &Resume, plan: &Plan) -> Result<PriorRun, Failure> {
    let mut run = runs::find(&lab.paths, &resume.id)?;
    if succeeded(&run) && resume.same && resume.forced.is_empty() {
        return Err(Failure::message(
            Exit::Busy,
            format!(
                "another `hl` has resumed run {}, and it succeeded",
                resume.id
            ),
        ));
    }
    rename_steps(&mut run.events, plan);
    let tally = Tally::of(&run.events);
    let settled = tally.settled();
    let mut steps = tally.past();
    forget_undone(&mut steps, plan);
    Ok(PriorRun {
        settled,
        steps,
        forced: resume.forced.clone(),
        consent: Consent::after(&run.events),
        // Of a dry run on its own, the live run is no part.
        took: if resume.same {
            took(&run.events)
        } else {
            Duration::ZERO
        },
    })
}
