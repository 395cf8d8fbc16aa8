//! A file as a manifest, once nothing is wrong with it.

use std::collections::HashMap;

use super::around::Around;
use super::keys::{text, value};
use super::levels::levels;
use super::model::{ManifestGraph, ManifestNode, Mode, NodeType, Pattern, Settings};
use crate::diag::{Diagnostic, Exit, Failure, Severity, Source};
use crate::shape::Node;
use crate::site::{CheckedFile, Tree, sorted};

/// A manifest with the file that says it.
#[derive(Debug)]
pub struct ManifestFile {
    /// What it says.
    pub graph: ManifestGraph,
    pub(super) file: CheckedFile,
    /// What is odd about it, by place.
    pub warnings: Vec<Diagnostic>,
}

impl ManifestFile {
    /// What it says, without the file.
    pub(super) fn into_graph(self) -> ManifestGraph {
        self.graph
    }

    /// The file's nodes or levels; the place of one is that of its node in the graph.
    pub(super) fn items(&self) -> &[Node] {
        items(self.file.root()).1
    }
}

/// Reads a manifest, which is `nodes` with parents, or `levels` in a row: each of
/// them is in the one before it.
///
/// # Errors
/// All that is wrong with the file (65).
pub fn read(around: &Around<'_>, source: Source) -> Result<ManifestFile, Failure> {
    let mut file = around.tree.check_manifest(source)?;
    let dangling = std::mem::take(&mut file.dangling);
    read_with(around, file, dangling)
}

/// The same for a `destroy`, which needs none of the files that a manifest names: what
/// is wrong with those is a warning.
///
/// # Errors
/// All that is wrong with the file itself (65).
pub fn read_to_destroy(around: &Around<'_>, source: Source) -> Result<ManifestFile, Failure> {
    let mut file = around.tree.check_manifest(source)?;
    let dangling = as_warnings(std::mem::take(&mut file.dangling));
    let around = Around {
        images: None,
        ..*around
    };
    read_with(&around, file, dangling)
}

/// What stops nothing.
pub(super) fn as_warnings(mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    for finding in &mut findings {
        finding.severity = Severity::Warning;
    }
    findings
}

fn read_with(
    around: &Around<'_>,
    mut file: CheckedFile,
    dangling: Vec<Diagnostic>,
) -> Result<ManifestFile, Failure> {
    let graph = graph(around.tree, &mut file);
    let mut findings = around.findings(&file, &graph);
    findings.extend(dangling);
    findings.append(&mut file.findings);
    let findings = sorted(findings);
    if findings.iter().any(|f| f.severity == Severity::Error) {
        return Err(Failure::many(Exit::Definition, findings));
    }
    Ok(ManifestFile {
        graph,
        file,
        warnings: findings,
    })
}

/// Whether a file has levels, and its nodes or levels.
fn items(root: &Node) -> (bool, &[Node]) {
    match (root.get("nodes"), root.get("levels")) {
        (None, Some(levels)) => (true, levels.items()),
        (nodes, _) => (false, nodes.map(Node::items).unwrap_or_default()),
    }
}

fn graph(tree: &Tree, file: &mut CheckedFile) -> ManifestGraph {
    let (nodes, mut findings) = match items(file.root()) {
        (true, items) => levels(tree, file, items),
        (false, _) => (Vec::new(), Vec::new()),
    };
    file.findings.append(&mut findings);
    let root = file.root();
    let (has_levels, items) = items(root);
    let execution = root.get("execution");
    let mode = execution.and_then(|execution| value(execution, "default_mode"));
    let mode = mode.unwrap_or(Mode::Push);
    let nodes: Vec<ManifestNode> = if has_levels {
        nodes
    } else {
        let names = items.iter().enumerate();
        let names = names.filter_map(|(place, item)| Some((item.get("name")?.text()?, place)));
        let places: HashMap<&str, usize> = names.collect();
        items.iter().map(|item| node(item, &places, mode)).collect()
    };
    // Levels have no pattern of their own.
    let pattern = if has_levels && nodes.len() > 1 {
        Pattern::Tiered
    } else {
        value(root, "pattern").unwrap_or(Pattern::Flat)
    };
    ManifestGraph {
        name: text(root, "name").unwrap_or_default(),
        description: text(root, "description").unwrap_or_default(),
        pattern,
        settings: settings(root),
        nodes,
    }
}

fn node(item: &Node, places: &HashMap<&str, usize>, default: Mode) -> ManifestNode {
    let parent = item.get("parent").and_then(Node::text);
    let execution = item.get("execution");
    let mode = execution.and_then(|execution| value(execution, "mode"));
    ManifestNode {
        name: text(item, "name").unwrap_or_default(),
        kind: value(item, "type").unwrap_or(NodeType::Vm),
        parent: parent.and_then(|name| places.get(name).copied()),
        vmid: value(item, "vmid"),
        spec: text(item, "spec"),
        mode: mode.unwrap_or(default),
    }
}

fn settings(root: &Node) -> Settings {
    let default = Settings::default();
    let Some(given) = root.get("settings") else {
        return default;
    };
    Settings {
        verify_ssh: value(given, "verify_ssh").unwrap_or(default.verify_ssh),
        cleanup_on_failure: value(given, "cleanup_on_failure")
            .unwrap_or(default.cleanup_on_failure),
        timeout_buffer: value(given, "timeout_buffer").unwrap_or(default.timeout_buffer),
        on_error: value(given, "on_error").unwrap_or(default.on_error),
    }
}
