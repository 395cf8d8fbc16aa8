//! `hl site where`: the directory on stdout, why it is that one on stderr.

use crate::cli::session::Session;
use crate::diag::Failure;
use crate::site::Found;

pub(super) fn show(session: &Session, found: &Found) -> Result<(), Failure> {
    if session.globals.json {
        return session.json(found);
    }
    session.note(format!("named by {}", found.why));
    for tried in &found.tried {
        session.note(format!("before it: {}, {}", tried.place, tried.found));
    }
    session.data(found.root.as_str())
}
