//! The command line: the only place that knows it. One short file a verb.

mod approve;
mod args;
mod clean;
mod completion;
mod echo;
mod fan;
mod graph;
mod list;
mod main;
mod new;
mod recipe;
mod rehearse;
mod run;
mod schema;
mod session;
mod show;
mod sim;
mod tail;
mod target;
mod templates;

pub use main::main;
