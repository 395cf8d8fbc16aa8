//! What every request sees. What a reload replaces is swapped whole, so a request
//! that has begun goes on with what it began with.

use std::sync::{Arc, PoisonError, RwLock};

use super::page::Sessions;
use super::repos::Repositories;
use super::token::Token;
use crate::app::Caller;

/// What every request sees.
#[derive(Debug)]
pub(in crate::serve) struct Shared {
    /// Who the daemon is: where the lab is, and the variables it was started with.
    pub(in crate::serve) caller: Caller,
    /// Opens repositories.
    pub(in crate::serve) repo_token: Token,
    /// What is served as repositories.
    pub(in crate::serve) repos: Swapped<Repositories>,
    /// Who is logged in to the page.
    pub(in crate::serve) sessions: Sessions,
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

    /// Replaces it; whoever holds the former keeps it until they are done.
    pub(in crate::serve) fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}
