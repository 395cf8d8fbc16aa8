//! What a reload need not do again: a repository that is as it was stays served by
//! the snapshot that there is, and objects that were looked through are clean.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::scan::Seen;
use super::snapshot::RepoSnapshot;

/// In memory only, and shared by all that are copies of one.
#[derive(Debug, Clone, Default)]
pub(in crate::serve) struct Memory {
    seen: Seen,
    snapshots: Arc<Mutex<BTreeMap<String, Weak<RepoSnapshot>>>>,
}

impl Memory {
    /// Objects that were looked through.
    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The snapshot of that name, when it is still served and of the same state.
    pub(super) fn same(&self, name: &str, state: &str) -> Option<Arc<RepoSnapshot>> {
        let all = self.snapshots.lock();
        let all = all.unwrap_or_else(PoisonError::into_inner);
        let snapshot = all.get(name)?.upgrade()?;
        (snapshot.state() == state).then_some(snapshot)
    }

    /// Remembers what is served under a name.
    pub(super) fn keep(&self, name: &str, snapshot: &Arc<RepoSnapshot>) {
        let all = self.snapshots.lock();
        let mut all = all.unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, kept| kept.strong_count() > 0);
        all.insert(name.to_owned(), Arc::downgrade(snapshot));
    }
}
