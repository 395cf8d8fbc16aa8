//! A manifest as a picture: tree, Graphviz, Mermaid, JSON.

use serde_json::{Value, json};

use super::model::{ManifestGraph, ManifestNode};
use crate::base::{Lines, arms, dot_text, mermaid_text, sanitize};

/// Trees are not indented further: below it stands how deep a node is.
const DEEPEST: usize = 24;

/// For people: each node below the one that it is in.
pub fn tree(graph: &ManifestGraph) -> String {
    let mut out = String::new();
    out.line(sanitize(&graph.name));
    let children = graph.children();
    // What is still to be drawn, the next one last: a node, how deep it is, and what
    // stands before it and before those in it.
    let mut open: Vec<(usize, usize, String, String)> = Vec::new();
    let put = |open: &mut Vec<_>, places: &[usize], depth: usize, indent: &str| {
        for (at, place) in places.iter().enumerate().rev() {
            let (branch, below) = arms(at + 1 == places.len());
            let below = if depth < DEEPEST { below } else { "" };
            open.push((
                *place,
                depth,
                format!("{indent}{branch}"),
                format!("{indent}{below}"),
            ));
        }
    };
    put(&mut open, &graph.roots(), 0, "");
    while let Some((place, depth, before, indent)) = open.pop() {
        let Some(node) = graph.nodes.get(place) else {
            continue;
        };
        let deep = if depth > DEEPEST {
            format!("[{depth} deep] ")
        } else {
            String::new()
        };
        let (name, about) = (sanitize(&node.name), about(node));
        out.line(format_args!("{before}{deep}{name} ({about})"));
        let inside = children.get(place).map(Vec::as_slice).unwrap_or_default();
        put(&mut open, inside, depth + 1, &indent);
    }
    out
}

/// `pve 31011`; `vm`
fn about(node: &ManifestNode) -> String {
    match node.vmid {
        Some(vmid) => format!("{} {vmid}", node.kind),
        None => node.kind.to_string(),
    }
}

/// For Graphviz. Arrows go from a node to those in it.
pub fn dot(graph: &ManifestGraph) -> String {
    let mut out = String::from("digraph manifest {\n  rankdir=LR;\n  node [shape=box];\n");
    out.line(format_args!("  label={};", dot_text(&graph.name)));
    for node in &graph.nodes {
        let label = dot_text(&format!("{}\n{}", node.name, about(node)));
        out.line(format_args!("  {} [label={label}];", dot_text(&node.name)));
    }
    for (from, to) in edges(graph) {
        let (from, to) = (dot_text(from), dot_text(to));
        out.line(format_args!("  {from} -> {to};"));
    }
    out.push_str("}\n");
    out
}

/// For Markdown that draws Mermaid.
pub fn mermaid(graph: &ManifestGraph) -> String {
    let mut out = String::from("flowchart LR\n");
    for (place, node) in graph.nodes.iter().enumerate() {
        let (name, about) = (mermaid_text(&node.name), about(node));
        out.line(format_args!("  n{place}[\"{name}<br/>{about}\"]"));
    }
    for (place, node) in graph.nodes.iter().enumerate() {
        if let Some(parent) = node.parent {
            out.line(format_args!("  n{parent} --> n{place}"));
        }
    }
    out
}

/// For programs: `{"schema", "manifest", "create", "destroy", "nodes", "edges"}`;
/// `create` and `destroy` are names in the order in which they are made and removed.
pub fn json(graph: &ManifestGraph) -> Value {
    let order = graph.create_order();
    let create = graph.names(&order);
    let destroy: Vec<&str> = create.iter().rev().copied().collect();
    let parent = |node: &ManifestNode| Some(graph.nodes.get(node.parent?)?.name.as_str());
    let node = |node: &ManifestNode| {
        json!({
            "name": node.name,
            "type": node.kind,
            "vmid": node.vmid,
            "parent": parent(node),
        })
    };
    let nodes: Vec<Value> = graph.nodes.iter().map(node).collect();
    let edges = edges(graph).map(|(from, to)| json!({ "from": from, "to": to }));
    json!({
        "schema": "hl.manifest-graph/1",
        "manifest": graph.name,
        "create": create,
        "destroy": destroy,
        "nodes": nodes,
        "edges": edges.collect::<Vec<Value>>(),
    })
}

/// From each node to those in it, by name.
fn edges(graph: &ManifestGraph) -> impl Iterator<Item = (&str, &str)> {
    graph.nodes.iter().filter_map(|node| {
        let parent = graph.nodes.get(node.parent?)?;
        Some((parent.name.as_str(), node.name.as_str()))
    })
}
