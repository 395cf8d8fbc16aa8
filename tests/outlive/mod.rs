//! A child's end is known whether or not `hl` lived to see it: begun at most
//! once, taken over when it ended while nobody watched, and never simply run
//! again when nobody knows what became of it.

mod between;
mod detached;
mod kept;
mod moments;
mod parent;
mod playbook;
mod processes;
mod saved;
mod unknown;
