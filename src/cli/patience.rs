//! A wait that takes longer than five seconds says what it waits for.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How long a wait needs no words.
const WITHOUT_WORDS: Duration = Duration::from_secs(5);

/// Does the work, and calls `say` when it takes long.
pub(super) fn patiently<T>(say: impl FnOnce() + Send, work: impl FnOnce() -> T) -> T {
    after(WITHOUT_WORDS, say, work)
}

fn after<T>(limit: Duration, say: impl FnOnce() + Send, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (working, over) = channel::<()>();
        scope.spawn(move || {
            if over.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                say();
            }
        });
        let done = work();
        drop(working);
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_wait_is_told() {
        let mut told = false;
        assert_eq!(after(Duration::from_hours(1), || told = true, || 7), 7);
        assert!(!told);
        // The work is over only when it was told.
        let (tell, heard) = channel();
        let say = move || tell.send(()).unwrap_or_default();
        let work = || heard.recv_timeout(Duration::from_mins(1)).is_ok();
        assert!(after(Duration::ZERO, say, work));
    }
}
