//! The limit of a run as a whole.

use std::time::{Duration, Instant};

/// How much of a run's time is left. What a person takes to answer does not
/// count.
#[derive(Debug)]
pub(super) struct Limit {
    whole: Duration,
    left: Duration,
    looked: Instant,
    over: bool,
}

impl Limit {
    /// A limit that begins now.
    pub(super) fn new(whole: Duration, now: Instant) -> Self {
        Self {
            whole,
            left: whole,
            looked: now,
            over: false,
        }
    }

    /// The whole time.
    pub(super) fn whole(&self) -> Duration {
        self.whole
    }

    /// Whether the time is over; true once. `asking`: since the last look a
    /// person was being asked.
    pub(super) fn is_over(&mut self, now: Instant, asking: bool) -> bool {
        let passed = now.saturating_duration_since(self.looked);
        self.looked = now;
        if !asking {
            self.left = self.left.saturating_sub(passed);
        }
        let first = self.left.is_zero() && !self.over;
        self.over |= first;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_over_once_and_thinking_is_free(
            whole in 1u64..100,
            looks in prop::collection::vec((0u64..20, any::<bool>()), 0..40),
        ) {
            let start = Instant::now();
            let mut limit = Limit::new(Duration::from_secs(whole), start);
            let (mut clock, mut used, mut times) = (0, 0, 0);
            for (seconds, asking) in looks {
                clock += seconds;
                used += if asking { 0 } else { seconds };
                let over = limit.is_over(start + Duration::from_secs(clock), asking);
                times += u32::from(over);
                prop_assert_eq!(times, u32::from(used >= whole));
            }
        }
    }
}
