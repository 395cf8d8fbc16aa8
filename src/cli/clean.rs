//! `hl clean`: back to a fresh checkout, without what is real or secret.

use serde_json::json;

use super::approve::may_remove;
use super::dry::{announce, decide};
use super::run::run_plan;
use super::session::{Session, usage};
use crate::action::clean::bytes;
use crate::base::Lines;
use crate::diag::{Exit, Failure, hl};
use crate::lab::{Environment, Lock};
use crate::layers::clean::{Clean, plan, scan};
use crate::plan::sanitize;
use crate::rehearse;
use crate::report::{Document, Paint};

/// With `history` that of runs goes too.
pub(super) fn clean(session: &Session, history: bool) -> Result<Exit, Failure> {
    if session.rehearsing() {
        // Its paths are the live lab's, which a rehearsal must not touch.
        return Err(usage("`clean` cannot be rehearsed")
            .help(hl("clean --dry-run").say(" lists what it would remove"))
            .help("`hl rehearse --fresh` begins with an empty world"));
    }
    let lab = session.lab()?;
    let dry = decide(session, &lab)?;
    let _no_rehearsal = rehearse::hold(&lab.paths.rehearsal())?;
    if let Some(holder) = Lock::holder(&lab.paths) {
        return Err(Failure::message(
            Exit::Busy,
            format!(
                "a run holds the lab: run {}, process {}",
                holder.run, holder.pid
            ),
        )
        .help("wait until it is over; what it makes must not be taken away under it"));
    }
    // A broken layer file must not keep anyone from cleaning up.
    let book = session.book().ok();
    let found = scan(&lab, book.as_deref(), history)?;
    if dry.on {
        show(session, &found)?;
        announce(session, &dry);
        return Ok(Exit::Ok);
    }
    let exit = if found.remove.is_empty() {
        session.note("nothing to remove");
        if session.globals.json {
            session.json(&Document::idle("clean", false))?;
        }
        Exit::Ok
    } else {
        if found.takes_history(&lab) {
            let total: u64 = found.remove.iter().map(|removal| removal.size).sum();
            may_remove(
                session,
                &format!(
                    "remove the history of runs as well ({} in all)?",
                    bytes(total)
                ),
            )?;
        }
        let env = Environment::default();
        run_plan(session, &lab, &env, plan(&found), false, false)?
    };
    for kept in found.keep.iter().filter(|kept| kept.help.is_some()) {
        let help = kept.help.as_deref().unwrap_or_default();
        let path = sanitize(kept.path.as_str());
        let text = format!("{path}: {}; `{help}`", kept.reason);
        session.tell(Paint::Warn, "Kept", text);
    }
    Ok(exit)
}

fn show(session: &Session, found: &Clean) -> Result<(), Failure> {
    if session.globals.json {
        let mut document = Document::idle("clean", true);
        let found = json!({ "remove": found.remove, "keep": found.keep });
        document.context.insert("clean".to_owned(), found);
        return session.json(&document);
    }
    let palette = session.data_palette();
    let mut out = String::new();
    for removal in &found.remove {
        let verb = palette.verb(Paint::Bad, "would remove");
        let path = sanitize(removal.path.as_str());
        out.line(format_args!("{verb} {:>9}  {path}", bytes(removal.size)));
    }
    for kept in &found.keep {
        let help = kept.help.as_ref();
        let help = help.map_or_else(String::new, |help| format!("; `{help}`"));
        let verb = palette.verb(Paint::Good, "keep");
        let path = sanitize(kept.path.as_str());
        let about = palette.paint(Paint::Dim, format_args!("# {}{help}", kept.reason));
        out.line(format_args!("{verb} {:>9}  {path}  {about}", ""));
    }
    let total: u64 = found.remove.iter().map(|removal| removal.size).sum();
    session.data(&out)?;
    session.note(format!(
        "{} would be freed, nothing was removed",
        bytes(total)
    ));
    Ok(())
}
