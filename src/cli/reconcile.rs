//! Infrastructure that a run assumed is not there: on a terminal what helps is
//! offered, and done at once. Without one, the failure names the commands.

use inquire::Select;

use super::recipe::recipe;
use super::run::Ended;
use super::session::Session;
use crate::action::reconcile::{NAME, Remedy, typed};
use crate::diag::{Exit, Failure};
use crate::plan::{Plan, Status};

/// Offers what helps when it was reconciliation that failed, and does what is
/// chosen. Whether the run is worth another start.
pub(super) fn offer(session: &Session, plan: &Plan, ended: &Ended) -> Result<bool, Failure> {
    let globals = &session.globals;
    let asks = Session::interactive() && !globals.yes && !globals.no_input && !globals.json;
    let Some(remedy) = remedy(plan, ended).filter(|_| asks) else {
        return Ok(false);
    };
    let [again, reset] = [remedy.again(), remedy.reset()];
    let stop = "stop".to_owned();
    let words = |words: &[String]| session.commands().line(&typed(words));
    let choices = vec![
        stop,
        format!("run L2 again: {}", words(&again)),
        format!("forget what is gone: {}", words(&reset)),
    ];
    // Escape and a closed terminal mean to stop.
    let chosen = Select::new("what now?", choices)
        .raw_prompt_skippable()
        .ok()
        .flatten();
    let chosen = match chosen.map(|option| option.index) {
        Some(1) => again,
        Some(2) => reset,
        _ => return Ok(false),
    };
    let mut own = session.with(globals.clone());
    own.command.clone_from(&chosen);
    Ok(recipe(&own, &chosen)? == Exit::Ok)
}

/// What helps, when a reconciliation failed.
fn remedy(plan: &Plan, ended: &Ended) -> Option<Remedy> {
    let failed = |id| {
        let mut all = ended.tally.ended();
        all.any(|step| *step.step == id && step.end.status == Status::Failed)
    };
    let step = plan
        .steps
        .iter()
        .find(|step| step.action == NAME && failed(step.id.clone()))?;
    let text = |key: &str| step.with.get(key)?.as_str();
    Some(Remedy::new(text("env")?, text("node")?))
}
