//! What is said of a server that ended.

use crate::cli::session::Session;
use crate::diag::{Exit, Failure};
use crate::report::Paint;
use hl_sim::Running;

/// How many calls that are not there are named.
const NAMED: usize = 20;

/// Stops a server, and says what it met.
pub(super) fn ended(session: &Session, running: Running) -> Result<Exit, Failure> {
    let requests = running.request_count();
    let missing = running.not_implemented();
    let faults = running.faults();
    let log_error = running.log_error();
    running
        .stop()
        .map_err(|error| Failure::message(Exit::CannotWrite, error.to_string()))?;
    let calls: u64 = missing.iter().map(|(_, count)| count).sum();
    let of = match calls {
        0 => String::new(),
        calls => format!(", {calls} of them not implemented (501)"),
    };
    session.tell(
        Paint::Good,
        "Stopped",
        format!("after {requests} requests{of}"),
    );
    for (call, count) in missing.iter().take(NAMED) {
        session.note(format!("{:>12} {count} times `{call}`", ""));
    }
    if let Some(more) = missing.len().checked_sub(NAMED).filter(|more| *more > 0) {
        session.note(format!("{:>12} and {more} other calls", ""));
    }
    for (rule, count) in faults {
        let said = match count {
            0 => format!("`{rule}` met nothing"),
            1 => format!("`{rule}` once"),
            count => format!("`{rule}` {count} times"),
        };
        session.tell(Paint::Active, "Faults", said);
    }
    if let Some(error) = log_error {
        let message = format!("the file of `--log` is not complete: {error}");
        return Err(Failure::message(Exit::CannotWrite, message));
    }
    Ok(Exit::Ok)
}
