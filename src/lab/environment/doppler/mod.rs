//! Doppler: whether it is asked, asking its command-line program once, and
//! what to do when that does not work.

mod ask;
mod decide;
mod problem;

pub(super) use ask::{Answer, Question, ask};
pub(super) use decide::{Decision, decide};
pub(super) use problem::Problem;
