//! Pure data: what is to be done ([`Plan`], [`Step`]) and what happened
//! ([`Event`]). No I/O here; everything serialises.

mod consent;
mod course;
mod end;
mod event;
mod fingerprint;
mod id;
mod index;
mod limit;
mod listener;
mod order;
mod past;
mod reference;
mod step;
mod tally;
mod took;
mod undone;
mod wrap;

pub use crate::base::sanitize;
pub use consent::Consent;
pub use course::{Course, CourseEvent};
pub use end::{Status, StepEnd, StepState};
pub use event::{Event, EventKind, Outcome, Resumed, RunInfo, Stream};
pub use fingerprint::{Difference, Fingerprint};
pub use id::StepId;
pub use limit::MOST_STEPS;
pub use listener::Listener;
pub use order::{Cycle, dependents, needs, order, sort};
pub use past::{PriorResult, PriorState};
pub use reference::{Missing, Published, references, resolve};
pub use step::{
    FinallyWhen, OnFailure, PLAN_VERSION, Plan, Purpose, Retry, RetryOn, Step, Timeout,
};
pub use tally::{Ended, StepRun, Tally};
pub use took::took;
pub use undone::forget_undone;
pub use wrap::{TEXT, wrap};
