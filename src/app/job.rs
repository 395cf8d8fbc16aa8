//! What a run is made of, how it runs, and how it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use serde_json::Value;

use crate::action::Registry;
use crate::diag::{Exit, Failure};
use crate::engine::Options;
use crate::lab::trace::TraceOutput;
use crate::lab::{Environment, Lab};
use crate::plan::{Plan, Status, StepId, Tally};
use crate::runs::RunRequest;

/// What a run is made of.
#[derive(Debug)]
pub struct Job<'a> {
    /// The lab.
    pub lab: &'a Lab,
    /// The variables of its tools.
    pub env: &'a Environment,
    /// The actions there are.
    pub registry: &'a Registry,
    /// What runs.
    pub plan: Plan,
    /// Nothing is changed.
    pub dry_run: bool,
    /// Whether the run is written down. `hl clean` takes its own traces away.
    pub journal: bool,
    /// Where it comes from.
    pub origin: Origin,
    /// How it runs.
    pub options: RunOptions,
}

/// How a run runs.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// What the engine is told; a run adds its id and what earlier parts did.
    pub engine: Options,
    /// Children of an unfinished run are interrupted once, instead of waited for.
    pub interrupt: bool,
    /// Approvals wait for an answer from elsewhere.
    pub waits: bool,
    /// `XDG_RUNTIME_DIR`, where the run can be spoken to.
    pub runtime_dir: Option<String>,
    /// Where it is spoken to instead: a socket that it was given.
    pub listener: Option<Arc<UnixListener>>,
    /// The flags that were given, by name, for the header of the run.
    pub flags: BTreeMap<String, Value>,
    /// Where its trace goes besides `trace.log`.
    pub trace: Option<TraceOutput>,
}

/// Where a run comes from.
#[derive(Debug, Default)]
pub struct Origin {
    /// What the plan was built from, where it can be built again.
    pub request: Option<RunRequest>,
    /// The options of what was asked for, by name.
    pub options: BTreeMap<String, Value>,
    /// The run that is gone on with.
    pub resume: Option<Resume>,
    /// The id of a run that nobody will go on with.
    pub archive: Option<String>,
}

/// How an earlier run is gone on with.
#[derive(Debug)]
pub struct Resume {
    /// Its id.
    pub id: String,
    /// Its file is continued; else a run of its own takes over its results.
    pub same: bool,
    /// Steps that run whatever was done.
    pub forced: BTreeSet<StepId>,
}

/// A run that is over.
#[derive(Debug)]
pub struct Ended {
    /// What ran, as it may be shown.
    pub plan: Plan,
    /// The run's id, when it was written down.
    pub run: Option<String>,
    /// How the process should end.
    pub exit: Exit,
    /// What became of each step.
    pub tally: Tally,
    /// Why the run as a whole could not go on. Not yet told.
    pub failure: Option<Failure>,
}

impl Ended {
    /// A dry run found something that a live run would change.
    pub fn pending(&self) -> bool {
        self.tally
            .ended()
            .any(|e| e.end.changed == Some(true) || e.end.status == Status::NotPlanned)
    }
}
