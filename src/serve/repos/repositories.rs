//! What is served as repositories, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::snapshot::RepoSnapshot;

/// What is served as repositories, by name.
#[derive(Debug, Clone, Default)]
pub(in crate::serve) struct Repositories(BTreeMap<String, RepoState>);

/// The state of a repository that is to be served.
#[derive(Debug, Clone)]
pub(in crate::serve) enum RepoState {
    /// It is not known yet whether it can be served.
    Preparing,
    /// It is served. The snapshot stays on the disk as long as it is held.
    Served(Arc<RepoSnapshot>),
    /// Why it is not served, with path and commit where a secret was found; never the
    /// secret.
    Refused(String),
}

impl Repositories {
    /// The names of those that are served, sorted.
    pub(in crate::serve) fn names(&self) -> Vec<String> {
        let served = |state: &RepoState| matches!(state, RepoState::Served(_));
        self.named(served)
    }

    /// The names of those of which nothing is known yet, sorted.
    pub(in crate::serve) fn preparing(&self) -> Vec<String> {
        let preparing = |state: &RepoState| matches!(state, RepoState::Preparing);
        self.named(preparing)
    }

    /// Those that are not served, with the reasons, sorted.
    pub(in crate::serve) fn refused(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, state)| match state {
            RepoState::Refused(why) => Some((name.as_str(), why.as_str())),
            RepoState::Preparing | RepoState::Served(_) => None,
        })
    }

    /// The repository of that name.
    pub(super) fn find(&self, name: &str) -> Option<&RepoState> {
        self.0.get(name)
    }

    /// The same of these names; those that are new are being prepared.
    pub(super) fn only<'a>(&self, names: impl Iterator<Item = &'a str>) -> Self {
        let known = |name| self.find(name).cloned().unwrap_or(RepoState::Preparing);
        Self(names.map(|name| (name.to_owned(), known(name))).collect())
    }

    /// The same with another state of a repository. One that is not wanted any more
    /// stays away.
    pub(in crate::serve) fn with(&self, name: &str, state: RepoState) -> Self {
        let mut all = self.clone();
        if let Some(held) = all.0.get_mut(name) {
            *held = state;
        }
        all
    }

    fn named(&self, is: impl Fn(&RepoState) -> bool) -> Vec<String> {
        let all = self.0.iter().filter(|(_, state)| is(state));
        all.map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_served_is_until_it_is_prepared_again_or_not_wanted() {
        let refused = || RepoState::Refused("x".to_owned());
        let all = Repositories::default().only(["a", "b"].into_iter());
        assert_eq!(all.preparing(), ["a", "b"]);
        let all = all.with("a", refused());
        assert_eq!(all.refused().collect::<Vec<_>>(), [("a", "x")]);
        let next = all.only(["a", "c"].into_iter());
        assert_eq!(next.preparing(), ["c"]);
        assert_eq!(next.refused().count(), 1);
        // Prepared for what was wanted before.
        let next = next.with("b", refused());
        assert!(next.find("b").is_none());
        assert!(next.names().is_empty());
    }
}
