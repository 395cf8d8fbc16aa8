//! `hl manifest show`: what each node is made from, and which file says so.

use serde::Serialize;

use super::args::Chosen;
use super::chosen::wanted;
use crate::cli::session::Session;
use crate::cli::site::origins;
use crate::diag::Failure;
use crate::manifest::{Around, explain, read, resolve};
use crate::site::resolve::{Explained, Shown};

/// `hl manifest show --json`
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    manifest: Shown<'a>,
    values: &'a [Explained],
}

pub(super) fn show(session: &Session, around: &Around<'_>, chosen: &Chosen) -> Result<(), Failure> {
    let file = read(around, wanted(session, around.tree, chosen)?)?;
    let resolved = resolve(around.tree, &file)?;
    session.warn(&file.warnings);
    session.warn(&resolved.warnings);
    let values = explain(&resolved);
    if session.globals.json {
        return session.json(&Document {
            schema: "hl.manifest-show/1",
            manifest: resolved.redacted(),
            values: &values,
        });
    }
    session.data(&origins(&values))
}
