//! `hl serve` as it is run, and its clients: no byte from outside of what is served, and
//! nobody stops it.

mod docs;
mod fuzz;
mod heads;
mod limits;
mod log;
mod reload;
mod spec_get;
mod specs;
mod stage;
mod start;
mod stop;
mod systemd;
