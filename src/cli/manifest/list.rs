//! `hl manifest list`

use serde_json::json;

use crate::base::{Lines, count};
use crate::cli::session::Session;
use crate::diag::{Failure, hl};
use crate::manifest::{self, Listed};
use crate::plan::sanitize;
use crate::site::Tree;

pub(super) fn list(session: &Session, tree: &Tree) -> Result<(), Failure> {
    let rows = manifest::list(tree)?;
    if session.globals.json {
        return session.json(&json!({ "schema": "hl.manifest-list/1", "manifests": rows }));
    }
    let names = rows
        .iter()
        .map(|row| sanitize(&row.name))
        .collect::<Vec<_>>();
    let width = names.iter().map(|name| name.chars().count()).max();
    let width = width.unwrap_or_default();
    let mut out = String::new();
    for (row, name) in rows.iter().zip(&names) {
        let about = about(session, row);
        out.line(format!("{name:width$}  {about}").trim_end());
    }
    session.data(&out)
}

/// `flat    1 node   one machine on the node`
fn about(session: &Session, row: &Listed) -> String {
    if let (Some(pattern), Some(nodes)) = (row.pattern, row.nodes) {
        let nodes = count(nodes, "node");
        format!("{pattern:6}  {nodes:8}  {}", sanitize(&row.description))
    } else {
        let command = session.text(hl(format!("manifest check {}", sanitize(&row.name))));
        format!("not valid: {command}")
    }
}
