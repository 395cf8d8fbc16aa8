//! The lab is taken for a run.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::diag::{Exit, Failure};
use crate::lab::{Lock, Paths};
use crate::runs;

/// How long a run whose end is written may take to let go of the lab.
const LETS_GO_WITHIN: Duration = Duration::from_secs(10);

const LOOK: Duration = Duration::from_millis(20);

/// Takes the lab. Who saw a run end must not be turned away because its process
/// has still to end.
///
/// # Errors
/// It is held (75), or cannot be locked (73).
pub(super) fn take(paths: &Paths, run: &str) -> Result<Lock, Failure> {
    let until = Instant::now() + LETS_GO_WITHIN;
    loop {
        match Lock::take(paths, run) {
            Err(failure)
                if failure.exit == Exit::Busy && is_over(paths) && Instant::now() < until =>
            {
                sleep(LOOK);
            }
            taken => return taken,
        }
    }
}

/// The run that holds the lab has come to its end.
fn is_over(paths: &Paths) -> bool {
    let Some(holder) = Lock::holder(paths) else {
        // It lets go of the lab just now, or another one takes it.
        return true;
    };
    runs::has_ended(paths, &holder.run)
}
