//! Which run goes on, and what of it runs.

use std::collections::BTreeSet;

use super::job::{Origin, Resume};
use super::loaded::LoadedLab;
use super::past_run::{no_request, rename_steps, succeeded};
use crate::base::ticked;
use crate::diag::{Exit, Failure, did_you_mean, hl};
use crate::engine::{self, Answer, Approver, Asked, Forecast, Options, PriorRun, Setup};
use crate::lab::{Lab, Redactor};
use crate::plan::{Plan, StepId, Tally, forget_undone};
use crate::runs::{self, Newest, Run, RunRequest};

/// What `hl resume` finds.
#[derive(Debug)]
pub enum Choice {
    /// This run goes on.
    Run(Box<Run>),
    /// The newest run, of this id, succeeded.
    Done(String),
    /// The run that was named succeeded.
    Succeeded(Box<Run>),
    /// There is no run that could go on.
    None,
}

/// The run that `piece` names, else the newest that did not succeed. One that
/// succeeded goes on only `from` a step.
///
/// # Errors
/// There is no such run (66), or its file cannot be read.
pub fn choose(lab: &Lab, piece: Option<&str>, from: Option<&str>) -> Result<Choice, Failure> {
    let run = match piece {
        Some(piece) => runs::find(&lab.paths, piece)?,
        None => match runs::open(&lab.paths)? {
            Newest::Open(entry) => runs::read(&entry.path)?,
            Newest::Done(id) => return Ok(Choice::Done(id)),
            Newest::None => return Ok(Choice::None),
        },
    };
    let run = Box::new(run);
    Ok(if succeeded(&run) && from.is_none() {
        Choice::Succeeded(run)
    } else {
        Choice::Run(run)
    })
}

/// A run that is about to go on.
#[derive(Debug)]
pub struct ResumePlan {
    /// As it is in its file.
    pub run: Run,
    /// The lab, with what the plan is built of.
    pub loaded: LoadedLab,
    /// The plan, built anew.
    pub plan: Plan,
    request: RunRequest,
    dry_run: bool,
    /// Steps that run whatever was done.
    forced: BTreeSet<StepId>,
}

impl ResumePlan {
    /// Builds the run's plan anew, in the lab that `load` reads; `from` is what
    /// `--from` names.
    ///
    /// # Errors
    /// The run does not say what it was asked for (65): then the lab is not read.
    /// The plan cannot be built, `from` is no step of it (66) or the end of several (2).
    pub fn new(
        mut run: Run,
        from: Option<&str>,
        dry_run: bool,
        load: impl FnOnce() -> Result<LoadedLab, Failure>,
    ) -> Result<Self, Failure> {
        let request = run.header.asked_for().cloned();
        let request = request.ok_or_else(|| no_request(&run))?;
        let loaded = load()?;
        let plan = loaded.plan(&request)?;
        rename_steps(&mut run.events, &plan);
        let forced = match from {
            Some(name) => {
                let ids = plan.steps.iter().map(|step| &step.id);
                let of = format!("`{}`", plan.recipe);
                let step = find_step(name, ids, &of, "resume --explain")?;
                engine::with_dependents(&plan, step)
            }
            None => BTreeSet::new(),
        };
        Ok(Self {
            run,
            loaded,
            plan,
            request,
            dry_run,
            forced,
        })
    }

    /// Whether the run's own file is continued: a dry run of a live run must not
    /// be taken for a part of it.
    pub fn is_same(&self) -> bool {
        self.dry_run == self.run.header.dry_run
    }

    /// What its steps would do, and the steps of the earlier part that the plan
    /// does not hold any more.
    pub fn forecasts(&self) -> (Vec<Forecast>, Vec<StepId>) {
        let redactor = Redactor::new(self.loaded.env.secrets());
        let tally = Tally::of(&self.run.events);
        let settled = tally.settled();
        let mut steps = tally.past();
        forget_undone(&mut steps, &self.plan);
        let earlier = PriorRun {
            settled,
            steps,
            forced: self.forced.clone(),
            ..PriorRun::default()
        };
        let gone = engine::no_longer_apply(&self.plan, &earlier);
        let gone: Vec<StepId> = gone.into_iter().cloned().collect();
        let setup = Setup {
            lab: &self.loaded.lab,
            env: &self.loaded.env,
            registry: &self.loaded.registry,
            redactor: &redactor,
            approver: &Nobody,
            trace: None,
            options: Options {
                run_id: self.run.header.id.clone(),
                dry_run: self.dry_run,
                jobs: 1,
                earlier,
                ..Options::default()
            },
        };
        (engine::explain(&self.plan, &setup), gone)
    }

    /// The parts of the run that goes on.
    pub fn into_parts(self) -> (LoadedLab, Plan, Origin) {
        let resume = Resume {
            same: self.is_same(),
            id: self.run.header.id,
            forced: self.forced,
        };
        let origin = Origin {
            resume: Some(resume),
            ..self.loaded.origin(self.request)
        };
        (self.loaded, self.plan, origin)
    }
}

/// Nothing runs in a look ahead, so nobody is asked.
struct Nobody;

impl Approver for Nobody {
    fn ask(&self, _: &Asked<'_>) -> Answer {
        Answer {
            approved: false,
            by: String::new(),
        }
    }
}

/// The step that is meant by a name: its id, or the end of it that no other has.
/// `of` is what has the steps, `list` the words behind `hl` that list them.
///
/// # Errors
/// There is no such step (66), or it is the end of several (2).
pub fn find_step<'s>(
    name: &str,
    steps: impl Iterator<Item = &'s StepId> + Clone,
    of: &str,
    list: &str,
) -> Result<&'s StepId, Failure> {
    if let Some(id) = steps.clone().find(|id| id.as_str() == name) {
        return Ok(id);
    }
    let ends: Vec<&StepId> = steps.clone().filter(|id| id.is_called(name)).collect();
    match ends.as_slice() {
        [id] => Ok(*id),
        [] => {
            let message = format!("{of} has no step `{name}`");
            Err(Failure::message(Exit::Unknown, message)
                .helps(did_you_mean(name, steps.map(StepId::as_str)))
                .help(hl(list).say(" lists the steps")))
        }
        several => {
            let message = format!("`{name}` is the end of {} steps", several.len());
            Err(Failure::message(Exit::Usage, message)
                .help(format!("say one of {}", ticked(several))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_meant_by_its_id_or_by_the_end_that_no_other_has() {
        let steps = ["l2/plan", "l2/apply", "l3/plan"].map(StepId::from);
        let find = |name| find_step(name, steps.iter(), "run 1", "runs show 1");
        assert_eq!(find("l3/plan").unwrap(), &steps[2]);
        assert_eq!(find("apply").unwrap(), &steps[1]);
        let several = find("plan").unwrap_err();
        assert_eq!(several.exit, Exit::Usage);
        assert_eq!(several.to_string(), "`plan` is the end of 2 steps");
        let none = find("aply").unwrap_err();
        assert_eq!(none.exit, Exit::Unknown);
        assert_eq!(none.to_string(), "run 1 has no step `aply`");
    }
}
