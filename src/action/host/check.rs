//! `host.check`: one check of what `host.probe` found.

use schemars::JsonSchema;
use serde::Deserialize;

use super::facts::Facts;
use super::{configured, hardware, installed, locks};
use crate::action::{About, Action, Done, StepContext};
use crate::diag::{Exit, StepError};

/// `host.check`
#[derive(Debug, Clone, Copy)]
pub struct HostCheck;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    /// What is checked.
    check: Check,
    /// What `host.probe` published.
    #[serde(default)]
    pub(super) facts: Facts,
    /// How much there must be: processors, MiB of free memory, GiB on the disk. With
    /// nothing there must be some.
    #[serde(default)]
    pub(super) least: u64,
}

/// What can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Check {
    /// `hl` and its directories are there.
    Bootstrap,
    /// `secrets.yaml` is in the clear, and nobody else may read it.
    Secrets,
    /// The machine's own file in `nodes/` is there and can be used.
    NodeConfig,
    /// The lock files of tofu's providers can be used; one that its module refuses goes.
    Locks,
    /// Virtual machines in virtual machines work.
    Nested,
    /// Processors.
    Cpu,
    /// Free memory.
    Memory,
    /// Room on the disk.
    Disk,
}

impl Action for HostCheck {
    fn about(&self) -> About {
        About::of::<Inputs>("host.check")
            .doc("check one thing that a machine needs; only stale lock files of tofu go")
            .checks()
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let facts = &inputs.facts;
        let done = match inputs.check {
            Check::Bootstrap => installed::check(facts),
            Check::Secrets => configured::secrets(facts),
            Check::NodeConfig => configured::node(facts),
            Check::Locks => locks::check(ctx),
            Check::Nested => hardware::nested(facts),
            Check::Cpu => hardware::cpu(facts, inputs.least),
            Check::Memory => hardware::memory(facts, inputs.least),
            Check::Disk => hardware::disk(facts, inputs.least),
        };
        done.map(|done| done.changed(false))
            .map_err(|error| error.exit(Exit::Runway))
    }
}
