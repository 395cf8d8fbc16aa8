//! How the run's loop and a step's own thread agree on stopping it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::action::Stop;
use crate::base::Cancel;

/// One step's stop switch and clock.
#[derive(Debug, Default)]
pub(super) struct Control(Mutex<State>);

/// How an attempt's time is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// Stopped at its end.
    Limit(Duration),
    /// Never stopped; after this long it is told that it has no limit.
    Tell(Duration),
    /// Not at all: no limit is meant, a person thinks, or no attempt runs.
    Off,
}

impl Clock {
    /// Where it is stopped.
    pub(super) fn limit(self) -> Option<Duration> {
        match self {
            Self::Limit(limit) => Some(limit),
            Self::Tell(_) | Self::Off => None,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    cancel: Cancel,
    deadline: Option<Instant>,
    /// When it is told that there is no limit, and that it was: once a step.
    tell: Option<Instant>,
    told: bool,
    stop: Option<Stop>,
}

impl Control {
    /// A new attempt, with a token of its own. An earlier timeout is over; the
    /// user's stop stays.
    pub(super) fn begin(&self) -> Cancel {
        self.with(|state| {
            if state.stop != Some(Stop::User) {
                state.stop = None;
                state.cancel = Cancel::default();
            }
            state.deadline = None;
            state.tell = None;
            state.cancel.clone()
        })
    }

    /// Sets the clock from now on.
    pub(super) fn clock(&self, clock: Clock) {
        let now = Instant::now();
        self.with(|state| {
            (state.deadline, state.tell) = match clock {
                Clock::Limit(limit) => (now.checked_add(limit), None),
                Clock::Tell(after) => (None, now.checked_add(after)),
                Clock::Off => (None, None),
            };
        });
    }

    /// Whether it is time to tell that it has no limit; true once.
    pub(super) fn is_to_be_told(&self, now: Instant) -> bool {
        self.with(|state| {
            let due = state.tell.take_if(|at| *at <= now).is_some() && !state.told;
            state.told |= due;
            due
        })
    }

    /// Why it has been stopped.
    pub(super) fn stopped(&self) -> Option<Stop> {
        self.with(|state| state.stop)
    }

    /// Stops it. The user's wish overrides a timeout.
    pub(super) fn stop(&self, why: Stop) {
        self.with(|state| {
            if state.stop != Some(Stop::User) {
                state.stop = Some(why);
            }
            state.deadline = None;
            state.tell = None;
            state.cancel.cancel();
        });
    }

    /// Stops it when its limit has passed; true once.
    pub(super) fn time_is_over(&self, now: Instant) -> bool {
        let over = self.with(|state| state.deadline.take_if(|end| *end <= now).is_some());
        if over {
            self.stop(Stop::Timeout);
        }
        over
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn what_has_no_limit_is_told_once_and_never_stopped() {
        let control = Control::default();
        control.begin();
        control.clock(Clock::Tell(MINUTE));
        let now = Instant::now();
        assert!(!control.is_to_be_told(now));
        assert!(!control.time_is_over(now + 2 * MINUTE));
        assert!(control.is_to_be_told(now + 2 * MINUTE));
        assert!(!control.is_to_be_told(now + 3 * MINUTE));
        // A second attempt is no news.
        control.begin();
        control.clock(Clock::Tell(MINUTE));
        assert!(!control.is_to_be_told(Instant::now() + 2 * MINUTE));
        assert_eq!(control.stopped(), None);
    }

    #[test]
    fn a_clock_that_is_off_does_nothing_and_a_limit_stops_once() {
        let control = Control::default();
        control.begin();
        control.clock(Clock::Limit(MINUTE));
        control.clock(Clock::Off);
        let late = Instant::now() + 2 * MINUTE;
        assert!(!control.time_is_over(late) && !control.is_to_be_told(late));
        control.clock(Clock::Limit(MINUTE));
        assert!(control.time_is_over(Instant::now() + 2 * MINUTE));
        assert_eq!(control.stopped(), Some(Stop::Timeout));
        assert!(!control.time_is_over(Instant::now() + 3 * MINUTE));
    }
}
