//! What a run is given, and what it gives back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use camino::Utf8PathBuf;
use serde_json::Value;

use crate::action::{Approval, Registry};
use crate::diag::StepError;
use crate::diag::{Exit, Failure};
use crate::lab::trace::TraceOutput;
use crate::lab::{Environment, Lab, Redactor};
use crate::plan::{Consent, Outcome, Plan, PriorState, Step, StepEnd, StepId};

/// Everything a run needs besides its plan and its listeners.
#[expect(missing_debug_implementations, reason = "holds trait objects")]
pub struct Setup<'a> {
    /// The lab.
    pub lab: &'a Lab,
    /// The resolved environment.
    pub env: &'a Environment,
    /// The actions that the plan may name.
    pub registry: &'a Registry,
    /// Knows what must never be shown.
    pub redactor: &'a Redactor,
    /// Asks for approval.
    pub approver: &'a dyn Approver,
    /// Where its trace goes besides `trace.log`.
    pub trace: Option<TraceOutput>,
    /// How to run.
    pub options: Options,
}

/// How to run.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Options {
    /// The run's id, see `runs::new_id`.
    pub run_id: String,
    /// The command line as typed.
    pub command: Vec<String>,
    /// `user@host`.
    pub operator: String,
    /// Change nothing: actions preview.
    pub dry_run: bool,
    /// Steps at once, at least 1.
    pub jobs: usize,
    /// After a failure continue with the steps that do not depend on it.
    pub keep_going: bool,
    /// Replaces the timeout of every step.
    pub timeout: Option<Duration>,
    /// Limits the run: when it is over, the run is stopped as by Ctrl-C.
    pub run_timeout: Option<Duration>,
    /// That limit interrupts nothing: what runs goes on to its end, and nothing
    /// begins after it.
    pub spares_running: bool,
    /// Children may colour their output.
    pub color: bool,
    /// The program that knows [`keeper::VERB`], for children that may change
    /// something; without it they end unwritten when this process does.
    ///
    /// [`keeper::VERB`]: crate::keeper::VERB
    pub keeper: Option<Utf8PathBuf>,
    /// After so long an approval is asked for again, if by then the plan is another.
    pub approval_lasts: Duration,
    /// What earlier parts of the run did.
    pub earlier: PriorRun,
    /// Nobody sits at it: a stop is made more urgent by `hl stop`, not by Ctrl-C.
    pub unattended: bool,
    /// The run goes on: the flags of the command that resumes it, by name.
    pub resumes: Option<BTreeMap<String, Value>>,
}

/// What earlier parts of a run did: results that still stand are not made again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PriorRun {
    /// Each step that was begun.
    pub steps: BTreeMap<StepId, PriorState>,
    /// How many children of each step belong to attempts that ended; of a step
    /// that is not among them, none.
    pub settled: BTreeMap<StepId, u32>,
    /// Steps that run whatever was done.
    pub forced: BTreeSet<StepId>,
    /// What an approval given in advance covers.
    pub consent: Consent,
    /// How long those parts took of which this is one more.
    pub took: Duration,
}

/// Asks a person, or answers for one. Asked from the step's own thread, one
/// question at a time.
pub trait Approver: Sync {
    /// Whether the step may do what the approval says.
    fn ask(&self, asked: &Asked<'_>) -> Answer;
}

/// What an approver is asked.
#[expect(missing_debug_implementations, reason = "holds a closure")]
pub struct Asked<'a> {
    /// The step that asks.
    pub step: &'a Step,
    /// What it is about to do.
    pub approval: &'a Approval,
    /// Digest of all that is to be approved.
    pub digest: &'a str,
    /// An approval given in advance (`--yes`) holds for it, see [`Consent`].
    pub covered: bool,
    /// Whether the run is being stopped, for who waits long.
    pub stopped: &'a dyn Fn() -> bool,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Yes or no.
    pub approved: bool,
    /// Who answered: `terminal`, `--yes`, `no terminal`.
    pub by: String,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct RunResult {
    /// As events say it.
    pub outcome: Outcome,
    /// How the process should end.
    pub exit: Exit,
    /// Every step, in the plan's order.
    pub steps: Vec<StepResult>,
    /// Why the run as a whole could not go on: a listener that cannot write,
    /// a plan that makes no sense. Not yet told to the user.
    pub failure: Option<Failure>,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq)]
pub struct StepResult {
    /// The step.
    pub id: StepId,
    /// How; not redacted.
    pub end: StepEnd,
    /// The failure, when there was one.
    pub error: Option<StepError>,
}

/// Whether nothing in the plan changes anything, not even under `state/`:
/// such a plan takes no lock, and leaves no journal and no logs.
pub fn reads_only(plan: &Plan, registry: &Registry) -> bool {
    plan.steps.iter().all(|step| {
        let action = registry.get(&step.action);
        action.is_some_and(|action| action.about().reads_only)
    })
}
