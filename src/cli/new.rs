//! `hl new DIR`: a lab from the layers inside this binary.

use super::args::NewArgs;
use super::session::Session;
use crate::diag::Failure;
use crate::layers::embedded;
use crate::report::Paint;

pub(super) fn new(session: &Session, args: &NewArgs) -> Result<(), Failure> {
    let dir = session.caller.cwd.join(&args.dir);
    let written = embedded::write(&dir)?;
    if session.globals.json {
        return session
            .json(&serde_json::json!({ "schema": "hl.new/1", "dir": dir, "files": written }));
    }
    let made = format!("a lab of {} files in {}", written.len(), args.dir);
    session.tell(Paint::Good, "Made", made);
    let next = [
        (
            "hl rehearse",
            "the whole lab where nothing real can be reached",
        ),
        ("install -m 600 env.example .env", "then fill in your node"),
        (
            "hl l0-runway",
            "every failed check says what to do about it",
        ),
    ];
    session.note(format!("{:>12} cd {}", "Next", args.dir));
    for (command, about) in next {
        session.note(format!("{:>12} {command:<31} # {about}", ""));
    }
    Ok(())
}
