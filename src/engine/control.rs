//! How the run's loop and a step's own thread agree on stopping it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::action::{Cancel, Stop};

/// One step's stop switch and clock.
#[derive(Debug, Default)]
pub(super) struct Control(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    cancel: Cancel,
    deadline: Option<Instant>,
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
            state.cancel.clone()
        })
    }

    /// Starts the clock, or (`None`) stops it: while a person thinks, and
    /// between attempts.
    pub(super) fn clock(&self, limit: Option<Duration>) {
        self.with(|state| state.deadline = limit.and_then(|l| Instant::now().checked_add(l)));
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
            state.cancel.cancel();
        });
    }

    /// Stops it if its time is over; true once.
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
