//! The command line: the only place that knows it. One short file a verb.

mod approve;
mod args;
mod before_up;
mod clean;
mod completion;
mod dry;
mod echo;
mod fan;
mod flags;
mod graph;
mod help;
mod legacy;
mod list;
mod logs;
mod main;
mod mistake;
mod new;
mod nodes;
mod recipe;
mod rehearse;
mod resume;
mod run;
mod runs;
mod schema;
mod session;
mod show;
mod sim;
mod site;
mod size;
mod status;
mod tail;
mod target;
mod templates;
mod traces;
mod variables;

pub use main::main;
