//! What every request sees. What a reload replaces is swapped whole, so a request
//! that has begun goes on with what it began with.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::certificate::Certificates;
use super::failures::Failures;
use super::page::Sessions;
use super::repos::Repositories;
use super::specs::Specs;
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

/// A value that a reload replaces.
#[derive(Debug)]
pub(in crate::serve) struct Swapped<T>(RwLock<Arc<T>>);

impl<T> Swapped<T> {
    /// Begins with this one.
    pub(in crate::serve) fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    /// The one of now.
    pub(in crate::serve) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces it; a request that holds the former keeps it until it is answered.
    pub(in crate::serve) fn set(&self, value: T) {
        let next = Arc::new(value);
        let former = {
            let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *held, next)
        };
        // It may have much to remove: nobody waits for that at the lock.
        drop(former);
    }
}
