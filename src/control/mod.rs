//! A run is spoken to from anywhere on its machine: asked where it stands, told to
//! stop, given an answer. So is the controller: it is asked for a link to its page.
//!
//! | file | what |
//! |---|---|
//! | `place` | where the socket is |
//! | `protocol` | what is said over it: one line of JSON each way |
//! | `controller` | the same for the controller |
//! | `desk` | what the run and its callers share: stops and the open question |
//! | `server` | the end of the socket that answers |
//! | `client` | everybody else's end |

mod client;
mod controller;
mod desk;
mod place;
mod protocol;
mod server;

pub use client::{ask, ask_controller};
pub use controller::{ControllerReply, ControllerRequest};
pub use desk::{Desk, Stops, Verdict};
pub use place::Place;
pub use protocol::{Question, Reply, Request, RunStatus};
pub use server::{Server, bind};
