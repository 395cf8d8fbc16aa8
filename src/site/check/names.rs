//! Names that stand for nothing.

use std::collections::HashSet;

use crate::diag::Diagnostic;
use crate::shape::Node;
use crate::site::kind::Kind;
use crate::site::resolve::{KEY_PREFIX, secret_missing};
use crate::site::secrets::{Keyed, Secrets};
use crate::site::shape::{Reference, Target};
use crate::site::tree::{Tree, dangling, is_name};
use crate::site::yaml::Document;

/// The posture of those that name none.
const DEFAULT: &str = "dev";

/// A finding for every name of a file that stands for nothing.
pub(super) fn check(
    tree: &Tree,
    secrets: Option<&Secrets>,
    document: &Document,
    references: &[Reference<'_>],
) -> Vec<Diagnostic> {
    let one = |reference: &Reference<'_>| match reference.target {
        Target::File(kind) => file(tree, document, reference, kind),
        Target::ApiToken => {
            let secrets = secrets?;
            let section = &secrets.api_tokens;
            let missing = section.get(reference.name).is_none() && !unread(secrets, section);
            missing.then(|| {
                secret_missing(
                    secrets,
                    document,
                    reference.node,
                    "api_tokens",
                    reference.name,
                )
            })
        }
        Target::SshKey => {
            let secrets = secrets?;
            let name = reference.name;
            let name = name.strip_prefix(KEY_PREFIX).unwrap_or(name);
            let section = &secrets.ssh_keys;
            let missing = section.get(name).is_none() && !unread(secrets, section);
            missing.then(|| secret_missing(secrets, document, reference.node, "ssh_keys", name))
        }
    };
    // A name that many machines share is looked up once.
    let mut found = HashSet::new();
    let mut findings = Vec::new();
    for reference in references {
        let name = (reference.target, reference.name);
        if found.contains(&name) {
            continue;
        }
        match one(reference) {
            Some(finding) => findings.push(finding),
            None => {
                found.insert(name);
            }
        }
    }
    findings
}

/// Whether a section may only be empty because of an error that was told.
fn unread(secrets: &Secrets, section: &Keyed) -> bool {
    secrets.partial && section.is_empty()
}

fn file(
    tree: &Tree,
    document: &Document,
    reference: &Reference<'_>,
    kind: Kind,
) -> Option<Diagnostic> {
    let (name, node) = (reference.name, reference.node);
    let missing = |kinds: &[Kind]| dangling(tree, document, node, kinds, name);
    match kind {
        // An environment's posture is looked up in both.
        Kind::Posture => {
            let both = [Kind::Posture, Kind::SpecPosture];
            let gone: Vec<Kind> = both.into_iter().filter(|k| !tree.has(*k, name)).collect();
            (!gone.is_empty()).then(|| missing(&gone))
        }
        Kind::NodePreset => {
            let found = tree.node_preset(name);
            let missing = || missing(&[Kind::NodePreset, Kind::Preset]);
            found.is_none().then(missing)
        }
        // A node's own machine may be described nowhere: its file is made on
        // the machine itself, and not kept with the others.
        Kind::Host if !tree.has(kind, name) && is_name(name) && own_name(document) == name => {
            let path = tree.shown(kind, name);
            Some(
                Diagnostic::warning(format!("host `{name}` is not described: `{path}`"))
                    .at(document.at(node, ""))
                    .help("write it, or on that machine: `hl site host-config`"),
            )
        }
        Kind::Env
        | Kind::SpecPosture
        | Kind::Template
        | Kind::Preset
        | Kind::Node
        | Kind::Host
        | Kind::Spec
        | Kind::Manifest => (!tree.has(kind, name)).then(|| missing(&[kind])),
    }
}

/// The stem of a document's file.
fn own_name(document: &Document) -> &str {
    document.source().path.file_stem().unwrap_or_default()
}

/// The posture of a file that names none must be there, too, unless the
/// site-config has no posture of that kind at all.
pub(super) fn postures(
    tree: &Tree,
    document: &Document,
    kinds: &[Kind],
    path: &[&str],
) -> Vec<Diagnostic> {
    let mut node: Option<&Node> = Some(&document.root);
    for key in path {
        node = node.and_then(|node| node.get(key));
    }
    if node.is_some() {
        return Vec::new();
    }
    let gone = kinds.iter().filter(|kind| {
        !tree.has(**kind, DEFAULT) && tree.names(**kind).is_ok_and(|names| !names.is_empty())
    });
    let gone: Vec<Kind> = gone.copied().collect();
    if gone.is_empty() {
        return Vec::new();
    }
    let finding = dangling(tree, document, &document.root, &gone, DEFAULT);
    vec![finding.note(format!(
        "`{DEFAULT}` is the posture of those that name none"
    ))]
}
