//! `hl trust`: another user's lab may run. Typing it is the consent.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use super::args::TrustArgs;
use super::session::{Session, usage};
use crate::base::quoted;
use crate::diag::{Exit, Failure};
use crate::lab::trust::{Entry, Place, TrustList, User, doubts};
use crate::lab::{Accounts, locate};
use crate::plan::sanitize;
use crate::report::Paint;

pub(super) fn trust(session: &Session, args: &TrustArgs) -> Result<(), Failure> {
    if args.list {
        return list(session);
    }
    if session.rehearsing() {
        return Err(usage("a rehearsal cannot change what you trust")
            .help("type it outside of the rehearsal"));
    }
    if args.remove {
        remove(session, args.dir.as_deref())
    } else {
        add(session, args.dir.as_deref())
    }
}

/// The directory that is meant. No flag and no variable names it: they may be
/// left from something else.
fn meant(session: &Session, dir: Option<&Utf8Path>) -> Result<Utf8PathBuf, Failure> {
    match dir {
        None if session.caller.lab.is_some() => {
            Err(usage("`--lab` and `HL_LAB` do not say what is trusted")
                .help("name the directory: `hl trust DIR`"))
        }
        None => locate(&session.caller.cwd, None),
        Some(dir) => {
            let path = session.caller.cwd.join(dir);
            let root = path.canonicalize_utf8().map_err(|error| {
                Failure::message(Exit::Unknown, format!("cannot look at `{dir}`: {error}"))
                    .help("name the directory that holds `hl.toml`")
            })?;
            if root.is_dir() {
                return Ok(root);
            }
            Err(usage(format!("`{dir}` is not a directory"))
                .help("name the directory that holds `hl.toml`"))
        }
    }
}

fn add(session: &Session, dir: Option<&Utf8Path>) -> Result<(), Failure> {
    let root = meant(session, dir)?;
    let user = &session.caller.user;
    let look = |error: std::io::Error| {
        Failure::message(Exit::Unknown, format!("cannot look at `{root}`: {error}"))
    };
    let accounts = Accounts::read();
    let found = doubts(&root, user).map_err(look)?;
    if found.is_empty() {
        let text = format!("`{root}` is yours alone: it needs no trust");
        session.tell(Paint::Dim, "Own", text);
        return Ok(());
    }
    let place = Place::of(&root, user).map_err(look)?;
    let dry = session.globals.dry_run;
    if !dry {
        TrustList::add(user, place)?;
    }
    let verb = if dry { "Would trust" } else { "Trusted" };
    session.tell(Paint::Good, verb, root.as_str());
    for doubt in found {
        let (path, words) = (doubt.path(), doubt.words(&accounts));
        session.note(format!("{:>12} {path} {words}", "Because"));
    }
    for line in [
        format!(
            "its recipes, tools, variables and files run as {}, with all that you may do and the secrets that you give them",
            accounts.user(user.uid)
        ),
        "later changes there are trusted too; another directory at this path, or another owner, is not".to_owned(),
    ] {
        session.note(format!("{:>12} {line}", "Allows"));
    }
    let back = quoted(root.as_str());
    session.note(format!("{:>12} hl trust --remove {back}", "Take back"));
    Ok(())
}

fn remove(session: &Session, dir: Option<&Utf8Path>) -> Result<(), Failure> {
    // It may be gone by now: then its path is taken as it is typed.
    let (root, typed) = if let Some(dir) = dir {
        let typed = session.caller.cwd.join(dir);
        let real = typed.canonicalize_utf8();
        (real.unwrap_or_else(|_| typed.clone()), typed)
    } else {
        let root = meant(session, None)?;
        (root.clone(), root)
    };
    let paths = [root.as_path(), typed.as_path()];
    let held = if session.globals.dry_run {
        let list = TrustList::read(&session.caller.user)?;
        paths.iter().any(|path| list.at(path).is_some())
    } else {
        TrustList::remove(&session.caller.user, &paths)?
    };
    if !held {
        return Err(
            Failure::message(Exit::Unknown, format!("`{root}` was not trusted"))
                .help("`hl trust --list` shows the trusted directories"),
        );
    }
    let done = if session.globals.dry_run {
        "Would remove"
    } else {
        "Removed"
    };
    session.tell(Paint::Good, done, format!("{root} is no longer trusted"));
    Ok(())
}

fn list(session: &Session) -> Result<(), Failure> {
    let list = TrustList::read(&session.caller.user)?;
    if session.globals.json {
        let trusted = list.trusted.iter().map(|entry| {
            let state = state(entry, &session.caller.user).0;
            json!({ "path": entry.place.path, "owner": entry.place.owner, "since": entry.since, "state": state })
        });
        return session
            .json(&json!({ "schema": "hl.trust/1", "trusted": trusted.collect::<Vec<_>>() }));
    }
    let accounts = Accounts::read();
    let lines = list.trusted.iter().map(|entry| {
        let path = sanitize(entry.place.path.as_str());
        let owner = accounts.user(entry.place.owner);
        let more = state(entry, &session.caller.user).1;
        format!("{path}  # {owner}, since {}{more}", entry.since)
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        session.note("no lab of another user is trusted");
    }
    session.data(&lines.join("\n"))
}

/// Whether it is still what was trusted: a word for machines, and one for people.
fn state(entry: &Entry, user: &User) -> (&'static str, &'static str) {
    match Place::of(&entry.place.path, user) {
        Ok(now) if now.is_still(&entry.place) => ("holds", ""),
        Ok(_) => ("changed", "; changed since: it will be asked for again"),
        Err(_) => ("gone", "; it does not exist now"),
    }
}
