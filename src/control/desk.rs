//! What a run and those who speak to it share.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::protocol::{Question, Reply, Request, RunStatus};
use crate::base::{Signal, StopSource};

/// How often somebody who waits for an answer looks whether the run is stopped.
const LOOK: Duration = Duration::from_millis(100);

/// The desk of one run: requests come in, the run looks at it.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    run: String,
    /// How far the run is to be stopped: 0 to 2, as by so many Ctrl-Cs.
    stop: u8,
    question: Option<Question>,
    answer: Option<(bool, String)>,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Somebody answered.
    Given {
        /// Yes or no.
        approved: bool,
        /// Who.
        by: String,
    },
    /// Nobody did in time.
    TimedOut,
    /// The run was stopped meanwhile.
    Stopped,
}

impl Desk {
    /// The desk of this run.
    pub fn new(run: &str) -> Self {
        let desk = Self::default();
        run.clone_into(&mut desk.state().run);
        desk
    }

    /// Lays a question out, and waits for the answer, at most so long.
    pub fn ask(&self, question: Question, limit: Duration, stopped: &dyn Fn() -> bool) -> Verdict {
        let until = Instant::now() + limit;
        let mut state = self.state();
        state.question = Some(question);
        state.answer = None;
        let verdict = loop {
            if let Some((approved, by)) = state.answer.take() {
                break Verdict::Given { approved, by };
            }
            if stopped() || state.stop > 0 {
                break Verdict::Stopped;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break Verdict::TimedOut;
            }
            let waited = self.shared.changed.wait_timeout(state, left.min(LOOK));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        state.question = None;
        verdict
    }

    /// Answers a request.
    pub(super) fn take(&self, request: Request) -> Reply {
        let mut state = self.state();
        let taken = |state: &State| Reply::Taken {
            run: state.run.clone(),
        };
        let reply = match request {
            Request::Status => Reply::Status(RunStatus {
                run: state.run.clone(),
                // What was answered is no question any more.
                question: state.question.clone().filter(|_| state.answer.is_none()),
            }),
            Request::Stop { now } => {
                state.stop = state.stop.max(1 + u8::from(now));
                taken(&state)
            }
            Request::Approve { digest, by } => state.decide(true, Some(&digest), by),
            Request::Reject { digest, by } => state.decide(false, digest.as_deref(), by),
        };
        drop(state);
        self.shared.changed.notify_all();
        reply
    }

    fn stop(&self) -> u8 {
        self.state().stop
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Answers the question, if it is the one with this digest.
    fn decide(&mut self, approved: bool, digest: Option<&str>, by: String) -> Reply {
        match &self.question {
            None => refused("it waits for no answer"),
            Some(question) if digest.is_some_and(|digest| digest != question.digest) => {
                refused("what it asks about is not what you were shown")
            }
            Some(_) => self.answer(approved, by),
        }
    }

    /// The first answer counts.
    fn answer(&mut self, approved: bool, by: String) -> Reply {
        if self.answer.is_some() {
            return refused("somebody else has answered");
        }
        self.answer = Some((approved, by));
        Reply::Taken {
            run: self.run.clone(),
        }
    }
}

fn refused(why: &str) -> Reply {
    Reply::Refused {
        why: why.to_owned(),
    }
}

/// Wishes to stop that come by signal or to the desk, so that the same wish twice
/// is one.
pub struct Stops<'a> {
    signals: &'a mut dyn StopSource,
    desk: Desk,
    given: u8,
}

impl std::fmt::Debug for Stops<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stops").finish_non_exhaustive()
    }
}

impl<'a> Stops<'a> {
    /// Both of them.
    pub fn new(signals: &'a mut dyn StopSource, desk: Desk) -> Self {
        Self {
            signals,
            desk,
            given: 0,
        }
    }
}

impl StopSource for Stops<'_> {
    fn arrived(&mut self) -> Option<Signal> {
        // First what came to the desk: a Ctrl-C that comes with it is one more.
        if self.given < self.desk.stop() {
            self.given += 1;
            return Some(Signal::Request);
        }
        let signal = self.signals.arrived()?;
        // Of signals only Ctrl-C makes it more urgent.
        if self.given == 0 || signal == Signal::Interrupt {
            self.given = self.given.saturating_add(1);
        }
        Some(signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::StepId;

    fn question(digest: &str) -> Question {
        Question {
            step: StepId::from("r/a"),
            text: String::new(),
            summary: Vec::new(),
            type_word: None,
            digest: digest.to_owned(),
            since: String::new(),
            until: String::new(),
        }
    }

    fn approve(digest: &str) -> Request {
        Request::Approve {
            digest: digest.to_owned(),
            by: "me".to_owned(),
        }
    }

    fn is_taken(reply: &Reply) -> bool {
        matches!(reply, Reply::Taken { .. })
    }

    /// Asks, and gives the desk to somebody else once the question is out.
    fn asked(limit: Duration, answer: impl FnOnce(&Desk) + Send) -> Verdict {
        let desk = Desk::new("r");
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| desk.ask(question("d"), limit, &|| false));
            while matches!(desk.take(Request::Status), Reply::Status(status) if status.question.is_none())
                && !asking.is_finished()
            {
                std::thread::yield_now();
            }
            answer(&desk);
            asking.join().unwrap()
        })
    }

    fn reject(digest: Option<&str>) -> Request {
        Request::Reject {
            digest: digest.map(str::to_owned),
            by: "me".to_owned(),
        }
    }

    #[test]
    fn the_first_answer_to_what_was_shown_counts() {
        let given = |approved| Verdict::Given {
            approved,
            by: "me".to_owned(),
        };
        let long = Duration::from_mins(1);
        let verdict = asked(long, |desk| {
            assert!(!is_taken(&desk.take(approve("other"))));
            assert!(is_taken(&desk.take(approve("d"))));
            assert!(
                matches!(desk.take(Request::Status), Reply::Status(status) if status.question.is_none())
            );
            assert!(!is_taken(&desk.take(reject(None))));
        });
        assert_eq!(verdict, given(true));
        let verdict = asked(long, |desk| {
            assert!(!is_taken(&desk.take(reject(Some("other")))));
            assert!(is_taken(&desk.take(reject(Some("d")))));
        });
        assert_eq!(verdict, given(false));
        assert_eq!(asked(Duration::ZERO, |_| {}), Verdict::TimedOut);
        let verdict = asked(long, |desk| {
            desk.take(Request::Stop { now: false });
        });
        assert_eq!(verdict, Verdict::Stopped);
        assert!(!is_taken(&Desk::new("r").take(approve("d"))));
    }

    /// Signals that have arrived.
    struct Arrived(Vec<Signal>);

    impl StopSource for Arrived {
        fn arrived(&mut self) -> Option<Signal> {
            self.0.pop()
        }
    }

    #[test]
    fn fifty_stops_are_one() {
        let desk = Desk::new("r");
        let mut signals = Arrived(Vec::new());
        let mut stops = Stops::new(&mut signals, desk.clone());
        let mut arrived = || std::iter::from_fn(|| stops.arrived()).count();
        assert_eq!(arrived(), 0);
        for _ in 0..50 {
            desk.take(Request::Stop { now: false });
        }
        assert_eq!(arrived(), 1);
        desk.take(Request::Stop { now: true });
        desk.take(Request::Stop { now: true });
        assert_eq!(arrived(), 1);
    }

    #[test]
    fn a_ctrl_c_behind_both_is_the_third_and_a_goodbye_is_no_escalation() {
        let all = |signals: &[Signal], now| {
            let desk = Desk::new("r");
            desk.take(Request::Stop { now });
            let mut signals = Arrived(signals.to_vec());
            let mut stops = Stops::new(&mut signals, desk.clone());
            std::iter::from_fn(|| stops.arrived()).collect::<Vec<_>>()
        };
        let (stop, ctrl_c) = (Signal::Request, Signal::Interrupt);
        assert_eq!(all(&[ctrl_c], true), [stop, stop, ctrl_c]);
        assert_eq!(all(&[Signal::Terminate], false), [stop, Signal::Terminate]);
        // It does not take the place of a wish that comes later.
        let desk = Desk::new("r");
        let mut signals = Arrived(vec![Signal::Terminate, Signal::Hangup]);
        let mut stops = Stops::new(&mut signals, desk.clone());
        let mut arrived = || std::iter::from_fn(|| stops.arrived()).count();
        assert_eq!(arrived(), 2);
        desk.take(Request::Stop { now: true });
        assert_eq!(arrived(), 1);
    }
}
