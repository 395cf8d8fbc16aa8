//! A child's end is known whether or not `hl` lived to see it: begun at most
//! once, taken over when it ended while nobody watched, and never simply run
//! again when nobody knows what became of it.

mod alone;
mod answers;
mod between;
mod detached;
mod follow;
mod kept;
mod moments;
mod parent;
mod playbook;
mod processes;
mod rehearsal;
mod room;
mod saved;
mod terminal;
mod unknown;

pub(crate) use processes::wait_for;
pub(crate) use rehearsal::lab as lab_with_a_plan;
pub(crate) use unknown::lost;
