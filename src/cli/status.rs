//! `hl status`: the lab's status.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::args::StatusArgs;
use super::session::Session;
use crate::app;
use crate::diag::Failure;

pub(super) fn status(session: &Session, args: &StatusArgs) -> Result<(), Failure> {
    if args.rehearsal && !session.rehearsing() {
        return status(&session.rehearsed(), args);
    }
    let paths = session.lab()?.paths;
    let now = Timestamp::now();
    let document = app::status(&session.caller, &paths, args.history, now);
    if session.globals.json {
        return session.json(&document);
    }
    let text = document.text(now, &TimeZone::system(), session.data_palette());
    session.data(&text)
}
