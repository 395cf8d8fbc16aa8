//! What each node is made from, and which file says so.

use serde_json::Number;

use super::around::Around;
use super::levels::MAKES_PVE;
use super::machine::unmakeable;
use super::model::{ManifestNode, NodeType};
use super::read::{ManifestFile, as_warnings, read};
use crate::diag::{Diagnostic, Failure, Source};
use crate::shape::Node;
use crate::site::Tree;
use crate::site::resolve::{Explained, Layers, Object, Resolved, Traced, Value};

/// What a machine has that no layer gives a size, as in an environment.
const SIZES: [(&str, u32); 3] = [("cores", 1), ("memory", 1024), ("disk", 10)];

/// All that is wrong with a manifest and the files that it names, and what is odd,
/// by file and place.
pub fn check(around: &Around<'_>, source: Source) -> Vec<Diagnostic> {
    let file = match read(around, source) {
        Ok(file) => file,
        Err(failure) => return failure.diagnostics,
    };
    let found = match resolve(around.tree, &file) {
        Ok(resolved) => {
            let mut found = unmakeable(&resolved);
            found.extend(resolved.warnings);
            found
        }
        Err(failure) => failure.diagnostics,
    };
    let mut warnings = file.warnings;
    warnings.extend(found);
    warnings
}

/// A manifest as it will be made: `name`, `description`, `pattern`, `settings`, and
/// `nodes` with the layers of each laid. Levels are nodes there, too.
///
/// # Errors
/// All that is wrong with the files of its layers (65).
pub fn resolve(tree: &Tree, file: &ManifestFile) -> Result<Resolved, Failure> {
    let (value, layers) = laid(tree, file);
    let warnings = layers.finish()?;
    Ok(Resolved { value, warnings })
}

/// The same for a `destroy`: what is wrong with the files of its layers is a warning.
pub fn resolve_to_destroy(tree: &Tree, file: &ManifestFile) -> Resolved {
    let (value, layers) = laid(tree, file);
    let warnings = match layers.finish() {
        Ok(warnings) => warnings,
        Err(failure) => as_warnings(failure.diagnostics),
    };
    Resolved { value, warnings }
}

fn laid<'t>(tree: &'t Tree, file: &'t ManifestFile) -> (Object, Layers<'t>) {
    let mut resolver = Resolver {
        file,
        layers: Layers::new(tree),
    };
    (resolver.manifest(), resolver.layers)
}

/// Where each value is from.
pub fn explain(resolved: &Resolved) -> Vec<Explained> {
    let mut rows = resolved.explain();
    for row in &mut rows {
        // Nothing but the cluster can say which id is free.
        if row.path.ends_with("].vmid") && row.value == "null" {
            "the cluster".clone_into(&mut row.from);
        }
    }
    rows
}

struct Resolver<'a> {
    file: &'a ManifestFile,
    layers: Layers<'a>,
}

impl Resolver<'_> {
    fn manifest(&mut self) -> Object {
        let file = self.file;
        let (graph, root) = (&file.graph, file.file.root());
        let mut out = Object::default();
        for (key, default) in [
            ("name", graph.name.clone()),
            ("description", graph.description.clone()),
            ("pattern", graph.pattern.to_string()),
        ] {
            out.set(key, self.given_or(root, key, text(default)));
        }
        out.set("settings", self.settings(root));
        let nodes = graph.nodes.iter().zip(file.items());
        let nodes: Vec<Traced> = nodes.map(|(node, item)| self.node(node, item)).collect();
        out.set("nodes", Traced::default(Value::List(nodes)));
        out
    }

    fn settings(&self, root: &Node) -> Traced {
        let settings = self.file.graph.settings;
        let given = root.get("settings").unwrap_or(root);
        let mut out = Object::default();
        for (key, default) in [
            ("on_error", text("stop")),
            ("verify_ssh", Value::Bool(settings.verify_ssh)),
            (
                "cleanup_on_failure",
                Value::Bool(settings.cleanup_on_failure),
            ),
            ("timeout_buffer", number(settings.timeout_buffer)),
        ] {
            out.set(key, self.given_or(given, key, default));
        }
        Traced::default(Value::Map(out))
    }

    fn node(&mut self, node: &ManifestNode, item: &Node) -> Traced {
        let mut out = Object::default();
        out.set("name", self.given_or(item, "name", Value::Null));
        let kind = self.given_or(item, "type", text(node.kind.to_string()));
        out.set("type", kind);
        let parent = node
            .parent
            .and_then(|parent| self.file.graph.nodes.get(parent));
        let parent = parent.map_or(Value::Null, |parent| text(parent.name.clone()));
        out.set("parent", self.given_or(item, "parent", parent));
        out.set("spec", self.given_or(item, "spec", Value::Null));
        if let Some(spec) = &node.spec {
            self.layers.spec(spec);
        }
        out.set("execution", self.execution(node, item));
        let made_from = self.made_from(item);
        // The only type that a layer gives: the others are the manifest's own.
        let kind = made_from.get("kind").or_else(|| made_from.get("type"));
        if let Some(kind) = kind
            && node.kind == NodeType::Ct
            && item.get("type").is_none()
        {
            out.set("type", kind.clone());
        }
        out.set("image", self.given_or(item, "image", Value::Null));
        out.set("vmid", self.given_or(item, "vmid", Value::Null));
        for (key, default) in SIZES {
            out.set(key, Traced::default(number(default)));
        }
        // A machine of an environment has a name of its own there.
        let own = |key: &str| ["name", "kind", "type"].contains(&key);
        for (key, value) in made_from.iter().filter(|(key, _)| !own(key)) {
            let own = item.get(key).is_some_and(|own| !own.is_null());
            if !own {
                out.set(key, value.clone());
            }
        }
        if let Some(disk) = self.given(item, "disk") {
            out.set("disk", disk);
        }
        self.layers.defaults(&mut out);
        self.odd(node, item, &out);
        let origin = self.file.file.traced(item).origin;
        Traced {
            value: Value::Map(out),
            origin,
        }
    }

    /// The mode of a node: its own, else the manifest's.
    fn execution(&self, node: &ManifestNode, item: &Node) -> Traced {
        let root = self.file.file.root().get("execution");
        let default = root.and_then(|execution| self.given(execution, "default_mode"));
        let default = default.unwrap_or_else(|| Traced::default(text(node.mode.to_string())));
        let own = item.get("execution");
        let own = own.and_then(|execution| self.given(execution, "mode"));
        let mut out = Object::default();
        out.set("mode", own.unwrap_or(default));
        Traced::default(Value::Map(out))
    }

    /// The layers below a node's own values: its preset; of a level its environment,
    /// else its template, else its preset.
    fn made_from(&mut self, item: &Node) -> Object {
        let named = |key: &str| item.get(key).and_then(Node::text);
        if let Some(name) = named("preset") {
            return self.layers.preset(name);
        }
        if let Some(name) = named("env") {
            return self.environment(item, name);
        }
        if let Some(name) = named("template") {
            return self.layers.template(name);
        }
        named("vm_preset").map_or_else(Object::default, |name| self.layers.vm_preset(name))
    }

    /// A level is one machine: of an environment the first.
    fn environment(&mut self, item: &Node, name: &str) -> Object {
        let offset = item.get("vmid_offset").map(Node::to_json);
        let offset = offset.and_then(|offset| usize::try_from(offset.as_u64()?).ok());
        let (machine, count) = self.layers.machine(name, offset.unwrap_or(0));
        if count != 1 {
            let message = format!("environment `{name}` has {count} machines, and a level is one");
            let place = item.get("env").unwrap_or(item);
            let warning = Diagnostic::warning(message).at(self.file.file.place(place));
            self.layers.warn(match machine.text("name") {
                Some(first) => warning.note(format!("it is made as `{first}`, the first of them")),
                None => warning,
            });
        }
        machine
    }

    /// What is no error, and will not be what it looks like.
    fn odd(&mut self, node: &ManifestNode, item: &Node, out: &Object) {
        let (name, file) = (&node.name, &self.file.file);
        if out.get("image").is_none_or(Traced::is_null) {
            let warning = format!("node `{name}` has no `image`: it cannot be made");
            self.layers
                .warn(Diagnostic::warning(warning).at(file.place(item)));
        }
        if let Some(scenario) = item.get("post_scenario")
            && let Some(run) = scenario.text().filter(|run| *run != MAKES_PVE)
        {
            let warning = format!("scenario `{run}` of level `{name}` is not run");
            let warning = Diagnostic::warning(warning).at(file.place(scenario));
            let help = "write `schema_version: 2`, with a `spec` on the node";
            self.layers.warn(warning.help(help));
        }
    }

    /// A key that is not `null`.
    fn given(&self, item: &Node, key: &str) -> Option<Traced> {
        let node = item.get(key).filter(|node| !node.is_null())?;
        Some(self.file.file.traced(node))
    }

    fn given_or(&self, item: &Node, key: &str, default: Value) -> Traced {
        self.given(item, key)
            .unwrap_or_else(|| Traced::default(default))
    }
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

fn number(number: u32) -> Value {
    Value::Number(Number::from(number))
}
