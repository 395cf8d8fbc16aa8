//! The page for people: what the lab is, what runs and ran in it, live; for operators
//! also what they may do. Rendered here, readable without its script.
//!
//! Who asks is looked at before what they ask for: each handler takes a `visitor`, and
//! text goes through `shown` and askama's escaping. Nothing here runs anything: a start
//! is a process of its own, an answer goes to the socket of the run.
//!
//! | file | what |
//! |---|---|
//! | `routes` | the paths, and the headers of every answer |
//! | `visitor` | who asks: anyone, a reader, an operator; host, origin and forms |
//! | `extract` | what a request names in its path and query |
//! | `sessions`, `cookie`, `who` | links and sessions, and what the browser keeps |
//! | `login` | the socket over which links are given out |
//! | `entry` | a link's button, and logging out |
//! | `opened` | the lab behind a page |
//! | `shown` | text, times and states as they are shown |
//! | `filters` | what templates do with text |
//! | `frame`, `problem` | what is around a page; why there is none |
//! | `home`, `list`, `rows` | the lab; its runs |
//! | `run`, `graph`, `question` | a run, its steps as a picture, what it asks |
//! | `events` | a run as it happens |
//! | `logs`, `report` | what a step said; how a run ended |
//! | `act`, `start` | what operators do |
//! | `assets` | the style sheet and the script |

mod act;
mod assets;
mod cookie;
mod entry;
mod events;
mod extract;
#[expect(
    unreachable_pub,
    clippy::inline_always,
    clippy::unused_self,
    reason = "what askama makes of a filter"
)]
mod filters;
mod frame;
mod graph;
mod home;
mod list;
pub(in crate::serve) mod login;
mod logs;
mod opened;
mod problem;
mod question;
mod report;
mod routes;
mod rows;
mod run;
mod sessions;
mod shown;
mod start;
mod visitor;
mod who;

pub(in crate::serve) use routes::{routes, unknown};
pub(in crate::serve) use sessions::Sessions;
