//! A run, step by step.

use super::{Ending, Run};
use crate::plan::{StepRun, StepState, Tally};

impl Run {
    /// Its steps, in the order in which they began. A step that ran when its
    /// `hl` died is interrupted.
    pub fn timeline(&self) -> Vec<StepRun> {
        let mut steps = Tally::of(&self.events).steps().to_vec();
        if self.ending != Ending::Running {
            for step in &mut steps {
                if step.state == StepState::Running {
                    step.state = StepState::Interrupted;
                }
            }
        }
        steps
    }
}
