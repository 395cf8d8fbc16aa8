//! What a test that failed leaves to be looked at.

use crate::app::Ended;
use crate::cli::session::Session;
use crate::diag::{Exit, hl};
use crate::handoff::{NodeRecord, nodes};
use crate::manifest::on_host;
use crate::plan::{FinallyWhen, Status};

/// Tells it, where machines stay because not every step succeeded.
pub(in crate::cli) fn tell_kept(session: &Session, ended: &Ended) {
    let Some(of) = on_host(&ended.plan).filter(|_| ended.exit != Exit::Ok) else {
        return;
    };
    let stays = ended.tally.ended().any(|one| {
        let step = ended.plan.step(one.step);
        one.end.status == Status::Skipped
            && step.is_some_and(|step| step.finally_when == FinallyWhen::Succeeded)
    });
    if !stays {
        return;
    }
    let made = |node: &NodeRecord| {
        let id = node.vm_id?;
        let name = &node.name;
        let place = node
            .ip
            .as_ref()
            .map_or_else(String::new, |ip| format!(" at {ip}"));
        Some(format!("`{name}` ({id}{place})"))
    };
    let kept = nodes(&ended.plan, &ended.tally);
    let kept: Vec<String> = kept.iter().filter_map(made).collect();
    if kept.is_empty() {
        return;
    }
    session.note(format!("kept to be looked at: {}", kept.join(", ")));
    session.note(hl(format!("destroy -M {} -H {}", of.manifest, of.host)).say(" removes them"));
}
