//! Tells that a run is dry because a file says so, first and last.

use super::session::Session;
use crate::app::{DryRun, dry_run};
use crate::diag::Failure;
use crate::lab::Lab;
use crate::report::Paint;

/// Decides for a run in `lab`, and says so when the file decided.
pub(super) fn decide(session: &Session, lab: &Lab) -> Result<DryRun, Failure> {
    let dry = dry_run(&session.caller, lab, session.globals.dry_run)?;
    announce(session, &dry);
    Ok(dry)
}

/// The line that stands first and last. Also with `--quiet`: it is what a script
/// that thinks it changed something has to be told.
pub(super) fn announce(session: &Session, dry: &DryRun) {
    if let Some(place) = &dry.because {
        let verb = session.palette().verb(Paint::Warn, "Dry run");
        session.say(&format!(
            "{verb} `dry_run=true` in {place}: nothing is changed; `DRY_RUN=false` in front of the command runs it live"
        ));
    }
}
