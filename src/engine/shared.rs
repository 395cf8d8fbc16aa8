//! What all threads of a run share.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::bus::Bus;
use super::children::Children;
use super::setup::Setup;
use crate::keeper::Keeper;
use crate::plan::{Plan, Published, Status, StepId};

/// What all threads of a run share.
pub(super) struct Shared<'a> {
    pub(super) setup: &'a Setup<'a>,
    pub(super) bus: Bus<'a>,
    pub(super) children: Children,
    /// The parent of children that may change something, where the caller gave one.
    pub(super) keeper: Option<Keeper>,
    /// Where logs and spools go; `None` when nothing may be written.
    pub(super) logs: Option<Utf8PathBuf>,
    pub(super) published: Mutex<Published>,
    /// How steps ended, and what they said.
    pub(super) results: Mutex<BTreeMap<StepId, (Status, String)>>,
    /// Held while a person is being asked.
    pub(super) asking: Mutex<()>,
    pub(super) plan: &'a Plan,
    /// The name of each step's log file.
    pub(super) slugs: BTreeMap<StepId, String>,
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
