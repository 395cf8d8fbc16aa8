//! `hl platform eject`: a bootstrap to be done by hand.

use std::io::ErrorKind;

use serde_json::json;

use super::args::EjectArgs;
use super::settled::settled;
use crate::base::count;
use crate::cli::session::Session;
use crate::diag::{Exit, Failure, say};
use crate::handoff::Runtime;
use crate::lab;
use crate::platform::{self, Adapters, check_contexts, check_lock};
use crate::report::Paint;

pub(super) fn eject(session: &Session, args: &EjectArgs) -> Result<(), Failure> {
    let lab = session.lab()?;
    settled(&lab)?;
    let adapters = Adapters::load(&lab.paths)?;
    let platform = platform::load(&lab.paths, &adapters)?;
    let rendered = platform::render(&platform, &args.env.env)?;
    check_lock(&lab.paths, &rendered, &args.env.env)?;
    // Every secret counts that a bootstrap would know.
    check_contexts(&lab.paths, &session.environment(&lab, true)?, &rendered)?;
    let dir = match &args.dir {
        Some(dir) => session.caller.cwd.join(dir),
        None => lab.paths.platform().join("eject"),
    };
    let shown = lab.paths.show(&dir);
    match dir
        .read_dir_utf8()
        .map(|mut entries| entries.next().is_none())
    {
        Ok(true) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Ok(false) => {
            let message = format!("`{shown}` is not empty");
            return Err(Failure::message(Exit::CannotWrite, message)
                .help(say("name one that does not exist: ").hl("platform eject DIR")));
        }
        Err(error) => {
            let message = format!("cannot write to `{shown}`: {error}");
            return Err(Failure::message(Exit::CannotWrite, message));
        }
    }
    let known_hosts = lab.paths.show(&lab.paths.known_hosts());
    let published = Runtime::read(&lab.paths)?.unwrap_or_default().machines();
    let files = platform::eject(
        &platform,
        &rendered,
        shown.as_str(),
        known_hosts.as_str(),
        &published,
    )?;
    let dry = session.globals.dry_run;
    if !dry {
        for (path, (mode, text)) in &files {
            lab::write(&dir.join(path), text, *mode)?;
        }
    }
    if session.globals.json {
        let files: Vec<_> = files.keys().collect();
        return session.json(&json!({
            "schema": "hl.platform-eject/1", "dir": shown, "dry_run": dry, "files": files,
        }));
    }
    let files = count(files.len(), "file");
    let verb = if dry { "Would write" } else { "Ejected" };
    session.tell(
        Paint::Good,
        verb,
        format!("{files} to {shown}; {shown}/README.md says what to type"),
    );
    Ok(())
}
