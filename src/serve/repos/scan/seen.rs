//! Objects that were looked through before, by id. An id stands for a content, so this
//! holds for all repositories, as long as the same is looked for.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rules::Rules;

/// Objects that hold nothing that is looked for.
#[derive(Debug, Clone, Default)]
pub(in crate::serve) struct Seen(Arc<Mutex<Clean>>);

#[derive(Debug, Default)]
struct Clean {
    rules: String,
    /// The first 128 bits of each id.
    ids: HashSet<u128>,
}

impl Seen {
    /// Those of `ids` that are to be looked through.
    pub(super) fn unknown(&self, rules: &Rules, ids: Vec<String>) -> Vec<String> {
        let clean = self.of(rules);
        let known = |id: &str| short(id).is_some_and(|id| clean.ids.contains(&id));
        ids.into_iter().filter(|id| !known(id)).collect()
    }

    /// These hold nothing.
    pub(super) fn add<'a>(&self, rules: &Rules, ids: impl Iterator<Item = &'a String>) {
        self.of(rules).ids.extend(ids.filter_map(|id| short(id)));
    }

    /// What is known for these rules; what was known for others is forgotten.
    fn of(&self, rules: &Rules) -> MutexGuard<'_, Clean> {
        let mut clean = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if clean.rules != rules.id() {
            rules.id().clone_into(&mut clean.rules);
            clean.ids.clear();
        }
        clean
    }
}

fn short(id: &str) -> Option<u128> {
    u128::from_str_radix(id.get(..32)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_looked_through_once_for_the_same_rules() {
        let rules = |value: &'static str| Rules::new([value].into_iter()).unwrap();
        let ids: Vec<String> = ["1", "2"].map(|digit| digit.repeat(40)).into();
        let seen = Seen::default();
        let copy = seen.clone();
        assert_eq!(seen.unknown(&rules("one"), ids.clone()), ids);
        seen.add(&rules("one"), ids.iter().take(1));
        assert_eq!(copy.unknown(&rules("one"), ids.clone()), ids[1..]);
        assert_eq!(copy.unknown(&rules("two"), ids.clone()), ids);
        assert_eq!(copy.unknown(&rules("one"), ids.clone()), ids);
    }
}
