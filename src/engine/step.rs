//! One step, from its inputs to its end: its attempts.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use serde_json::Value;

use super::control::{Clock, Control};
use super::exec::StepExec;
use super::inputs::inputs;
use super::kept::Kept;
use super::reuse::{ReuseKey, judge};
use super::setup::Setup;
use super::shared::{Shared, millis};
use super::step_end::End;
use super::step_output::StepOutput;
use crate::action::{Action, Approval, Done, Emit, StepContext, Stop};
use crate::base::Cancel;
use crate::base::short_duration;
use crate::diag::{Cause, Exit, StepError};
use crate::lab::{Environment, timeouts};
use crate::plan::{EventKind, PriorResult, Retry, RetryOn, Status, Step, Timeout};

/// The longest wait between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// Where a step keeps files of its own.
pub(super) fn work(setup: &Setup<'_>, slug: &str) -> Utf8PathBuf {
    let logs = setup.lab.paths.logs(&setup.options.run_id);
    logs.join(format!("{slug}.work"))
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

/// The attempts of one step.
pub(super) struct Attempts<'r, 'a> {
    pub(super) run: &'r Shared<'a>,
    pub(super) step: &'r Step,
    pub(super) action: &'r dyn Action,
    with: Value,
    pub(super) control: &'r Control,
    exec: StepExec<'r, 'a>,
    pub(super) step_output: &'r StepOutput<'r, 'a>,
}

impl Attempts<'_, '_> {
    /// The variables of the node that the step works on.
    fn env(&self) -> Result<Cow<'_, Environment>, StepError> {
        Ok(self.run.setup.env.for_node(self.step.node.as_deref())?)
    }

    pub(super) fn context<'c>(
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
            if self.step.approve {
                self.approve(&ctx, approved, clock)?;
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
