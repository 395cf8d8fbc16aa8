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
mod saved;
mod terminal;
mod unknown;
