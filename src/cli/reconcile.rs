//! Infrastructure that a run assumed is not there: on a terminal what helps is
//! offered. Without one, the failure names the commands.

use inquire::Select;

use super::session::Session;
use crate::action::reconcile::{NAME, Remedy, typed};
use crate::app::Ended;
use crate::plan::{Plan, Status};
use crate::runs::RecipeRequest;

/// Offers what helps when it was reconciliation that failed: the recipe that is
/// chosen.
pub(super) fn offer(session: &Session, ended: &Ended) -> Option<RecipeRequest> {
    let globals = &session.globals;
    let asks = Session::interactive() && !globals.yes && !globals.no_input && !globals.json;
    let remedy = remedy(&ended.plan, ended).filter(|_| asks)?;
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
    match chosen.map(|option| option.index) {
        Some(1) => recipe(&again),
        Some(2) => recipe(&reset),
        _ => None,
    }
}

/// The recipe that the words of a command name.
fn recipe(words: &[String]) -> Option<RecipeRequest> {
    let (name, args) = words.split_first()?;
    Some(RecipeRequest {
        name: name.clone(),
        args: args.to_vec(),
    })
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
