//! Events: stamped, redacted, and handed to every listener in one order.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::redacted::redacted;
use crate::diag::Failure;
use crate::lab::Redactor;
use crate::plan::{Event, EventKind, Listener, StepId};

/// Where all threads of a run put their events.
pub(super) struct Bus<'a> {
    redactor: &'a Redactor,
    inner: Mutex<Inner<'a>>,
}

struct Inner<'a> {
    listeners: Vec<Option<&'a mut (dyn Listener + 'a)>>,
    failure: Option<Failure>,
}

impl<'a> Bus<'a> {
    pub(super) fn new(redactor: &'a Redactor, listeners: &'a mut [&mut dyn Listener]) -> Self {
        let mut own: Vec<Option<&'a mut (dyn Listener + 'a)>> = Vec::new();
        for listener in listeners {
            own.push(Some(&mut **listener));
        }
        Self {
            redactor,
            inner: Mutex::new(Inner {
                listeners: own,
                failure: None,
            }),
        }
    }

    pub(super) fn redactor(&self) -> &Redactor {
        self.redactor
    }

    /// Tells every listener. One that fails is not told anything again.
    pub(super) fn emit(&self, step: Option<&StepId>, kind: EventKind) {
        self.emit_redacted(step, redacted(kind, self.redactor));
    }

    /// The same for what has been redacted already.
    pub(super) fn emit_redacted(&self, step: Option<&StepId>, kind: EventKind) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let event = Event {
            time: format!("{:.3}", Timestamp::now()),
            step: step.cloned(),
            kind,
        };
        let Inner { listeners, failure } = &mut *inner;
        for slot in listeners {
            if let Some(listener) = slot
                && let Err(error) = listener.event(&event)
            {
                *slot = None;
                failure.get_or_insert(error);
            }
        }
    }

    /// Something that every run needs cannot be written: the run must stop.
    pub(super) fn fail(&self, error: Failure) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.failure.get_or_insert(error);
    }

    /// Why the run must stop.
    pub(super) fn failure(&self) -> Option<Failure> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.failure.clone()
    }
}
