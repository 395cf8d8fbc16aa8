//! A value that a reload replaces whole.

use std::sync::{Arc, PoisonError, RwLock};

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

    /// Replaces it with what `change` makes of it.
    pub(in crate::serve) fn update(&self, change: impl FnOnce(&T) -> T) {
        let former = {
            let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
            let next = Arc::new(change(&held));
            std::mem::replace(&mut *held, next)
        };
        drop(former);
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
