//! What an older tool left in the lab: taken over at the start of a run, told
//! in a dry one.

use camino::Utf8PathBuf;

use super::session::Session;
use crate::base::count as counted;
use crate::diag::say;
use crate::legacy::Migration;
use crate::report::Paint;

/// What a live run would take over.
pub(super) fn would_take(session: &Session, files: &[Utf8PathBuf]) {
    for path in files {
        let text = format!("would move `{path}` to `state/legacy/`");
        session.tell(Paint::Active, "Legacy", text);
    }
}

/// What was taken over.
pub(super) fn taken(session: &Session, migration: Migration) {
    let Migration {
        moved,
        runs,
        keys,
        warnings,
    } = migration;
    for (from, to) in moved {
        session.tell(Paint::Good, "Legacy", format!("moved `{from}` to `{to}`"));
    }
    for run in runs {
        let (id, ending) = (run.id, run.ending);
        let text = format!("run `{id}` {ending}; it is listed and cannot be resumed");
        session.tell(Paint::Good, "Legacy", text);
    }
    let verb = session.palette().verb(Paint::Warn, "Warning");
    for (path, count) in keys {
        let secrets = counted(count, "secret");
        session.say(&session.text(say(format!("{verb} `{path}` holds {secrets}, such as private keys: it is for you alone to read (0600), and ")).hl("clean").say(" leaves it there; remove it once nothing needs them")));
    }
    for warning in warnings {
        session.say(&format!("{verb} {warning}"));
    }
}
