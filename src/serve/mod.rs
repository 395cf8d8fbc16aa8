//! The controller: specs, git repositories and a page, over one port. The only room
//! that knows tokio and axum.
//!
//! Tokens are looked at before paths, names are compared with lists instead of being
//! made into paths, and whatever a client can make long has a limit. What it starts
//! are detached runs of their own processes, so it may end at any time.
//!
//! | file | what |
//! |---|---|
//! | `shared` | what every request sees, and what a reload replaces |
//! | `token` | tokens, compared by digest |
//! | `refusal` | the documented errors of specs and repositories |
//! | `repos` | snapshots of git repositories, and answering git's dumb protocol |
//! | `page` | logins, and what a person sees |

mod page;
mod refusal;
mod repos;
mod shared;
mod token;
