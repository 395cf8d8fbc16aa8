//! The newest `up`, when it did not come to its end.

use super::past_run::succeeded;
use crate::diag::{Exit, Failure};
use crate::lab::Lab;
use crate::runs::{self, Ending, Run, RunRequest};

/// The newest live `up`, when it did not come to a good end and can be gone on
/// with. One that was archived is followed by the one that was started instead.
///
/// # Errors
/// It was begun by a newer `hl` (76).
pub fn unfinished_up(lab: &Lab) -> Result<Option<Run>, Failure> {
    for id in runs::ids(&lab.paths).iter().rev() {
        let run = match runs::find(&lab.paths, id) {
            Ok(run) => run,
            // It may be an `up` that a newer `hl` began.
            Err(failure) if failure.exit == Exit::Newer => return Err(failure),
            Err(_) => continue,
        };
        let up = matches!(run.header.asked_for(), Some(RunRequest::Up(_)));
        if !up || run.header.dry_run {
            continue;
        }
        // One that still runs holds the lab, which is said where it is taken.
        let over = succeeded(&run) || run.ending == Ending::Running;
        return Ok((!over).then_some(run));
    }
    Ok(None)
}
