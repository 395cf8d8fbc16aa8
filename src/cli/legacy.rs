//! What an older tool left in the lab: taken over at the start of a run, told
//! in a dry one.

use super::session::Session;
use crate::diag::{Failure, say};
use crate::lab::{Lab, Paths};
use crate::legacy::{Migration, found, migrate};
use crate::report::Paint;

/// What commands that only read say of files that wait to be taken over.
pub(super) fn waiting(paths: &Paths) -> Option<String> {
    let found: Vec<String> = found(paths)
        .iter()
        .map(|path| format!("`{}`", paths.show(path)))
        .collect();
    let (are, them) = match found.len() {
        0 => return None,
        1 => ("is", "it"),
        _ => ("are", "them"),
    };
    Some(format!(
        "{} {are} of an older tool: the next run that changes anything takes {them} over",
        found.join(", ")
    ))
}

/// Before the first run that changes anything, under the lab's lock.
pub(super) fn take_over(session: &Session, lab: &Lab, dry_run: bool) -> Result<(), Failure> {
    let palette = session.palette();
    if dry_run {
        let verb = palette.verb(Paint::Active, "Legacy");
        for path in found(&lab.paths) {
            let path = lab.paths.show(&path);
            session.note(format!("{verb} would move `{path}` to `state/legacy/`"));
        }
        return Ok(());
    }
    let Migration {
        moved,
        runs,
        keys,
        warnings,
    } = migrate(&lab.paths)?;
    let verb = palette.verb(Paint::Good, "Legacy");
    for (from, to) in moved {
        session.note(format!("{verb} moved `{from}` to `{to}`"));
    }
    for run in runs {
        session.note(format!(
            "{verb} run `{}` {}; it is listed and cannot be resumed",
            run.id, run.ending
        ));
    }
    let verb = palette.verb(Paint::Warn, "Warning");
    for (path, count) in keys {
        let secrets = match count {
            1 => "1 secret".to_owned(),
            count => format!("{count} secrets"),
        };
        session.say(&session.text(say(format!("{verb} `{path}` holds {secrets}, such as private keys: it is for you alone to read (0600), and ")).hl("clean").say(" leaves it there; remove it once nothing needs them")));
    }
    for warning in warnings {
        session.say(&format!("{verb} {warning}"));
    }
    Ok(())
}
