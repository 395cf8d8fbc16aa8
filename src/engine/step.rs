//! One step, from its inputs to its result.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use super::control::{Clock, Control};
use super::exec::StepExec;
use super::kept::Kept;
use super::redacted::value;
use super::reuse::{ReuseKey, judge, reason};
use super::setup::{Asked, Setup};
use super::shared::{Shared, millis};
use super::step_output::StepOutput;
use crate::action::{Action, Approval, Done, Emit, Instead, StepContext, Stop};
use crate::base::Cancel;
use crate::base::short_duration;
use crate::diag::{Advice, Cause, Exit, StepError};
use crate::lab::{Environment, timeouts};
use crate::plan::{
    EventKind, Fingerprint, Missing, PriorResult, Retry, RetryOn, Status, Step, StepEnd, Timeout,
    references, resolve,
};

/// The longest wait between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// Where a step keeps files of its own.
pub(super) fn work(setup: &Setup<'_>, slug: &str) -> Utf8PathBuf {
    let logs = setup.lab.paths.logs(&setup.options.run_id);
    logs.join(format!("{slug}.work"))
}

/// How a step ended.
#[derive(Debug)]
pub(super) struct End {
    /// As it is told, but not redacted; advice is added when it is told.
    pub(super) told: StepEnd,
    /// Completes "`step`, which ...".
    pub(super) how: &'static str,
    pub(super) warnings: Vec<Advice>,
    pub(super) temporary: Vec<Utf8PathBuf>,
    pub(super) error: Option<StepError>,
}

impl End {
    pub(super) fn new(status: Status, summary: impl Into<String>) -> Self {
        Self {
            told: StepEnd::new(status, summary),
            how: "was skipped",
            warnings: Vec::new(),
            temporary: Vec::new(),
            error: None,
        }
    }

    /// An earlier result that stands.
    fn reused(before: &PriorResult) -> Self {
        let mut end = Self::new(Status::Skipped, reason(before));
        end.told.outputs.clone_from(&before.outputs);
        end.told.fingerprint.clone_from(&before.fingerprint);
        end
    }

    fn failed(error: StepError) -> Self {
        let (status, how) = match (error.cause, error.exit) {
            (Cause::Cancelled, Exit::NotApproved) => (Status::Cancelled, "was not approved"),
            (Cause::Cancelled, _) => (Status::Cancelled, "was stopped"),
            (Cause::TimedOut, _) => (Status::Failed, "ran into its timeout"),
            (Cause::Failed | Cause::Transient, _) => (Status::Failed, "failed"),
        };
        let mut end = Self::new(status, error.message.clone());
        end.how = how;
        end.told.outputs.clone_from(&error.outputs);
        end.error = Some(error);
        end
    }

    fn done(done: Done) -> Self {
        let (status, summary) = match done.instead {
            None => (Status::Succeeded, done.summary),
            Some(Instead::Skipped(reason)) => (Status::Skipped, reason),
            Some(Instead::NotPlanned(reason)) => (Status::NotPlanned, reason),
        };
        let mut end = Self::new(status, summary);
        end.told.changed = done.changed;
        end.told.outputs = done.outputs;
        end.warnings = done.warnings;
        end.temporary = done.temporary;
        end
    }

    /// What it does to the exit code. A step that was only stopped does nothing
    /// to it: the stop does.
    pub(super) fn exit(&self) -> Option<Exit> {
        let error = self.error.as_ref()?;
        match (self.told.status, error.exit) {
            (Status::Cancelled, Exit::NotApproved) => Some(Exit::NotApproved),
            (Status::Failed, exit) if exit.code() == 0 => Some(Exit::Child(1)),
            (Status::Failed, exit) => Some(exit),
            _ => None,
        }
    }
}

/// Runs a step to its end, whatever that is.
pub(super) fn perform(run: &Shared<'_>, step: &Step, slug: &str, control: &Control) -> End {
    let _span = tracing::info_span!("step", id = %step.id, action = %step.action).entered();
    let started = Instant::now();
    let with = match inputs(run, step) {
        Ok(with) => with,
        Err(end) => return *end,
    };
    let Some(action) = run.setup.registry.get(&step.action) else {
        let error = StepError::new(format!("there is no action `{}`", step.action));
        return End::failed(error.exit(Exit::Definition));
    };
    let step_output = StepOutput::new(run, step, slug);
    let mut attempts = Attempts {
        run,
        step,
        action,
        with,
        control,
        exec: StepExec::new(run, &step_output, control),
        step_output: &step_output,
    };
    let reuse_key = attempts.reuse_key();
    if let Some(before) = attempts.before(&reuse_key) {
        return End::reused(before);
    }
    if !action.about().reads_only {
        let basis = reuse_key.fingerprint.as_ref().map(ToString::to_string);
        let repeatable = step.repeatable || action.about().repeatable;
        let kept = Kept::new(run, &step_output, basis, repeatable);
        attempts.exec.keep(kept);
    }
    let mut end = match attempts.all() {
        Ok(done) => End::done(done),
        Err(error) => End::failed(error),
    };
    if end.told.status == Status::Succeeded {
        for line in attempts.exec.told() {
            end.told.summary = format!("{}, {line}", end.told.summary);
        }
    }
    if end.error.is_none() && end.told.status != Status::NotPlanned {
        end.told.fingerprint = reuse_key.fingerprint.map(|print| print.to_string());
    }
    if let Some(error) = &mut end.error
        && error.tail.is_empty()
        && !error.says_all
        && end.told.status == Status::Failed
    {
        error.tail = step_output.recent();
    }
    end.told.duration_ms = millis(started.elapsed());
    end.told.log = step_output.log_path();
    end
}

/// The inputs with every reference resolved, or the end of a step that does
/// not run.
fn inputs(run: &Shared<'_>, step: &Step) -> Result<Value, Box<End>> {
    let published = run.published.lock().unwrap_or_else(PoisonError::into_inner);
    let missing = |missing: Missing| Box::new(unresolved(run, step, &missing));
    if let Some(when) = &step.when {
        let value = resolve(&Value::String(when.clone()), &published).map_err(missing)?;
        match value
            .as_str()
            .map_or_else(|| value.to_string(), |text| text.trim().to_owned())
        {
            text if text == "true" => {}
            text if text == "false" => {
                return Err(Box::new(End::new(Status::Skipped, why_not(run, when))));
            }
            text => {
                let error = StepError::new(format!(
                    "`when` of `{}` gives `{text}`, expected `true` or `false`",
                    step.id
                ));
                return Err(Box::new(End::failed(error.exit(Exit::Definition))));
            }
        }
    }
    resolve(&Value::Object(step.with.clone()), &published).map_err(missing)
}

/// Why a step is not needed: what the step said whose output its `when` reads.
fn why_not(run: &Shared<'_>, when: &str) -> String {
    let results = run.results.lock().unwrap_or_else(PoisonError::into_inner);
    references(&Value::String(when.to_owned()))
        .iter()
        .find_map(|(step, _)| Some(results.get(step)?.1.clone()))
        .filter(|summary| !summary.is_empty())
        .unwrap_or_else(|| "its `when` is false".to_owned())
}

/// What becomes of a step that uses a value which nobody published.
fn unresolved(run: &Shared<'_>, step: &Step, missing: &Missing) -> End {
    let Missing { step: from, key } = missing;
    if run.setup.options.dry_run {
        let reason = format!("needs `{key}` of {from}, known when it has run");
        return End::new(Status::NotPlanned, reason);
    }
    let results = run.results.lock().unwrap_or_else(PoisonError::into_inner);
    let status = results.get(from).map(|(status, _)| *status);
    if step.finally && status != Some(Status::Succeeded) {
        let reason = format!("needs `{key}` of {from}, which did not succeed");
        return End::new(Status::Skipped, reason);
    }
    let why = match status {
        Some(Status::Skipped) => "which was skipped",
        Some(_) => "which did not publish it",
        None => "which is not in the plan",
    };
    let error = StepError::new(format!("`{}` needs `{key}` of `{from}`, {why}", step.id))
        .exit(Exit::Definition)
        .help(format!(
            "give `{}` a `when` that is false whenever `{from}` is skipped",
            step.id
        ));
    End::failed(error)
}

/// The attempts of one step.
struct Attempts<'r, 'a> {
    run: &'r Shared<'a>,
    step: &'r Step,
    action: &'r dyn Action,
    with: Value,
    control: &'r Control,
    exec: StepExec<'r, 'a>,
    step_output: &'r StepOutput<'r, 'a>,
}

impl Attempts<'_, '_> {
    /// The variables of the node that the step works on.
    fn env(&self) -> Result<Cow<'_, Environment>, StepError> {
        Ok(self.run.setup.env.for_node(self.step.node.as_deref())?)
    }

    fn context<'c>(
        &'c self,
        env: &'c Environment,
        emit: &'c Emit<'c>,
        cancel: &'c Cancel,
    ) -> StepContext<'c> {
        StepContext {
            lab: self.run.setup.lab,
            env,
            step: self.step,
            with: self.with.clone(),
            run_id: &self.run.setup.options.run_id,
            work: work(self.run.setup, self.step_output.slug),
            dry_run: self.run.setup.options.dry_run,
            exec: &self.exec,
            emit,
            cancel,
        }
    }

    /// What the result will rest on, read before anything is changed.
    fn reuse_key(&self) -> ReuseKey {
        let cancel = self.control.begin();
        let emit = |kind| self.step_output.emit(kind);
        // What goes wrong in there is told when the action runs.
        self.catch(|| {
            let env = self.env()?;
            let ctx = self.context(&env, &emit, &cancel);
            Ok(ReuseKey::of(self.action, &ctx, self.run.bus.redactor()))
        })
        .unwrap_or_default()
    }

    /// The result of an earlier part of the run, where it stands.
    fn before(&self, reuse_key: &ReuseKey) -> Option<&PriorResult> {
        let setup = self.run.setup;
        let earlier = &setup.options.earlier;
        let before = judge(earlier, &self.step.id, reuse_key, setup.lab).ok()?;
        let cancel = self.control.begin();
        let emit = |kind| self.step_output.emit(kind);
        let stands = self.catch(|| {
            let env = self.env()?;
            let ctx = self.context(&env, &emit, &cancel);
            Ok(self.action.still_valid(&ctx, &before.outputs))
        });
        matches!(stands, Ok(Ok(()))).then_some(before)
    }

    fn all(&self) -> Result<Done, StepError> {
        let mut approved = None;
        let mut attempt = 1;
        loop {
            self.step_output.emit(EventKind::StepStarted { attempt });
            let error = match self.once(&mut approved) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let Some(wait) = self
                .step
                .retry
                .as_ref()
                .and_then(|r| backoff(r, attempt, &error))
            else {
                return Err(error);
            };
            self.step_output.emit(EventKind::StepRetried {
                attempt,
                error: error.message,
                wait_seconds: wait.as_secs(),
            });
            self.control.begin().sleep(wait)?;
            attempt += 1;
        }
    }

    /// How long an attempt may take: what the command line says, else the step,
    /// else the default.
    fn clock(&self) -> Clock {
        let setup = self.run.setup;
        let own = self.step.timeout_seconds.map(Timeout::duration);
        if let Some(limit) = setup.options.timeout.or(own) {
            return Clock::Limit(limit);
        }
        let default = timeouts::default(&setup.lab.config.timeouts);
        match default.filter(|_| !self.step.no_timeout) {
            None => Clock::Off,
            Some(limit) if self.action.about().is_limited => Clock::Limit(limit),
            Some(after) => Clock::Tell(after),
        }
    }

    fn once(&self, approved: &mut Option<Approval>) -> Result<Done, StepError> {
        let cancel = self.control.begin();
        let clock = self.clock();
        let limit = clock.limit();
        self.control.clock(clock);
        let emit = |kind| self.step_output.emit(kind);
        let env = self.env()?;
        let ctx = self.context(&env, &emit, &cancel);
        let result = self.catch(|| {
            if ctx.dry_run {
                return self.action.preview(&ctx);
            }
            while self.step.approve
                && let Some(approval) = self.action.approval(&ctx)?
                && approved.as_ref() != Some(&approval)
            {
                self.control.clock(Clock::Off);
                let asked = Instant::now();
                self.ask(&approval)?;
                *approved = Some(approval);
                self.control.clock(clock);
                if asked.elapsed() < self.run.setup.options.approval_lasts {
                    break;
                }
                self.renew(&emit, &cancel)?;
            }
            if self.control.stopped() == Some(Stop::User) {
                return Err(crate::base::Cancelled.into());
            }
            self.action.run(&ctx)
        });
        self.control.clock(Clock::Off);
        match (result, self.control.stopped()) {
            (Ok(done), Some(Stop::Timeout)) => Ok(done.warn(format!(
                "it was done, but took longer than its timeout{}; raise `timeout` of the step",
                of(limit)
            ))),
            (Ok(done), _) => Ok(done),
            // What a stopped action returns is about its being stopped.
            (Err(error), Some(Stop::User)) if error.exit != Exit::Bug => {
                Err(error.cause(Cause::Cancelled))
            }
            (Err(error), Some(Stop::Timeout)) if error.exit != Exit::Bug => {
                Err(timed_out(error, limit))
            }
            (Err(error), _) => Err(error),
        }
    }

    fn ask(&self, approval: &Approval) -> Result<(), StepError> {
        // One question at a time.
        let _turn = self
            .run
            .asking
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.control.stopped().is_some() {
            return Err(crate::base::Cancelled.into());
        }
        let digest = self.digest(approval);
        let consent = &self.run.setup.options.earlier.consent;
        let covered = consent.covers(&self.step.id, &digest);
        self.step_output.emit(EventKind::ApprovalAsked {
            summary: approval.summary.clone(),
            digest: Some(digest.clone()),
            again: false,
        });
        let answer = self.run.setup.approver.ask(&Asked {
            step: self.step,
            approval,
            digest: &digest,
            covered,
            stopped: &|| self.control.stopped().is_some(),
        });
        self.step_output.emit(EventKind::ApprovalGiven {
            approved: answer.approved,
            by: answer.by.clone(),
        });
        if self.control.stopped().is_some() {
            return Err(crate::base::Cancelled.into());
        }
        if answer.approved {
            return Ok(());
        }
        Err(StepError::new(format!("not approved ({})", answer.by))
            .cause(Cause::Cancelled)
            .exit(Exit::NotApproved)
            .help("run it on a terminal to be asked, or with `--yes` to approve what it finds"))
    }

    /// Makes anew what the step is given and what does not keep: the plan that was
    /// shown may not be what is to be done by now.
    fn renew(&self, emit: &Emit<'_>, cancel: &Cancel) -> Result<(), StepError> {
        for (id, _) in references(&Value::Object(self.step.with.clone())) {
            let Some(step) = self.run.plan.step(&id) else {
                continue;
            };
            let Some(action) = self.run.setup.registry.get(&step.action) else {
                continue;
            };
            if !action.about().stale {
                continue;
            }
            let Ok(with) = inputs(self.run, step) else {
                continue;
            };
            let env = self.env()?;
            let ctx = StepContext {
                step,
                with,
                ..self.context(&env, emit, cancel)
            };
            self.step_output
                .note(format!("the approval took long: {id} runs again"));
            action.run(&ctx)?;
        }
        Ok(())
    }

    /// The same whenever the same is to be approved. No digest of a secret is
    /// written down.
    fn digest(&self, approval: &Approval) -> String {
        let Approval {
            summary,
            question,
            type_word,
            exact,
        } = approval;
        let shown = json!([summary, question, type_word, exact]);
        let shown = value(shown, self.run.bus.redactor());
        let nothing = BTreeMap::new();
        Fingerprint::new(self.action.about().name, &shown, &nothing, &nothing).to_string()
    }

    /// A panic is a bug of ours, and no reason to leave the others alone.
    fn catch<T>(&self, act: impl FnOnce() -> Result<T, StepError>) -> Result<T, StepError> {
        catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|payload| {
            Err(StepError::new(format!(
                "a bug in action `{}`: {}",
                self.step.action,
                panic_text(payload.as_ref())
            ))
            .exit(Exit::Bug)
            .help("please report it, with the step's log and the run file"))
        })
    }
}

/// How long to wait before the next attempt, if there is one.
fn backoff(retry: &Retry, attempt: u32, error: &StepError) -> Option<Duration> {
    let worth_it = match (error.cause, retry.on) {
        (Cause::Cancelled, _) => false,
        (Cause::Transient, _) => true,
        (Cause::Failed | Cause::TimedOut, on) => on == RetryOn::Any && error.exit != Exit::Bug,
    };
    if !worth_it || attempt > retry.times {
        return None;
    }
    let factor = 1u64.checked_shl(attempt - 1).unwrap_or(u64::MAX);
    let wait = Duration::from_secs(retry.backoff_seconds.saturating_mul(factor));
    Some(wait.min(LONGEST_BACKOFF))
}

fn timed_out(error: StepError, limit: Option<Duration>) -> StepError {
    if error.cause == Cause::TimedOut && error.exit == Exit::Timeout {
        return error;
    }
    let message = format!("stopped at its timeout{}: {}", of(limit), error.message);
    StepError { message, ..error }
        .cause(Cause::TimedOut)
        .exit(Exit::Timeout)
}

fn of(limit: Option<Duration>) -> String {
    limit
        .map(|limit| format!(" of {}", short_duration(limit)))
        .unwrap_or_default()
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn backoff_doubles_up_to_five_minutes(seconds in 0u64..1000, attempt in 1u32..80) {
            let retry = Retry { times: 100, backoff_seconds: seconds, on: RetryOn::Transient };
            let error = StepError::new("x").cause(Cause::Transient);
            let wait = |attempt| backoff(&retry, attempt, &error).unwrap();
            prop_assert!(wait(attempt) <= LONGEST_BACKOFF);
            prop_assert_eq!(wait(attempt + 1), (wait(attempt) * 2).min(LONGEST_BACKOFF));
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let retry = |on| Retry {
            times: 1,
            backoff_seconds: 1,
            on,
        };
        let tried = |on, cause, attempt| {
            backoff(&retry(on), attempt, &StepError::new("x").cause(cause)).is_some()
        };
        assert!(tried(RetryOn::Transient, Cause::Transient, 1));
        assert!(!tried(RetryOn::Transient, Cause::Transient, 2));
        assert!(!tried(RetryOn::Transient, Cause::Failed, 1));
        assert!(tried(RetryOn::Any, Cause::TimedOut, 1));
        assert!(!tried(RetryOn::Any, Cause::Cancelled, 1));
        let bug = StepError::new("x").exit(Exit::Bug);
        assert_eq!(backoff(&retry(RetryOn::Any), 1, &bug), None);
    }
}
