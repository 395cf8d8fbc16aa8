//! What the nodes of a manifest are made from.

use std::collections::HashMap;

use super::env::machines;
use super::machine;
use super::node::Defaults;
use super::value::{Object, Traced};
use crate::diag::{Diagnostic, Failure};
use crate::site::kind::Kind;
use crate::site::tree::{Loader, Tree};

/// The layers of a manifest's nodes. Each file is read once; what is wrong with
/// files is told by [`Layers::finish`]. Names that stand for nothing give
/// nothing: the check of the manifest tells them.
#[derive(Debug)]
pub struct Layers<'t> {
    loader: Loader<'t>,
    defaults: Defaults,
    presets: HashMap<String, Object>,
}

impl<'t> Layers<'t> {
    /// Those of a site-config.
    pub fn new(tree: &'t Tree) -> Self {
        let mut loader = Loader::new(tree);
        let defaults = Defaults::load(&mut loader);
        Self {
            loader,
            defaults,
            presets: HashMap::new(),
        }
    }

    /// The preset of a node: in `v2/presets/`, else in `vms/presets/`, else there
    /// without a leading `vm-`.
    pub fn preset(&mut self, name: &str) -> Object {
        if let Some(known) = self.presets.get(name) {
            return known.clone();
        }
        let found = self.loader.tree.node_preset(name);
        let laid = found.map_or_else(Object::default, |(kind, file)| self.laid(kind, file));
        self.presets.insert(name.to_owned(), laid.clone());
        laid
    }

    /// The preset of a level: in `vms/presets/` alone.
    pub fn vm_preset(&mut self, name: &str) -> Object {
        self.laid(Kind::Preset, name)
    }

    fn laid(&mut self, kind: Kind, name: &str) -> Object {
        let mut out = Object::default();
        machine::preset(&mut self.loader, kind, name, &mut out);
        out
    }

    /// A template with its preset.
    pub fn template(&mut self, name: &str) -> Object {
        let mut out = Object::default();
        machine::template(&mut self.loader, name, &mut out);
        out
    }

    /// The first machine of an environment, `offset` added to its id, and how many
    /// machines the environment has.
    pub fn machine(&mut self, env: &str, offset: usize) -> (Object, usize) {
        let Some(file) = self.loader.file(Kind::Env, env) else {
            return (Object::default(), 0);
        };
        let (list, twins) = machines(&mut self.loader, &file);
        self.loader.errors.extend(twins);
        let first = list.first().and_then(Traced::map);
        let mut first = first.cloned().unwrap_or_default();
        if let Some(vmid) = first.get("vmid").cloned() {
            first.set("vmid", vmid.counted_on(offset));
        }
        (first, list.len())
    }

    /// Reads a spec, to tell what is wrong with it.
    pub fn spec(&mut self, name: &str) {
        self.loader.file(Kind::Spec, name);
    }

    /// Sets bridge and gateway where no layer says anything.
    pub fn defaults(&self, node: &mut Object) {
        machine::defaults(node, &self.defaults);
    }

    /// Warns, about each thing once.
    pub fn warn(&mut self, warning: Diagnostic) {
        self.loader.warn(warning);
    }

    /// What the user should know.
    ///
    /// # Errors
    /// All that is wrong with the files that were read (65).
    pub fn finish(self) -> Result<Vec<Diagnostic>, Failure> {
        self.loader.finish()
    }
}
