//! The plan of a run, as it was written beside its logs when the run began.

use std::io::Read;

use crate::base::private_read;
use crate::diag::{Exit, Failure, say};
use crate::lab::Paths;
use crate::plan::Plan;

/// A file above this size is no plan of `hl`.
const LONGEST: u64 = 256 * 1024 * 1024;

/// The plan of the run with this id.
///
/// # Errors
/// It is not there or cannot be read (66), is none (65), or a newer `hl` wrote it (76).
pub fn planned(paths: &Paths, id: &str) -> Result<Plan, Failure> {
    let path = paths.logs(id).join("plan.json");
    let cannot = |why: &dyn std::fmt::Display| {
        let message = format!("cannot read the plan of the run, `{path}`: {why}");
        Failure::message(Exit::Unknown, message)
            .help(say("what happened is in its journal: ").hl("runs show"))
    };
    let mut text = String::new();
    private_read(&path)
        .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
        .map_err(|error| cannot(&error))?;
    Plan::parse(&text).map_err(|failure| Failure {
        exit: failure.exit,
        ..cannot(&failure)
    })
}
