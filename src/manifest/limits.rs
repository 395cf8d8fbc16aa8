//! How long a step of a node may take: the tiers of the specification, as the lab has them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::lab::timeouts::{TIERS, resolve};
use crate::plan::Timeout;

/// A tier that steps of nodes have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tier {
    /// Looking, asking, writing a file.
    Medium,
    /// A short run of a tool, waiting for a machine.
    Long,
    /// Making, converging, removing.
    Extended,
}

/// The tiers of a lab, looked up once.
pub(super) struct Limits {
    medium: Timeout,
    long: Timeout,
    extended: Timeout,
}

impl Limits {
    /// Of `[timeouts]`, else the built-in ones.
    pub(super) fn new(tiers: &BTreeMap<String, String>) -> Self {
        let tier = |name| {
            let built_in = || resolve(name, &BTreeMap::new());
            let time = resolve(name, tiers).or_else(built_in);
            // Every name here is one of `TIERS`.
            Timeout::from(time.unwrap_or_else(longest))
        };
        Self {
            medium: tier("medium"),
            long: tier("long"),
            extended: tier("extended"),
        }
    }

    pub(super) fn of(&self, tier: Tier) -> Timeout {
        match tier {
            Tier::Medium => self.medium,
            Tier::Long => self.long,
            Tier::Extended => self.extended,
        }
    }
}

/// The longest built-in tier.
fn longest() -> Duration {
    TIERS.last().map_or(Duration::MAX, |(_, time)| *time)
}
