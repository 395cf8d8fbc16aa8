//! Speaks to the run in progress.

use super::Caller;
use crate::control::{Place, Reply, Request, ask};
use crate::diag::{Exit, Failure};
use crate::lab::Paths;

/// Says something to the run that goes on in the lab; `None` when none does.
///
/// # Errors
/// It is there, and does not answer (75).
pub fn say_to_run(
    caller: &Caller,
    paths: &Paths,
    request: &Request,
) -> Result<Option<Reply>, Failure> {
    let place = Place::of(paths, caller.var("XDG_RUNTIME_DIR"));
    ask(&place, request).map_err(|error| {
        let message = format!("the run in progress does not answer: {error}");
        Failure::message(Exit::Busy, message)
    })
}
