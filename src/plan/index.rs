//! Where the steps of a plan are, by name.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::OnceLock;

/// The place of each step of a plan, noted at the first question: listeners ask
/// at every event. The steps of a plan do not change once it is built.
#[derive(Debug)]
pub(super) struct Index<Id>(OnceLock<HashMap<Id, usize>>);

impl<Id: Hash + Eq + Clone> Index<Id> {
    /// Where `id` is among `ids`, its first place when it is there twice.
    pub(super) fn position<'a>(
        &self,
        ids: impl DoubleEndedIterator<Item = &'a Id> + ExactSizeIterator,
        id: &Id,
    ) -> Option<usize>
    where
        Id: 'a,
    {
        let places = self.0.get_or_init(|| {
            let last_first = ids.enumerate().rev();
            last_first.map(|(i, id)| (id.clone(), i)).collect()
        });
        places.get(id).copied()
    }
}

impl<Id> Default for Index<Id> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

/// A copy may get other steps, so it starts without a note.
impl<Id> Clone for Index<Id> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Two plans of the same steps are equal, whether or not one was asked already.
impl<Id> PartialEq for Index<Id> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
