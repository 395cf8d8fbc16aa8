//! What the file of a run says of it.

use crate::diag::{Exit, Failure, say};
use crate::lab::Paths;
use crate::layers::renamed_step;
use crate::plan::{Event, EventKind, Outcome, Plan, Status, StepId};
use crate::runs::{self, Ending, Run};

/// Whether a run succeeded.
pub fn succeeded(run: &Run) -> bool {
    matches!(
        run.ending,
        Ending::Finished {
            outcome: Outcome::Succeeded,
            ..
        }
    )
}

/// Gives the steps of renamed recipes the names that they have in `plan`: the run
/// may have begun before the upgrade.
pub(super) fn rename_steps(events: &mut [Event], plan: &Plan) {
    for step in events.iter_mut().filter_map(|event| event.step.as_mut()) {
        if plan.step(step).is_none()
            && let Some(renamed) = renamed_step(step).filter(|id| plan.step(id).is_some())
        {
            *step = renamed;
        }
    }
}

/// A run that does not say what it was asked for.
pub fn no_request(run: &Run) -> Failure {
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
        say("start again: ")
            .hl("up --fresh")
            .say(", or the recipe again"),
    )
}

/// The command that goes on with a run.
pub fn resume_command(paths: &Paths, id: &str) -> String {
    let words = format!("resume {}", runs::short_id(paths, id));
    paths.commands().line(&words)
}

/// How the run ended, as in `failed at l3-converge/converge`.
pub fn how_it_ended(run: &Run) -> String {
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
