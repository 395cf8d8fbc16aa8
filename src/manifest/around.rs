//! What a manifest is held against beside itself.

use crate::diag::{Diagnostic, did_you_mean};
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
}

impl Around<'_> {
    /// What only the files around a manifest show to be wrong with it.
    pub(super) fn findings(&self, file: &CheckedFile) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        found.extend(self.state(file));
        let root = file.root();
        for list in ["nodes", "levels"] {
            let items = root.get(list).map(Node::items).unwrap_or_default();
            found.extend(items.iter().filter_map(|item| self.image(file, item)));
        }
        found
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
        let container = item.get("type").and_then(Node::text) == Some("ct");
        if container || images.iter().any(|known| known == name) {
            return None;
        }
        let message = format!("there is no template `{name}` in this lab");
        let mut finding = Diagnostic::error(message).at(file.place(node));
        let help = did_you_mean(name, images.iter().map(String::as_str));
        finding.help.extend(help.map(Into::into));
        Some(finding)
    }
}
