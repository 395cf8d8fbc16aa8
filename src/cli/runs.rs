//! `hl runs`: the runs so far, and how each ended.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::approve::may_remove;
use super::args::{RunsArgs, RunsVerb};
use super::follow::follow;
use super::session::Session;
use super::{logs, session::usage};
use crate::action::clean::bytes;
use crate::app::waiting;
use crate::base::{Lines, count};
use crate::diag::{Exit, Failure, hl, say};
use crate::lab::{Lab, Lock, Paths};
use crate::report::{Paint, Palette, RunDocument, RunsDocument};
use crate::runs::{self, Pruning};

/// How many runs a list has, unless `--all`.
const PAGE: usize = 20;

pub(super) fn runs(session: &Session, args: &RunsArgs) -> Result<Exit, Failure> {
    if args.rehearsal && !session.rehearsing() {
        return runs(&session.rehearsed(), args);
    }
    let lab = session.lab()?;
    if args.all && args.verb.is_some() {
        return Err(usage("`--all` is about the list").help(hl("runs --all")));
    }
    let done = match &args.verb {
        Some(RunsVerb::Follow(args)) => return follow(session, args),
        None => list(session, &lab.paths, args),
        Some(RunsVerb::Show { run }) => show(session, &lab.paths, run.as_deref()),
        Some(RunsVerb::Logs { run, step }) => {
            logs::logs(session, &lab.paths, run.as_deref(), step.as_deref())
        }
        Some(RunsVerb::Prune { keep }) => prune(session, &lab, *keep),
    };
    done.map(|()| Exit::Ok)
}

fn list(session: &Session, paths: &Paths, args: &RunsArgs) -> Result<(), Failure> {
    let page = runs::page(paths, (!args.all).then_some(PAGE));
    let document = RunsDocument::new(paths, &page, Timestamp::now());
    if session.globals.json {
        return session.json(&document);
    }
    if let Some(waiting) = waiting(paths) {
        session.note(waiting);
    }
    if page.entries.is_empty() {
        session.note("there is no run yet");
        return Ok(());
    }
    session.data(&document.text(&TimeZone::system(), session.data_palette()))?;
    if document.older > 0 {
        let verb = if document.older == 1 { "is" } else { "are" };
        session.note(say(format!("{} older {verb} not shown: ", document.older)).hl("runs --all"));
    }
    Ok(())
}

fn show(session: &Session, paths: &Paths, piece: Option<&str>) -> Result<(), Failure> {
    let run = runs::find(paths, piece.unwrap_or("latest"))?;
    let short = runs::short_id(paths, &run.header.id);
    let document = RunDocument::new(paths, short, &run, Timestamp::now());
    if session.globals.json {
        return session.json(&document);
    }
    session.data(&document.text(&TimeZone::system(), session.data_palette()))
}

fn prune(session: &Session, lab: &Lab, keep: usize) -> Result<(), Failure> {
    let dry = session.globals.dry_run;
    // A run that starts meanwhile would be one that a list did not know.
    let _lock = if dry || !lab.paths.runs().is_dir() {
        None
    } else {
        Some(Lock::take(&lab.paths, "hl runs prune")?)
    };
    let pruning = runs::pruning(lab, keep);
    let freed: u64 = pruning.remove.iter().map(|old| old.bytes).sum();
    if dry && !session.globals.json {
        session.data(&told(session.data_palette(), &pruning, "Would remove"))?;
    } else {
        session.note(told(session.palette(), &pruning, "To remove"));
    }
    let count = count(pruning.remove.len(), "run");
    if !dry && !pruning.remove.is_empty() {
        may_remove(session, &format!("remove {count} ({})?", bytes(freed)))?;
        for old in &pruning.remove {
            runs::remove(&lab.paths, &old.id)?;
        }
    }
    if session.globals.json {
        return session.json(&json!({
            "schema": "hl.prune/1", "dry_run": dry, "remove": pruning.remove, "stay": pruning.stay,
        }));
    }
    session.note(match (pruning.remove.is_empty(), dry) {
        (true, _) => "nothing to remove".to_owned(),
        (_, true) => format!("{count} would go, {} would be freed", bytes(freed)),
        (_, false) => format!("{count} removed, {} freed", bytes(freed)),
    });
    Ok(())
}

fn told(palette: Palette, pruning: &Pruning, verb: &str) -> String {
    let mut out = String::new();
    for old in &pruning.remove {
        let verb = palette.verb(Paint::Bad, verb);
        out.line(format_args!("{verb} {:>9}  {}", bytes(old.bytes), old.id));
    }
    for stay in &pruning.stay {
        let verb = palette.verb(Paint::Good, "Kept");
        let reason = palette.paint(Paint::Dim, format_args!("# {}", stay.reason));
        out.line(format_args!("{verb} {:>9}  {}  {reason}", "", stay.id));
    }
    out
}
