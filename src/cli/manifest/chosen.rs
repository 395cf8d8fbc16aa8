//! Which manifest is meant, and its text.

use std::fs::File;
use std::io::{ErrorKind, Read, stdin};

use serde::de::IgnoredAny;

use super::args::Chosen;
use crate::base::ticked;
use crate::cli::session::{Session, usage};
use crate::diag::{Exit, Failure, Source};
use crate::runs::STANDARD_INPUT;
use crate::site::{Kind, Tree};

/// No manifest is near this size.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The manifest that was named; nothing when none was.
///
/// # Errors
/// There is no such manifest or file (66), it cannot be read or is no JSON where it
/// must be (65).
pub(super) fn given(
    session: &Session,
    tree: &Tree,
    chosen: &Chosen,
) -> Result<Option<Source>, Failure> {
    if let Some(name) = name(chosen) {
        return tree.source(Kind::Manifest, name).map(Some);
    }
    if let Some(json) = &chosen.manifest_json {
        // It is read as YAML, of which JSON is a part: with places.
        if let Err(error) = serde_json::from_str::<IgnoredAny>(json) {
            let message = format!("`--manifest-json` is not JSON: {error}");
            return Err(Failure::message(Exit::Definition, message));
        }
        return Ok(Some(Source::new("--manifest-json", json.as_str())));
    }
    let Some(file) = &chosen.manifest_file else {
        return Ok(None);
    };
    let (shown, read) = if file == "-" {
        (STANDARD_INPUT, text(stdin().lock()))
    } else {
        let opened = File::open(session.caller.cwd.join(file));
        (file.as_str(), opened.map_err(Unread::from).and_then(text))
    };
    match read {
        Ok(text) => Ok(Some(Source::new(shown, text))),
        Err(Unread(exit, why)) => {
            let message = format!("cannot read `{shown}`: {why}");
            Err(Failure::message(exit, message))
        }
    }
}

/// The same, where there must be one: none is assumed.
///
/// # Errors
/// As of [`given`]; none was named (2).
pub(super) fn wanted(session: &Session, tree: &Tree, chosen: &Chosen) -> Result<Source, Failure> {
    if let Some(source) = given(session, tree, chosen)? {
        return Ok(source);
    }
    let known = tree.names(Kind::Manifest)?;
    let failure = usage("no manifest is named").help("give a name, or `--manifest-file FILE`");
    Err(if known.is_empty() {
        failure
    } else {
        failure.help(format!("known: {}", ticked(known)))
    })
}

/// The name that was given.
pub(super) fn name(chosen: &Chosen) -> Option<&str> {
    chosen.name.as_deref().or(chosen.manifest.as_deref())
}

/// Why a text cannot be read.
struct Unread(Exit, String);

impl From<std::io::Error> for Unread {
    fn from(error: std::io::Error) -> Self {
        let exit = if error.kind() == ErrorKind::NotFound {
            Exit::Unknown
        } else {
            Exit::Definition
        };
        Self(exit, error.to_string())
    }
}

/// A whole text, up to [`MAX_BYTES`].
fn text(from: impl Read) -> Result<String, Unread> {
    let mut text = String::new();
    let read = from.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= MAX_BYTES) {
        return Ok(text);
    }
    Err(Unread(
        Exit::Definition,
        "it is larger than 64 MB".to_owned(),
    ))
}
