//! What an older tool left in the lab: taken over at the start of a run, told
//! in a dry one.

use camino::Utf8PathBuf;

use super::session::Session;
use crate::diag::say;
use crate::lab::Paths;
use crate::legacy::{Migration, found};
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

/// What a live run would take over.
pub(super) fn would_take(session: &Session, files: &[Utf8PathBuf]) {
    let verb = session.palette().verb(Paint::Active, "Legacy");
    for path in files {
        session.note(format!("{verb} would move `{path}` to `state/legacy/`"));
    }
}

/// What was taken over.
pub(super) fn taken(session: &Session, migration: Migration) {
    let palette = session.palette();
    let Migration {
        moved,
        runs,
        keys,
        warnings,
    } = migration;
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
}
