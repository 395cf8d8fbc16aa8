//! `hl resume`: go on with a run that did not succeed.

use inquire::{Password, PasswordDisplayMode};
use schemars::JsonSchema;
use serde::Serialize;

use super::args::ResumeArgs;
use super::dry::decide;
use super::go::go;
use super::session::Session;
use crate::app::{Choice, DryRun, ResumePlan, choose, how_it_ended, resume_command};
use crate::base::Lines;
use crate::diag::{Exit, Failure, say};
use crate::engine::{Expect, Forecast};
use crate::lab::Lab;
use crate::plan::StepId;
use crate::report::Paint;
use crate::runs::{self, Run};

pub(super) fn resume(session: &Session, args: &ResumeArgs) -> Result<Exit, Failure> {
    let lab = session.lab()?;
    let Some(run) = chosen(session, &lab, args)? else {
        return Ok(Exit::Ok);
    };
    let dry = dry(session, &lab, &run)?;
    let session = &restored(session, &run)?;
    let from = args.from.as_deref();
    let plan = ResumePlan::new(run, from, dry.on, || session.load(true))?;
    if args.explain {
        return explain(session, &plan, dry.on).map(|()| Exit::Ok);
    }
    go_on(session, plan, &dry)
}

/// Whether there is nothing to go on with; that is said.
pub(super) fn is_idle(session: &Session, args: &ResumeArgs) -> Result<bool, Failure> {
    Ok(chosen(session, &session.lab()?, args)?.is_none())
}

/// Goes on with a run.
pub(super) fn go_on(session: &Session, plan: ResumePlan, dry: &DryRun) -> Result<Exit, Failure> {
    announce(session, &plan.run, plan.is_same());
    let (loaded, plan, origin) = plan.into_parts();
    go(session, &loaded, plan, dry, origin).map(|(exit, _)| exit)
}

/// The run that is meant. `None`: there is nothing to go on with, and that was
/// said.
fn chosen(session: &Session, lab: &Lab, args: &ResumeArgs) -> Result<Option<Run>, Failure> {
    match choose(lab, args.run.as_deref(), args.from.as_deref())? {
        Choice::Run(run) => return Ok(Some(*run)),
        Choice::Done(id) => session.note(format!("nothing to resume: run {id} succeeded")),
        Choice::Succeeded(run) => session.note(format!(
            "nothing to resume: run {} (`{}`) succeeded; `--from STEP` runs a part of it again",
            run.header.id, run.header.recipe
        )),
        Choice::None => {
            session.note(
                say("nothing to resume: there is no unfinished run; ")
                    .hl("up")
                    .say(" starts one"),
            );
            let rehearsed = lab.paths.rehearsal();
            if !session.rehearsing() && !runs::ids(&rehearsed).is_empty() {
                session.note("`hl rehearse resume` resumes a rehearsal");
            }
        }
    }
    Ok(None)
}

/// A dry run is resumed as one; a live run only when nothing asks for a dry one.
pub(super) fn dry(session: &Session, lab: &Lab, run: &Run) -> Result<DryRun, Failure> {
    if run.header.dry_run {
        let text = format!(
            "run {} was a dry run, and is resumed as one: nothing is changed",
            run.header.id
        );
        session.tell(Paint::Warn, "Dry run", text);
        return Ok(DryRun::forced(true));
    }
    decide(session, lab)
}

/// The session with the variables that were set for the run.
pub(super) fn restored(session: &Session, run: &Run) -> Result<Session, Failure> {
    let mut restored = session.clone();
    let ask = |name: &str| value_of(session, name);
    restored.caller = session.caller.with_variables_of(run, &ask)?;
    Ok(restored)
}

/// Asks for a secret variable, where there is a terminal.
fn value_of(session: &Session, name: &str) -> Result<Option<String>, Failure> {
    if session.globals.no_input || !Session::interactive() {
        return Ok(None);
    }
    let answer = Password::new(&format!("{name}:"))
        .with_display_mode(PasswordDisplayMode::Hidden)
        .with_help_message("it was set for the run; secrets are not saved")
        .without_confirmation()
        .prompt();
    let value = answer.map_err(|_| {
        Failure::message(
            Exit::NotApproved,
            format!("nothing was run: `{name}` was not given"),
        )
    })?;
    Ok((!value.is_empty()).then_some(value))
}

fn announce(session: &Session, run: &Run, same: bool) {
    let own = if same {
        ""
    } else {
        ", as a dry run of its own"
    };
    let (header, ended) = (&run.header, how_it_ended(run));
    let text = format!(
        "run {} (`{}`), which {ended}{own}",
        header.id, header.recipe
    );
    session.tell(Paint::Active, "Resuming", text);
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

fn explain(session: &Session, plan: &ResumePlan, dry_run: bool) -> Result<(), Failure> {
    let (steps, gone) = plan.forecasts();
    let run = &plan.run;
    if session.globals.json {
        return session.json(&Explained {
            schema: "hl.resume/1",
            run: run.header.id.clone(),
            recipe: run.header.recipe.clone(),
            dry_run,
            steps,
            no_longer_apply: gone,
        });
    }
    let palette = session.data_palette();
    let mut out = String::new();
    let mut line = |paint, verb: &str, step: &StepId, reason: &str| {
        let (verb, reason) = (palette.verb(paint, verb), palette.paint(Paint::Dim, reason));
        out.line(format_args!("{verb} {step}  {reason}"));
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
            "no longer applies: the plan has no such step",
        );
    }
    session.data(&out)?;
    session.note(format!(
        "run {} (`{}`) {}; to continue: `{}`",
        run.header.id,
        run.header.recipe,
        how_it_ended(run),
        resume_command(&plan.loaded.lab.paths, &run.header.id)
    ));
    Ok(())
}
