//! The controller: specs, git repositories and a page, over one port. The only room
//! that knows tokio and axum.
//!
//! Tokens are looked at before paths, names are compared with lists instead of being
//! made into paths, and whatever a client can make long has a limit. What it starts
//! are detached runs of their own processes, so it may end at any time.
//!
//! | file | what |
//! |---|---|
//! | `run`, `daemon` | from the start to the end |
//! | `reload` | SIGHUP: all is read again while requests go on |
//! | `told` | what systemd and other processes of the user are told |
//! | `listener`, `accept`, `gate` | the socket, its connections, and how many there may be |
//! | `connection` | one connection: TLS, HTTP, and when it ends |
//! | `paced`, `answering` | clients that do not read; answers to what is no HTTP |
//! | `forward` | what these two have in common |
//! | `head` | how long the head of a request may be |
//! | `certificate`, `self_signed` | what TLS clients are shown |
//! | `routes` | the way of a request |
//! | `peer`, `shared`, `swapped` | what every request sees, and what a reload replaces |
//! | `token`, `failures` | tokens, compared by digest, and those that fail |
//! | `refusal` | the documented errors of specs and repositories |
//! | `endpoints`, `specs` | health and specs |
//! | `repos` | snapshots of git repositories, and answering git's dumb protocol |
//! | `page` | logins, and what a person sees |

mod accept;
mod answering;
mod certificate;
mod connection;
mod daemon;
mod endpoints;
mod failures;
mod forward;
mod gate;
mod head;
mod listener;
mod paced;
mod page;
mod peer;
mod refusal;
mod reload;
mod repos;
mod routes;
mod run;
mod self_signed;
mod shared;
mod specs;
mod swapped;
mod token;
mod told;

pub use run::run;
