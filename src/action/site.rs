//! The site-config of a lab, for actions.

use super::StepContext;
use crate::diag::Failure;
use crate::lab::Lab;
use crate::site::Tree;
use crate::site::secrets::{Loaded, Vault};

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

/// The secrets of a site-config; none where it has no file of them.
pub(super) fn secrets(ctx: &StepContext<'_>, tree: &Tree) -> Result<Option<Loaded>, Failure> {
    let variables = ctx
        .env
        .iter()
        .map(|(name, var)| (name.to_owned(), var.value.clone()))
        .collect();
    let shown = ctx.lab.paths.show(tree.root());
    Vault::new(tree.root(), &shown, &variables).load()
}
