//! What `--yes` approves when a run goes on: all that it finds, or, once
//! something was shown and not approved, only what was shown.

use std::collections::BTreeSet;

use super::{Event, EventKind, StepId};

/// What an approval given in advance covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Consent {
    /// Whatever is asked.
    #[default]
    All,
    /// What the run has shown, by step and digest.
    Shown(BTreeSet<(StepId, String)>),
}

impl Consent {
    /// What the earlier parts of a run leave to a `--yes`.
    pub fn after(events: &[Event]) -> Self {
        let mut shown = BTreeSet::new();
        let mut open: BTreeSet<&StepId> = BTreeSet::new();
        let mut again: BTreeSet<&StepId> = BTreeSet::new();
        let mut refused = false;
        for event in events {
            // A process that died with the question open was not told yes.
            if event.kind.begins().is_some() {
                refused |= !open.is_empty();
                open.clear();
                again.clear();
            }
            let Some(step) = &event.step else { continue };
            // What is found before anything is planned says nothing of a plan.
            if let EventKind::ApprovalAsked { again: true, .. } = &event.kind {
                again.insert(step);
            } else if let EventKind::ApprovalAsked { digest, .. } = &event.kind {
                open.insert(step);
                shown.extend(digest.clone().map(|digest| (step.clone(), digest)));
            }
            if let EventKind::ApprovalGiven { approved, .. } = &event.kind
                && !again.remove(step)
            {
                open.remove(step);
                refused |= !approved;
            }
        }
        if refused || !open.is_empty() {
            Self::Shown(shown)
        } else {
            Self::All
        }
    }

    /// Whether an approval given in advance holds for this.
    pub fn covers(&self, step: &StepId, digest: &str) -> bool {
        match self {
            Self::All => true,
            Self::Shown(shown) => shown.contains(&(step.clone(), digest.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::RunInfo;
    use proptest::prelude::*;

    fn event(step: &str, kind: EventKind) -> Event {
        Event {
            time: String::new(),
            step: (!step.is_empty()).then(|| StepId::from(step)),
            kind,
        }
    }

    fn asked(step: &str, digest: &str) -> Event {
        let digest = (!digest.is_empty()).then(|| digest.to_owned());
        let kind = EventKind::ApprovalAsked {
            summary: Vec::new(),
            digest,
            again: false,
        };
        event(step, kind)
    }

    fn given(step: &str, approved: bool) -> Event {
        let by = String::new();
        event(step, EventKind::ApprovalGiven { approved, by })
    }

    fn part() -> Event {
        event("", EventKind::RunStarted(RunInfo::default()))
    }

    fn covers(events: &[Event], step: &str, digest: &str) -> bool {
        Consent::after(events).covers(&StepId::from(step), digest)
    }

    #[test]
    fn after_a_refusal_only_what_was_shown_is_covered() {
        let approved = [part(), asked("a", "1"), given("a", true)];
        assert!(covers(&approved, "a", "2") && covers(&[], "b", "1"));
        let refused = [part(), asked("a", "1"), given("a", false)];
        assert!(covers(&refused, "a", "1"));
        assert!(!covers(&refused, "a", "2") && !covers(&refused, "b", "1"));
        // Nobody said yes, and nobody said no.
        let died = [part(), asked("a", "1")];
        assert!(!covers(&died, "a", "2"));
        assert!(!covers(&[&died[..], &[part()]].concat(), "a", "2"));
        // Whether to run a child again is another question.
        let mut again = asked("a", "");
        if let EventKind::ApprovalAsked { again, .. } = &mut again.kind {
            *again = true;
        }
        assert!(covers(&[part(), again, given("a", false)], "a", "2"));
        // What was not written down was not shown.
        let old = [part(), asked("a", ""), given("a", false)];
        assert!(!covers(&old, "a", "1"));
    }

    proptest! {
        /// Whatever came before and after: once something was refused, what is
        /// covered was shown in this run.
        #[test]
        fn a_refusal_is_never_forgotten(
            before in prop::collection::vec((0u8..3, any::<bool>()), 0..6),
            after in prop::collection::vec((0u8..3, any::<bool>()), 0..6),
            step in 0u8..3,
        ) {
            let ask = |(step, yes): &(u8, bool)| {
                let step = step.to_string();
                [part(), asked(&step, &step), given(&step, *yes)]
            };
            let mut events: Vec<Event> = before.iter().flat_map(ask).collect();
            events.extend(ask(&(7, false)));
            events.extend(after.iter().flat_map(ask));
            let shown = before.iter().chain(&after).any(|(other, _)| *other == step);
            prop_assert_eq!(covers(&events, &step.to_string(), &step.to_string()), shown);
            prop_assert!(!covers(&events, &step.to_string(), "another"));
        }
    }
}
