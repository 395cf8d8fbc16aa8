//! `hl new DIR`: a lab from the layers inside this binary.

use camino::Utf8Path;

use super::session::Session;
use crate::diag::Failure;
use crate::layers::embedded;
use crate::report::Paint;

pub(super) fn new(session: &Session, dir: &Utf8Path) -> Result<(), Failure> {
    let whole = session.caller.cwd.join(dir);
    let written = embedded::write(&whole)?;
    if session.globals.json {
        return session
            .json(&serde_json::json!({ "schema": "hl.new/1", "dir": whole, "files": written }));
    }
    let made = format!("a lab of {} files in {}", written.len(), dir);
    session.tell(Paint::Good, "Made", made);
    let next = [
        (
            "hl rehearse",
            "the whole lab where nothing real can be reached",
        ),
        ("install -m 600 env.example .env", "then fill in your node"),
        ("hl l0-runway", "every failed check names the remedy"),
    ];
    session.note(format!("{:>12} cd {dir}", "Next"));
    for (command, about) in next {
        session.note(format!("{:>12} {command:<31} # {about}", ""));
    }
    Ok(())
}
