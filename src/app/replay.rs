//! The last run: which one it is, and whether it can be gone on with where it
//! stopped.
//!
//! `state/runs/latest.env` names the run and what it published; what was done
//! and what was asked for is in the run's own file.

use camino::Utf8Path;

use super::past_run::succeeded;
use crate::base::ticked;
use crate::diag::{Exit, Failure, hl, say};
use crate::handoff::{Latest, latest};
use crate::lab::{Lab, Settings};
use crate::runs::{self, Run};

/// The lab's settings may forbid a replay.
///
/// # Errors
/// They do (77).
pub fn enabled(lab: &Lab) -> Result<(), Failure> {
    let setting = Settings::load(&lab.paths)?.replay_enabled;
    if setting.value {
        return Ok(());
    }
    let place = setting.shown_place().unwrap_or_default();
    Err(Failure::message(
        Exit::NotApproved,
        format!("replay is switched off: `replay_enabled=false` in {place}"),
    )
    .help(
        say("set it to true, or run what you want by name: ")
            .hl("up")
            .say(", ")
            .hl("resume"),
    ))
}

/// The run that the handoff names or, when that was a dry one, the last live
/// run, if there is any.
///
/// # Errors
/// The handoff is incomplete (65), or names a run that does not exist (66).
pub fn last_run(lab: &Lab, handoff: &Latest) -> Result<Run, Failure> {
    let file = lab.paths.show(&lab.paths.latest_env());
    let wrong = |message: String| {
        let failure = Failure::message(Exit::Definition, message);
        Err(failure.help(say("the next run writes it again: ").hl("up")))
    };
    let mut missing = vec![latest::RUN_ID, latest::RUN_TIMESTAMP, latest::DRY_RUN];
    missing.retain(|key| handoff.get(key).is_none());
    if !missing.is_empty() {
        return wrong(format!(
            "`{file}` is incomplete: it has no {}",
            ticked(missing)
        ));
    }
    let id = handoff.get(latest::RUN_ID).unwrap_or_default();
    if !runs::is_id(id) {
        return wrong(format!(
            "`{file}` names `{id}` as the last run, which is not a run id"
        ));
    }
    let run = runs::find(&lab.paths, id).map_err(|failure| {
        failure.help(
            say(format!("`{file}` names it as the last run; "))
                .hl("runs")
                .say(" lists those that are there"),
        )
    })?;
    // What was only looked at since is not what the lab did last.
    match runs::newest_live(&lab.paths).filter(|_| run.header.dry_run) {
        Some(live) => runs::read(&live.path),
        None => Ok(run),
    }
}

/// Why it cannot be gone on with where it stopped, if it cannot.
pub fn cannot_resume(lab: &Lab, handoff: &Latest, run: &Run) -> Option<Failure> {
    let refused = |message: String| {
        let failure = Failure::message(Exit::Definition, message);
        Some(failure.help(hl("replay --from start").say(" runs all of it")))
    };
    if succeeded(run) {
        return refused(format!(
            "run {} succeeded: there is nothing to resume",
            run.header.id
        ));
    }
    let gone: Vec<String> = handoff
        .iter()
        .filter(|(_, value)| value.contains('/') && !value.contains("://"))
        .filter(|(key, value)| {
            is_path(key) && !lab.paths.root().join(Utf8Path::new(value)).exists()
        })
        .map(|(key, value)| format!("`{value}` ({key})"))
        .collect();
    if gone.is_empty() {
        return None;
    }
    refused(format!(
        "what the last run published is gone: {}",
        gone.join(", ")
    ))
}

fn is_path(key: &str) -> bool {
    key.starts_with("TEMPLATE_")
        || [
            latest::TERRAFORM_WORKDIR,
            latest::TFSTATE_PATH,
            latest::TERRAFORM_OUTPUT_JSON,
            latest::ANSIBLE_INVENTORY_PATH,
        ]
        .contains(&key)
}
