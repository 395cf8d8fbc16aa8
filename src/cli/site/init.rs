//! `hl site init`: a commented site-config to fill in.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use super::open::shown;
use crate::cli::session::{Session, usage};
use crate::diag::{Exit, Failure};
use crate::report::Paint;
use crate::site::starter::write;

pub(super) fn init(session: &Session, dir: Option<&Utf8Path>) -> Result<(), Failure> {
    let dir = target(session, dir)?;
    let dry = session.globals.dry_run;
    let made = write(&dir, dry)?;
    let name = shown(session, &dir);
    if session.globals.json {
        return session.json(&json!({
            "schema": "hl.site-init/1",
            "dir": dir,
            "written": made.written,
            "kept": made.kept,
        }));
    }
    for file in &made.kept {
        session.tell(Paint::Dim, "Kept", name.join(file).as_str());
    }
    if dry {
        let files = made.written.iter();
        let files: Vec<String> = files.map(|file| name.join(file).into_string()).collect();
        session.tell(Paint::Good, "Would write", format!("{} files", files.len()));
        return session.data(&files.join("\n"));
    }
    let wrote = format!("{} files of a site-config in {name}", made.written.len());
    session.tell(Paint::Good, "Wrote", wrote);
    let next = [
        ("hl site check", "all its errors at once"),
        (
            "hl site node-config",
            "nodes/, from the node that .env names",
        ),
        ("hl site secrets edit", "tokens and passwords"),
    ];
    for (at, (command, about)) in next.iter().enumerate() {
        let title = if at == 0 { "Next" } else { "" };
        session.note(format!("{title:>12} {command:<22} # {about}"));
    }
    Ok(())
}

/// The directory that is named, else the lab's `site/`.
fn target(session: &Session, dir: Option<&Utf8Path>) -> Result<Utf8PathBuf, Failure> {
    if let Some(dir) = dir {
        return Ok(session.caller.cwd.join(dir));
    }
    match session.lab() {
        Ok(lab) => Ok(lab.paths.site()),
        Err(failure) if failure.exit != Exit::Unknown => Err(failure),
        Err(_) => Err(usage("no directory is named, and there is no lab here")
            .help("name one: `hl site init site-config`")),
    }
}
