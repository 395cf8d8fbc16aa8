//! Nodes and levels of manifests: their names, their parents.

use std::collections::HashMap;

use crate::diag::{Diagnostic, did_you_mean};
use crate::shape::Node;
use crate::site::yaml::Document;

/// What the table of manifests cannot say.
pub(super) fn check(document: &Document) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for list in ["nodes", "levels"] {
        if let Some(node) = document.root.get(list)
            && node.items().is_empty()
            && matches!(node.value, crate::shape::Value::List(_))
        {
            let message = format!("`{list}` is empty, expected at least one");
            findings.push(Diagnostic::error(message).at(document.at(node, "")));
        }
    }
    let levels = document.root.get("levels").map(Node::items);
    for level in levels.unwrap_or_default() {
        let chosen = ["vm_preset", "template", "env"];
        if level
            .map()
            .is_some_and(|map| chosen.iter().all(|key| map.get(key).is_none()))
        {
            findings.push(
                Diagnostic::error("a level has no `vm_preset`, `template` or `env`")
                    .at(document.at(level, ""))
                    .help("add one of them"),
            );
        }
    }
    let nodes = document.root.get("nodes").map(Node::items);
    findings.extend(parents(document, nodes.unwrap_or_default()));
    findings
}

fn parents(document: &Document, nodes: &[Node]) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut known: HashMap<&str, &Node> = HashMap::new();
    for node in nodes {
        let Some(name) = node.get("name") else {
            continue;
        };
        let Some(text) = name.text() else { continue };
        match known.get(text) {
            Some(first) => findings.push(
                Diagnostic::error(format!(
                    "duplicate node `{text}`, first on line {}",
                    first.mark.line
                ))
                .at(document.at(name, "")),
            ),
            None => drop(known.insert(text, node)),
        }
    }
    let mut names: Vec<&str> = known.keys().copied().collect();
    names.sort_unstable();
    for node in nodes {
        let (Some(name), Some(parent)) =
            (node.get("name").and_then(Node::text), node.get("parent"))
        else {
            continue;
        };
        let Some(text) = parent.text() else { continue };
        let mut finding = if known.contains_key(text) {
            if !circular(&known, name) {
                continue;
            }
            Diagnostic::error(format!("node `{name}` is above itself"))
        } else {
            let finding = Diagnostic::error(format!("there is no node `{text}` in this manifest"));
            match did_you_mean(text, names.iter().copied()) {
                Some(help) => finding.help(help),
                None => finding,
            }
        };
        finding.place = Some(document.at(parent, ""));
        findings.push(finding);
    }
    findings
}

/// Whether the way up from a node comes back to it.
fn circular(known: &HashMap<&str, &Node>, name: &str) -> bool {
    let mut at = name;
    for _ in 0..=known.len() {
        let Some(parent) = known.get(at).and_then(|node| node.get("parent")?.text()) else {
            return false;
        };
        if parent == name {
            return true;
        }
        at = parent;
    }
    // It runs into a ring that it is no part of.
    false
}
