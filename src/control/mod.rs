//! A run is spoken to from anywhere on its machine: asked where it stands, told to
//! stop, given an answer.
//!
//! | file | what |
//! |---|---|
//! | `place` | where the socket is |
//! | `protocol` | what is said over it: one line of JSON each way |
//! | `desk` | what the run and its callers share: stops and the open question |
//! | `server` | the run's end of the socket |
//! | `client` | everybody else's end |

mod client;
mod desk;
mod place;
mod protocol;
mod server;

pub use client::ask;
pub use desk::{Desk, Stops, Verdict};
pub use place::Place;
pub use protocol::{Question, Reply, Request, RunStatus};
pub use server::{Server, bind};
