//! Children that are kept: begun at most once by a parent that outlives `hl`,
//! and taken over where an earlier part of the run began them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use camino::Utf8Path;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::child::{LOOK, command_line, not_finished};
use super::question::{Question, ask};
use super::shared::Shared;
use super::step_output::StepOutput;
use crate::action::{Approval, ChildExit, ChildOutcome, ChildSpec};
use crate::base::{hex, quoted};
use crate::diag::{Cause, Exit, StepError, say};
use crate::keeper::{Attempt, ChildEnd, Fence, Standing};
use crate::plan::EventKind;

/// The kept children of one step.
pub(super) struct Kept<'r, 'a> {
    run: &'r Shared<'a>,
    step_output: &'r StepOutput<'r, 'a>,
    dir: &'r Utf8Path,
    /// What the step's result rests on, see [`crate::plan::Fingerprint`].
    basis: Option<String>,
    /// They may run once more when nobody knows how they ended.
    repeatable: bool,
    /// What was said of children whose results were taken.
    told: Mutex<Vec<String>>,
    /// The next child may be one that an earlier part of the run began: so far it
    /// did the same.
    taking: AtomicBool,
}

impl<'r, 'a> Kept<'r, 'a> {
    /// `None` when nothing of the step is kept: the run keeps no logs, or the
    /// caller has no parent to give.
    pub(super) fn new(
        run: &'r Shared<'a>,
        step_output: &'r StepOutput<'r, 'a>,
        basis: Option<String>,
        repeatable: bool,
    ) -> Option<Self> {
        let options = &run.setup.options;
        options.keeper.as_ref()?;
        let forced = options.earlier.forced.contains(&step_output.step.id);
        Some(Self {
            run,
            step_output,
            dir: run.logs.as_deref().filter(|_| !options.dry_run)?,
            basis,
            repeatable: repeatable || forced,
            told: Mutex::default(),
            taking: AtomicBool::new(!forced),
        })
    }

    /// What was said of children whose results were taken.
    pub(super) fn told(&self) -> Vec<String> {
        let told = self.told.lock();
        told.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the fence of a child says: the same for the same child of a step that
    /// rests on the same.
    pub(super) fn says(&self, spec: &ChildSpec) -> String {
        let command = self.run.bus.redactor().shown(&command_line(spec));
        json!({ "command": command, "basis": self.basis }).to_string()
    }

    pub(super) fn attempt(&self, number: u32) -> Attempt {
        Attempt::new(self.dir, self.step_output.slug, number)
    }

    /// Goes past the children that earlier parts of the run began, and gives the
    /// outcome of the next one when that is this child, and it did its work. `count`:
    /// the number of the step's last child.
    ///
    /// # Errors
    /// Nobody knows how one ended, and nobody said to run it again (77).
    pub(super) fn earlier(
        &self,
        spec: &ChildSpec,
        count: &AtomicU32,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<ChildOutcome>, StepError> {
        loop {
            let number = count.load(Ordering::Relaxed) + 1;
            let attempt = self.attempt(number);
            match standing(&attempt)? {
                Standing::New => return Ok(None),
                Standing::Running(_) => wait_for(spec, &attempt, stopped)?,
                Standing::Ended(fence, end) => {
                    count.store(number, Ordering::Relaxed);
                    if fence.says != self.says(spec) {
                        self.taking.store(false, Ordering::Relaxed);
                    }
                    if !self.taking.load(Ordering::Relaxed) {
                        continue;
                    }
                    let taken = spec.tells_all && end.code == Some(0);
                    if taken || self.is_last(number) {
                        self.tell(&fence, &end, number, taken);
                    }
                    if taken {
                        return Ok(Some(self.outcome()));
                    }
                }
                Standing::Unknown => {
                    if self.is_last(number) {
                        self.may_run_again(spec, number, stopped)?;
                    }
                    count.store(number, Ordering::Relaxed);
                }
            }
        }
    }

    /// Whether nothing was started after that child: what is to be said of it was not
    /// said yet.
    fn is_last(&self, number: u32) -> bool {
        matches!(self.attempt(number + 1).standing(), Ok(Standing::New))
    }

    /// How a child of an earlier part of the run ended; `taken`: its result counts.
    fn tell(&self, fence: &Fence, end: &ChildEnd, number: u32, taken: bool) {
        let how = how(end);
        if end.code == Some(0) {
            let line = format!("done while nobody watched, {how}");
            if taken {
                let told = self.told.lock();
                told.unwrap_or_else(PoisonError::into_inner)
                    .push(line.clone());
            }
            self.step_output.note(line);
        } else {
            let message = format!("failed while nobody watched, {how}: it runs again");
            self.step_output.emit(EventKind::Warning { message });
        }
        self.step_output.emit(EventKind::ChildExited {
            pid: fence.process().pid,
            code: end.code,
            signal: end.signal,
            unwatched: Some(number),
        });
    }

    /// What it said is in the step's log already.
    fn outcome(&self) -> ChildOutcome {
        ChildOutcome {
            exit: ChildExit::Code(0),
            taken: true,
            stopped: None,
            killed: false,
            tail: self.step_output.recent(),
        }
    }

    /// What may have done its work is not simply done again.
    fn may_run_again(
        &self,
        spec: &ChildSpec,
        attempt: u32,
        stopped: &dyn Fn() -> bool,
    ) -> Result<(), StepError> {
        if self.repeatable {
            return Ok(());
        }
        let step = self.step_output.step;
        let program = quoted(&spec.program);
        let unknown = format!("`{program}` was started, and nobody knows how it ended");
        let approval = Approval {
            summary: vec![
                format!("{unknown}: it and the process that watched it are gone"),
                "it may have done all of its work, some of it, or nothing".to_owned(),
            ],
            question: format!("run `{}` again?", step.id),
            ..Approval::default()
        };
        let question = Question {
            approval: &approval,
            digest: hex(&Sha256::digest(format!("{} {attempt}", step.id))),
            covered: false,
            again: true,
        };
        if ask(self.run, self.step_output, &question, stopped).approved {
            return Ok(());
        }
        let error = StepError::new(format!("{unknown}: it is not run again"))
            .cause(Cause::Cancelled)
            .exit(Exit::NotApproved);
        Err(self.by_hand(error))
    }

    /// The parent of a child was killed under the eyes of this process.
    ///
    /// # Errors
    /// What the child did may not simply be done again.
    pub(super) fn may_be_lost(&self, spec: &ChildSpec) -> Result<(), StepError> {
        if self.repeatable {
            return Ok(());
        }
        let program = quoted(&spec.program);
        Err(self.by_hand(StepError::new(format!(
            "the process that watched `{program}` was killed, and nobody knows how `{program}` ended"
        ))))
    }

    fn by_hand(&self, error: StepError) -> StepError {
        error
            .help(
                say("look at what it did; then ")
                    .hl(format!("resume --from {}", self.step_output.step.id))
                    .say(" runs it again"),
            )
            .help("`repeatable = true` in the step's definition runs it again without a question")
    }
}

/// What is to be said of a step of an earlier part of the run that was cut off,
/// before it runs again; `None` where nothing of it was kept.
pub(super) fn foretell(
    dir: &Utf8Path,
    slug: &str,
    settled: u32,
    repeatable: bool,
) -> Option<String> {
    let mut last = None;
    for number in settled + 1.. {
        match Attempt::new(dir, slug, number).standing() {
            Ok(Standing::New) | Err(_) => break,
            Ok(standing) => last = Some(standing),
        }
    }
    Some(match last? {
        Standing::New => return None,
        Standing::Running(fence) => format!(
            "its child (process {}) still runs: it is waited for, and its result is taken",
            fence.process().pid
        ),
        Standing::Ended(_, end) if end.code == Some(0) => {
            format!("its child ended while nobody watched, {}", how(&end))
        }
        Standing::Ended(_, end) => format!("it failed while nobody watched, {}", how(&end)),
        Standing::Unknown if repeatable => {
            "nobody knows how its child ended; it may be repeated".to_owned()
        }
        Standing::Unknown => {
            "nobody knows how its child ended: it runs only after a yes".to_owned()
        }
    })
}

/// Waits for a child that an earlier part of the run began; one that is stopped
/// meanwhile is asked once to stop.
fn wait_for(
    spec: &ChildSpec,
    attempt: &Attempt,
    stopped: &dyn Fn() -> bool,
) -> Result<(), StepError> {
    let mut asked = false;
    while let Standing::Running(fence) = standing(attempt)? {
        if !asked
            && stopped()
            && let Some(child) = fence.child
        {
            asked = true;
            child.interrupt_group();
        }
        thread::sleep(LOOK);
    }
    if asked {
        return Err(not_finished(spec));
    }
    Ok(())
}

fn standing(attempt: &Attempt) -> Result<Standing, StepError> {
    let standing = attempt.standing();
    standing.map_err(|error| StepError::io("read", attempt.base(), &error))
}

/// `exit 0 at 20:07:41 UTC`
fn how(end: &ChildEnd) -> String {
    let at = end.at.parse::<jiff::Timestamp>().map_or_else(
        |_| end.at.clone(),
        |time| time.strftime("%H:%M:%S UTC").to_string(),
    );
    match (end.code, end.signal) {
        (Some(code), _) => format!("exit {code} at {at}"),
        (None, Some(signal)) => format!("ended by signal {signal} at {at}"),
        (None, None) => format!("ended at {at}"),
    }
}
