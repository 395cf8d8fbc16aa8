//! The site-config of a lab, for actions.

use super::StepContext;
use crate::lab::Lab;
use crate::site::Tree;

/// The lab's site-config; its files are named as people see them.
pub(super) fn tree(lab: &Lab) -> Tree {
    let root = lab.paths.site();
    let shown = lab.paths.show(&root);
    Tree::new(root, shown)
}

/// The Proxmox node that a step works on: `PVE_NODE` of its environment, which
/// may be called otherwise in the site (`name`).
pub(super) fn node<'c>(ctx: &'c StepContext<'_>, name: &'c str) -> &'c str {
    ctx.env.get("PVE_NODE").unwrap_or(name)
}
