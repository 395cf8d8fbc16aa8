//! `hl resume`: go on with a run that did not succeed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::args::ResumeArgs;
use super::dry::Dry;
use super::recipe::go;
use super::run::{Origin, Resume, resume_command, setup_to_explain};
use super::session::{Session, usage};
use super::target::{Ready, Target};
use crate::diag::{Exit, Failure, did_you_mean, hl, say};
use crate::engine::{self, Earlier, Expect, Forecast};
use crate::lab::{Lab, Redactor};
use crate::plan::{EventKind, Outcome, Plan, Status, StepId, past};
use crate::report::Paint;
use crate::runs::{self, Asked, Ending, Newest, Run};

pub(super) fn resume(session: &Session, args: &ResumeArgs) -> Result<Exit, Failure> {
    let lab = session.lab()?;
    let Some(run) = choose(session, &lab, args)? else {
        return Ok(Exit::Ok);
    };
    let going = Going::new(session, &lab, run, args.from.as_deref())?;
    if args.explain {
        return going.explain(session).map(|()| Exit::Ok);
    }
    going.go(session)
}

/// Whether there is nothing to go on with; that is said.
pub(super) fn is_idle(session: &Session, args: &ResumeArgs) -> Result<bool, Failure> {
    Ok(choose(session, &session.lab()?, args)?.is_none())
}

/// A run that is about to be gone on with.
pub(super) struct Going {
    pub run: Run,
    ready: Ready,
    asked: Asked,
    plan: Plan,
    dry: Dry,
    /// Steps that run whatever was done.
    forced: BTreeSet<StepId>,
}

impl Going {
    /// Builds the run's plan anew; `from` is what `--from` names.
    pub(super) fn new(
        session: &Session,
        lab: &Lab,
        run: Run,
        from: Option<&str>,
    ) -> Result<Self, Failure> {
        let dry = dry(session, lab, &run)?;
        let asked = run.header.request.clone().ok_or_else(|| no_request(&run))?;
        let ready = Ready::new(session, true)?;
        let plan = ready.plan(&Target::from(&asked))?;
        let forced = match from {
            Some(name) => engine::with_dependents(&plan, &step(&plan, name)?),
            None => BTreeSet::new(),
        };
        Ok(Self {
            run,
            ready,
            asked,
            plan,
            dry,
            forced,
        })
    }

    /// Goes on with it.
    pub(super) fn go(self, session: &Session) -> Result<Exit, Failure> {
        // A dry run of a live run must not be taken for a part of it.
        let same = self.dry.on == self.run.header.dry_run;
        announce(session, &self.run, same);
        let origin = Origin {
            options: self.ready.options(&Target::from(&self.asked)),
            asked: Some(self.asked),
            resume: Some(Resume {
                id: self.run.header.id,
                same,
                forced: self.forced,
            }),
            archive: None,
        };
        go(session, &self.ready, self.plan, &self.dry, origin).map(|(exit, _)| exit)
    }

    fn forecasts(&self) -> (Vec<Forecast>, Vec<StepId>) {
        let redactor = Redactor::new(self.ready.env.secrets());
        let earlier = Earlier {
            steps: past(&self.run.events),
            forced: self.forced.clone(),
            ..Earlier::default()
        };
        let gone = engine::no_longer_apply(&self.plan, &earlier);
        let gone: Vec<StepId> = gone.into_iter().cloned().collect();
        let id = &self.run.header.id;
        let setup = setup_to_explain(&self.ready, &redactor, id, earlier, self.dry.on);
        (engine::explain(&self.plan, &setup), gone)
    }

    /// The steps that run, or may run.
    pub(super) fn steps_that_run(&self) -> Vec<String> {
        let (forecasts, _) = self.forecasts();
        let runs = forecasts.iter().filter(|f| f.expect != Expect::Done);
        runs.map(|forecast| format!("{}  {}", forecast.step, forecast.reason))
            .collect()
    }
}

/// The run that is meant. `None`: there is nothing to go on with, and that was
/// said.
fn choose(session: &Session, lab: &Lab, args: &ResumeArgs) -> Result<Option<Run>, Failure> {
    let found = match &args.run {
        Some(piece) => runs::find(&lab.paths, piece)?,
        None => match runs::open(&lab.paths)? {
            Newest::Open(entry) => runs::read(&entry.path)?,
            Newest::Done(id) => {
                session.note(format!("nothing to resume: run {id} succeeded"));
                return Ok(None);
            }
            Newest::None => {
                session.note(
                    say("nothing to resume: there is no run that `hl` could go on with; ")
                        .hl("up")
                        .say(" begins one"),
                );
                let rehearsed = lab.paths.rehearsal();
                if !session.rehearsing() && !runs::ids(&rehearsed).is_empty() {
                    session.note("`hl rehearse resume` goes on with a rehearsal");
                }
                return Ok(None);
            }
        },
    };
    if succeeded(&found) && args.from.is_none() {
        session.note(format!(
            "nothing to resume: run {} (`{}`) succeeded; `--from STEP` runs a part of it again",
            found.header.id, found.header.recipe
        ));
        return Ok(None);
    }
    Ok(Some(found))
}

pub(super) fn succeeded(run: &Run) -> bool {
    matches!(
        run.ending,
        Ending::Finished {
            outcome: Outcome::Succeeded,
            ..
        }
    )
}

pub(super) fn no_request(run: &Run) -> Failure {
    let header = &run.header;
    let why = if header.migrated_from.is_some() {
        "it was made by an older tool"
    } else {
        "its file does not say what it was asked for, as when an argument is a secret"
    };
    Failure::message(
        Exit::Definition,
        format!(
            "run {} (`{}`) cannot be resumed: {why}",
            header.id, header.recipe
        ),
    )
    .help(
        say("start anew: ")
            .hl("up --fresh")
            .say(", or the recipe again"),
    )
}

/// A dry run is resumed as one; a live run only when nothing asks for a dry one.
fn dry(session: &Session, lab: &Lab, run: &Run) -> Result<Dry, Failure> {
    if run.header.dry_run {
        session.note(format!(
            "{} run {} was a dry run, and is resumed as one: nothing is changed",
            session.palette().verb(Paint::Warn, "Dry run"),
            run.header.id
        ));
        return Ok(Dry::plainly(true));
    }
    Dry::decide(session, lab)
}

/// The step that `--from` names: its id, or the end of it that no other has.
fn step(plan: &Plan, name: &str) -> Result<StepId, Failure> {
    let all = || plan.steps.iter().map(|step| &step.id);
    if let Some(id) = all().find(|id| id.as_str() == name) {
        return Ok(id.clone());
    }
    let ends: Vec<&StepId> = all().filter(|id| id.is_called(name)).collect();
    match ends.as_slice() {
        [id] => Ok((*id).clone()),
        [] => {
            let message = format!("there is no step `{name}` in `{}`", plan.recipe);
            let failure = Failure::message(Exit::Unknown, message);
            Err(match did_you_mean(name, all().map(StepId::as_str)) {
                Some(help) => failure.help(help),
                None => failure,
            }
            .help(hl("resume --explain").say(" lists the steps")))
        }
        several => {
            let names: Vec<String> = several.iter().map(|id| format!("`{id}`")).collect();
            Err(
                usage(format!("`{name}` is the end of {} steps", several.len()))
                    .help(format!("say one of {}", names.join(", "))),
            )
        }
    }
}

/// How the run ended, as in `failed at l3-converge/converge`.
pub(super) fn how_it_ended(run: &Run) -> String {
    let last = |wanted: Status| {
        run.events.iter().rev().find_map(|event| {
            let is_it = matches!(&event.kind, EventKind::StepFinished(end) if end.status == wanted);
            event.step.clone().filter(|_| is_it)
        })
    };
    let at = |word: &str, step: Option<StepId>| match step {
        Some(step) => format!("{word} at {step}"),
        None => word.to_owned(),
    };
    match run.ending {
        Ending::Finished { outcome, .. } => match outcome {
            Outcome::Succeeded => "succeeded".to_owned(),
            Outcome::Failed => at("failed", last(Status::Failed)),
            Outcome::Cancelled => at("was cancelled", last(Status::Cancelled)),
        },
        Ending::Running => "still runs".to_owned(),
        Ending::Interrupted => {
            let open = run.events.iter().rev().find(|event| event.step.is_some());
            at("was interrupted", open.and_then(|event| event.step.clone()))
        }
    }
}

fn announce(session: &Session, run: &Run, same: bool) {
    let verb = session.palette().verb(Paint::Active, "Resuming");
    let own = if same {
        ""
    } else {
        ", as a dry run of its own"
    };
    session.note(format!(
        "{verb} run {} (`{}`), which {}{own}",
        run.header.id,
        run.header.recipe,
        how_it_ended(run)
    ));
}

/// `hl resume --explain --json`
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Explained {
    /// `hl.resume/1`
    schema: &'static str,
    /// The run.
    run: String,
    /// What it was asked for.
    recipe: String,
    /// Nothing would be changed.
    dry_run: bool,
    /// Every step of the plan, in the order in which they would run.
    steps: Vec<Forecast>,
    /// Steps of the earlier part that are not in the plan any more.
    no_longer_apply: Vec<StepId>,
}

impl Going {
    fn explain(&self, session: &Session) -> Result<(), Failure> {
        let (steps, gone) = self.forecasts();
        let run = &self.run;
        if session.globals.json {
            return session.json(&Explained {
                schema: "hl.resume/1",
                run: run.header.id.clone(),
                recipe: run.header.recipe.clone(),
                dry_run: self.dry.on,
                steps,
                no_longer_apply: gone,
            });
        }
        let palette = session.data_palette();
        let mut out = String::new();
        // Writing to a String cannot fail.
        let mut line = |paint, verb: &str, step: &StepId, reason: &str| {
            writeln!(
                out,
                "{} {step}  {}",
                palette.verb(paint, verb),
                palette.paint(Paint::Dim, reason)
            )
            .unwrap_or_default();
        };
        for forecast in &steps {
            let (paint, verb) = match forecast.expect {
                Expect::Runs => (Paint::Active, "runs"),
                Expect::Done => (Paint::Good, "done"),
                Expect::Depends => (Paint::Warn, "depends"),
            };
            line(paint, verb, &forecast.step, &forecast.reason);
        }
        for step in &gone {
            line(
                Paint::Warn,
                "gone",
                step,
                "no longer applies: the plan does not hold it any more",
            );
        }
        session.data(&out)?;
        session.note(format!(
            "run {} (`{}`) {}; to go on: `{}`",
            run.header.id,
            run.header.recipe,
            how_it_ended(run),
            resume_command(session, &self.ready.lab.paths, &run.header.id)
        ));
        Ok(())
    }
}
