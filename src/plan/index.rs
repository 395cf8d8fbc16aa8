//! Where the steps of a plan are, by name.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::{Step, StepId};

/// The place of each step of a plan, noted at the first question: listeners ask
/// at every event. The steps of a plan do not change once it is built.
#[derive(Debug, Default)]
pub(super) struct Index(OnceLock<HashMap<StepId, usize>>);

impl Index {
    pub(super) fn position(&self, steps: &[Step], id: &StepId) -> Option<usize> {
        let places = self.0.get_or_init(|| {
            let named = steps.iter().enumerate().rev();
            named.map(|(i, step)| (step.id.clone(), i)).collect()
        });
        places.get(id).copied()
    }
}

/// A copy may get other steps, so it starts without a note.
impl Clone for Index {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Two plans of the same steps are equal, whether or not one was asked already.
impl PartialEq for Index {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
