//! Where a run stands as a whole, and what follows from each event: the one function
//! that decides whether steps still start, and which steps at the end run.

use super::{FinallyWhen, OnFailure};

/// Where a run stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Course {
    /// Nothing went wrong.
    #[default]
    Forward,
    /// A check or a guard let nothing begin.
    Refused,
    /// A check or a guard let nothing begin of what depends on it; other steps go on.
    Barred,
    /// A step failed; what does not depend on it goes on.
    Damaged,
    /// A step failed; what runs ends, nothing new starts.
    Halting,
    /// The same, and then what this run made is undone.
    Undoing,
    /// The user stopped it; steps of the end run.
    Stopped,
    /// The user stopped it again: nothing starts.
    Over,
}

/// What happens to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CourseEvent {
    /// A check or a guard failed, or was not approved.
    Refused,
    /// A step failed.
    Failed,
    /// A step was not approved, or was stopped by itself: nobody is to blame.
    Cancelled,
    /// The user stops the run.
    Stop,
    /// The user stops it at once.
    StopNow,
}

impl Course {
    /// Where the run stands after an event; `mode` is what its plan says of failures.
    #[must_use]
    pub fn next(self, mode: OnFailure, event: CourseEvent) -> Self {
        match (self, event) {
            (Self::Over, _) | (_, CourseEvent::StopNow) => Self::Over,
            // What is being undone is undone: the first stop leaves it alone.
            (Self::Undoing, _) => Self::Undoing,
            (Self::Stopped, _) | (_, CourseEvent::Stop) => Self::Stopped,
            (Self::Forward, CourseEvent::Refused) => match mode {
                OnFailure::Continue => Self::Barred,
                OnFailure::Stop | OnFailure::Rollback => Self::Refused,
            },
            (Self::Refused, _) => Self::Refused,
            (Self::Barred, CourseEvent::Refused) => Self::Barred,
            (_, CourseEvent::Refused | CourseEvent::Failed) => match mode {
                OnFailure::Stop => Self::Halting,
                OnFailure::Continue => Self::Damaged,
                OnFailure::Rollback => Self::Undoing,
            },
            (Self::Halting, CourseEvent::Cancelled) => Self::Halting,
            (Self::Forward | Self::Barred | Self::Damaged, CourseEvent::Cancelled) => match mode {
                OnFailure::Continue => Self::Damaged,
                OnFailure::Stop | OnFailure::Rollback => Self::Halting,
            },
        }
    }

    /// Whether steps that do not depend on a failure still start.
    pub fn starts(self) -> bool {
        matches!(self, Self::Forward | Self::Barred | Self::Damaged)
    }

    /// Whether a step of the end runs, once all others have ended.
    pub fn ends_with(self, when: FinallyWhen) -> bool {
        let wanted = match when {
            FinallyWhen::Always => true,
            FinallyWhen::Begun => !matches!(self, Self::Refused | Self::Barred),
            FinallyWhen::Succeeded => self == Self::Forward,
            FinallyWhen::Undoing => self == Self::Undoing,
        };
        wanted && self != Self::Over
    }

    /// Why a step of the end does not run.
    pub fn why_not(self, when: FinallyWhen) -> &'static str {
        match (self, when) {
            (Self::Over, _) => "the run was stopped twice",
            (Self::Refused | Self::Barred, _) => "nothing had begun",
            (Self::Stopped, FinallyWhen::Undoing) => "the run was stopped, and can be gone on with",
            (_, FinallyWhen::Undoing) => "no step failed",
            (_, FinallyWhen::Succeeded) => "not every step succeeded: what there is stays",
            (_, FinallyWhen::Always | FinallyWhen::Begun) => "it is not needed",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MODES: [OnFailure; 3] = [OnFailure::Stop, OnFailure::Continue, OnFailure::Rollback];
    const EVENTS: [CourseEvent; 5] = [
        CourseEvent::Refused,
        CourseEvent::Failed,
        CourseEvent::Cancelled,
        CourseEvent::Stop,
        CourseEvent::StopNow,
    ];

    fn after(mode: OnFailure, events: &[CourseEvent]) -> Course {
        let start = Course::default();
        events.iter().fold(start, |at, event| at.next(mode, *event))
    }

    #[test]
    fn each_mode_has_its_way() {
        use CourseEvent as E;
        for (mode, events, wanted) in [
            (OnFailure::Stop, &[E::Failed][..], Course::Halting),
            (
                OnFailure::Continue,
                &[E::Failed, E::Failed],
                Course::Damaged,
            ),
            (OnFailure::Rollback, &[E::Failed], Course::Undoing),
            (OnFailure::Rollback, &[E::Failed, E::Stop], Course::Undoing),
            (OnFailure::Rollback, &[E::Stop], Course::Stopped),
            (OnFailure::Rollback, &[E::Stop, E::Failed], Course::Stopped),
            (
                OnFailure::Rollback,
                &[E::Refused, E::Cancelled],
                Course::Refused,
            ),
            (OnFailure::Rollback, &[E::Failed, E::StopNow], Course::Over),
            (
                OnFailure::Continue,
                &[E::Refused, E::Refused],
                Course::Barred,
            ),
            (
                OnFailure::Continue,
                &[E::Refused, E::Failed],
                Course::Damaged,
            ),
            (OnFailure::Continue, &[E::Refused, E::Stop], Course::Stopped),
            (
                OnFailure::Rollback,
                &[E::Cancelled, E::Failed],
                Course::Undoing,
            ),
        ] {
            assert_eq!(after(mode, events), wanted, "{mode:?} {events:?}");
        }
        assert!(Course::Undoing.ends_with(FinallyWhen::Undoing));
        assert!(!Course::Stopped.ends_with(FinallyWhen::Undoing));
        assert!(!Course::Refused.ends_with(FinallyWhen::Begun));
        assert!(!Course::Barred.ends_with(FinallyWhen::Begun));
        assert!(!Course::Damaged.ends_with(FinallyWhen::Succeeded));
        assert!(Course::Stopped.ends_with(FinallyWhen::Always));
    }

    proptest! {
        /// Nothing that went wrong is forgotten, and nothing starts again.
        #[test]
        fn a_run_never_comes_back(events in prop::collection::vec(0usize..5, 0..8), mode in 0usize..3) {
            let mode = MODES[mode];
            let mut at = Course::default();
            for event in events {
                let next = at.next(mode, EVENTS[event]);
                prop_assert!(at.starts() || !next.starts(), "{at:?} {next:?}");
                prop_assert!(next != Course::Forward, "{at:?}");
                prop_assert!(at != Course::Over || next == Course::Over);
                at = next;
            }
            if mode != OnFailure::Rollback {
                prop_assert!(!at.ends_with(FinallyWhen::Undoing));
            }
        }
    }
}
