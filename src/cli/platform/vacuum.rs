//! `hl platform vacuum`: what killed bootstraps left.

use serde_json::json;

use crate::action::clean::bytes;
use crate::action::platform::leftovers;
use crate::base::{Lines, count, short_duration};
use crate::cli::session::Session;
use crate::diag::{Exit, Failure};
use crate::plan::sanitize;
use crate::report::Paint;
use crate::runs::survivors;

pub(super) fn vacuum(session: &Session) -> Result<(), Failure> {
    let lab = session.lab()?;
    let dry = session.globals.dry_run;
    let cannot = |error: &std::io::Error| {
        let message = format!("cannot remove what bootstraps left: {error}");
        Failure::message(Exit::CannotWrite, message)
    };
    let mut left = leftovers(&lab.paths, None).map_err(|error| cannot(&error))?;
    // A script that outlived its run may still read them.
    let at_work = survivors(&lab);
    left.retain(|left| at_work.iter().all(|child| child.run != left.run));
    let mut out = String::new();
    for left in &left {
        if !dry {
            left.remove().map_err(|error| cannot(&error))?;
        }
        let age = left.since.and_then(|since| since.elapsed().ok());
        let age = age.map_or_else(String::new, short_duration);
        out.line(format_args!(
            "{:>9}  {:>8}  {}",
            bytes(left.size),
            age,
            sanitize(&left.run)
        ));
    }
    if session.globals.json {
        let rows = left
            .iter()
            .map(|left| json!({ "run": left.run, "size": left.size }));
        return session.json(&json!({
            "schema": "hl.platform-vacuum/1", "dry_run": dry, "removed": rows.collect::<Vec<_>>(),
        }));
    }
    if left.is_empty() {
        session.note("nothing to remove");
        return Ok(());
    }
    session.data(&out)?;
    let what = count(left.len(), "directory").replace("directorys", "directories");
    session.tell(
        Paint::Good,
        if dry { "Would remove" } else { "Removed" },
        what,
    );
    Ok(())
}
