//! `hl site list`: the names of a kind, one a line.

use serde_json::json;

use super::args::ListKind;
use crate::cli::session::Session;
use crate::diag::Failure;
use crate::plan::sanitize;
use crate::site::{Kind, Tree};

pub(super) fn list(session: &Session, tree: &Tree, kind: ListKind) -> Result<(), Failure> {
    let (word, names) = match kind {
        ListKind::Envs => ("envs", tree.names(Kind::Env)?),
        ListKind::Postures => ("postures", tree.names(Kind::Posture)?),
        ListKind::Templates => ("templates", tree.names(Kind::Template)?),
        ListKind::Presets => ("presets", tree.names(Kind::Preset)?),
        ListKind::Nodes => ("nodes", tree.names(Kind::Node)?),
        ListKind::Hosts => ("hosts", tree.hosts()?),
        ListKind::Specs => ("specs", tree.spec_names()?),
        ListKind::Manifests => ("manifests", tree.names(Kind::Manifest)?),
    };
    if session.globals.json {
        return session.json(&json!({ "schema": "hl.site-list/1", "kind": word, "names": names }));
    }
    let lines: Vec<String> = names.iter().map(|name| sanitize(name)).collect();
    session.data(&lines.join("\n"))
}
