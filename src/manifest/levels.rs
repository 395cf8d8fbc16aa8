//! Levels in a row, each in the one before it, as nodes of a graph.

use super::keys::{text, value};
use super::model::{ManifestNode, Mode, NodeType};
use crate::diag::Diagnostic;
use crate::shape::Node;
use crate::site::resolve::Layers;
use crate::site::{CheckedFile, Tree};

/// The scenario that makes a level a Proxmox VE.
pub(super) const MAKES_PVE: &str = "pve-setup";

/// The levels as nodes, and what is wrong with them. What a level is, its environment or
/// its template says: a container that holds another one is a finding.
pub(super) fn levels(
    tree: &Tree,
    file: &CheckedFile,
    items: &[Node],
) -> (Vec<ManifestNode>, Vec<Diagnostic>) {
    // What is wrong with the files of its layers is told when they are resolved.
    let mut layers = Layers::new(tree);
    let mut findings = Vec::new();
    let mut nodes = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let name = text(item, "name").unwrap_or_default();
        let is_last = place + 1 == items.len();
        let scenario = item.get("post_scenario").and_then(Node::text);
        let holds = !is_last || scenario == Some(MAKES_PVE);
        let source = container_of(&mut layers, item);
        if let Some(source) = source.filter(|_| holds) {
            let why = if is_last {
                "becomes no Proxmox VE"
            } else {
                "holds no other level"
            };
            let message = format!("level `{name}` is a container, which {why}");
            let finding = Diagnostic::error(message).at(file.place(source));
            findings.push(finding.help("make it from a virtual machine: one without `kind: ct`"));
        }
        nodes.push(ManifestNode {
            name,
            kind: match (source, holds) {
                (Some(_), _) => NodeType::Ct,
                (None, true) => NodeType::Pve,
                (None, false) => NodeType::Vm,
            },
            parent: place.checked_sub(1),
            vmid: value(item, "vmid"),
            spec: None,
            mode: Mode::Push,
        });
    }
    (nodes, findings)
}

/// What makes a level a container: the name of its environment or its template.
fn container_of<'n>(layers: &mut Layers<'_>, item: &'n Node) -> Option<&'n Node> {
    let named = |key: &str| item.get(key).filter(|node| node.text().is_some());
    let (source, machine) = match (named("env"), named("template")) {
        (Some(env), _) => (env, layers.machine(env.text()?, 0).0),
        (None, Some(template)) => (template, layers.template(template.text()?)),
        (None, None) => return None,
    };
    let kind = machine.text("kind").or_else(|| machine.text("type"));
    (kind == Some("ct")).then_some(source)
}
