//! What every request sees. What a reload replaces is swapped whole, so a request
//! that has begun goes on with what it began with.

use std::sync::Arc;

use tokio::sync::watch;

use super::certificate::Certificates;
use super::failures::Failures;
use super::page::Sessions;
use super::repos::Repositories;
use super::specs::Specs;
use super::swapped::Swapped;
use super::token::Token;
use crate::app::Caller;

/// What every request sees.
#[derive(Debug)]
pub(in crate::serve) struct Shared {
    /// Who the daemon is: where the lab is, and the variables it was started with.
    /// What was meant for the daemon alone (its repo token, systemd's variables) is
    /// not among them.
    pub(in crate::serve) caller: Caller,
    /// How it is reached: `https://HOST:PORT`, without a slash at its end.
    pub(in crate::serve) url: String,
    /// What it shows to TLS clients. [`Certificates::is_for`] says whether a `Host`
    /// is a name of this server.
    pub(in crate::serve) certificates: Arc<Certificates>,
    /// Opens repositories.
    pub(in crate::serve) repo_token: Token,
    /// What is served as repositories.
    pub(in crate::serve) repos: Swapped<Repositories>,
    /// What is served as specs.
    pub(in crate::serve) specs: Swapped<Specs>,
    /// Who is logged in to the page.
    pub(in crate::serve) sessions: Sessions,
    /// Tokens that failed, by address.
    pub(in crate::serve) failures: Failures,
    /// Turns true when the daemon begins to stop: a stream ends then.
    pub(in crate::serve) stopping: watch::Receiver<bool>,
}
