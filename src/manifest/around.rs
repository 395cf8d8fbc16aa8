//! What a manifest is held against beside itself.

use super::model::{ManifestGraph, Mode, NodeType};
use crate::diag::{Diagnostic, Severity, did_you_mean};
use crate::lab::Paths;
use crate::shape::Node;
use crate::site::{CheckedFile, Tree, is_name};

/// The files around a manifest.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The site-config that presets, specs and templates are looked up in.
    pub tree: &'a Tree,
    /// Where states are, where there is a lab.
    pub paths: Option<&'a Paths>,
    /// The templates that machines can be cloned from, where they are known.
    pub images: Option<&'a [String]>,
    /// Why no machine of the lab can ask for its spec; nothing where all is well, or
    /// where there is no lab.
    pub pull: &'a [Diagnostic],
}

impl Around<'_> {
    /// What only the files around a manifest show to be wrong with it.
    pub(super) fn findings(&self, file: &CheckedFile, graph: &ManifestGraph) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        found.extend(self.state(file));
        let root = file.root();
        for list in ["nodes", "levels"] {
            let items = root.get(list).map(Node::items).unwrap_or_default();
            let nodes = items.iter().zip(&graph.nodes);
            let images = nodes.filter(|(_, node)| node.kind != NodeType::Ct);
            found.extend(images.filter_map(|(item, _)| self.image(file, item)));
        }
        found.extend(self.pull(file, graph));
        found
    }

    /// The first node that asks for its spec where none can.
    fn pull(&self, file: &CheckedFile, graph: &ManifestGraph) -> Vec<Diagnostic> {
        let pulls = |place: &usize| {
            let node = graph.nodes.get(*place);
            node.is_some_and(|node| node.mode == Mode::Pull && node.spec.is_some())
        };
        let mut places = (0..graph.nodes.len()).filter(pulls);
        let items = file.root().get("nodes").map(Node::items);
        let first = places.next().and_then(|place| items?.get(place));
        let Some(item) = first.filter(|_| !self.pull.is_empty()) else {
            return Vec::new();
        };
        let own = item.get("execution").and_then(|own| own.get("mode"));
        let at = file.place(own.or_else(|| item.get("spec")).unwrap_or(item));
        let name = item.get("name").and_then(Node::text).unwrap_or_default();
        let asks = match places.count() {
            0 => format!("node `{name}` asks for its spec"),
            others => format!("node `{name}` asks for its spec, and {others} more do"),
        };
        let finding = |why: &Diagnostic| {
            let mut finding = why.clone().at(at.clone()).note(asks.clone());
            finding.severity = Severity::Error;
            finding
        };
        self.pull.iter().map(finding).collect()
    }

    /// States of environments and of manifests lie beside each other, by name.
    fn state(&self, file: &CheckedFile) -> Option<Diagnostic> {
        let paths = self.paths?;
        let node = file.root().get("name")?;
        let name = node.text().filter(|name| is_name(name))?;
        let state = paths.tofu_state(name).join("terraform.tfstate");
        state.symlink_metadata().ok()?;
        let shown = paths.show(&state);
        let message = format!("`name` `{name}` is taken: an environment's state has it");
        Some(
            Diagnostic::error(message)
                .at(file.place(node))
                .note(format!("`{shown}` is there"))
                .help("choose another name"),
        )
    }

    /// A container's image is a template of the node's, which is not asked here.
    fn image(&self, file: &CheckedFile, item: &Node) -> Option<Diagnostic> {
        let images = self.images?;
        let node = item.get("image")?;
        let name = node.text()?;
        if images.iter().any(|known| known == name) {
            return None;
        }
        let message = format!("there is no template `{name}` in this lab");
        let mut finding = Diagnostic::error(message).at(file.place(node));
        let help = did_you_mean(name, images.iter().map(String::as_str));
        finding.help.extend(help.map(Into::into));
        Some(finding)
    }
}
