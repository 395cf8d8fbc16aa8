//! Nodes and levels of manifests: their names, their ids, their parents.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::rings::rings;
use crate::base::ticked;
use crate::diag::{Advice, Diagnostic, closest, did_you_mean};
use crate::shape::{Node, Value};
use crate::site::yaml::Document;

/// A list of names that is longer helps nobody.
const LISTED: usize = 20;
/// So many names are compared with those there are, to keep a broken file of
/// thousands of nodes linear.
const COMPARED: usize = 20;

/// What the table of manifests cannot say.
pub(super) fn check(document: &Document) -> Vec<Diagnostic> {
    let mut rules = Rules {
        document,
        findings: Vec::new(),
    };
    for (list, word) in [("nodes", "node"), ("levels", "level")] {
        let Some(node) = document.root.get(list) else {
            continue;
        };
        if node.items().is_empty() && matches!(node.value, Value::List(_)) {
            rules.error(node, format!("`{list}` is empty, expected at least one"));
        }
        rules.twins(node.items(), word);
        if list == "nodes" {
            rules.parents(node.items());
            rules.containers(node.items());
        } else {
            rules.levels(node.items());
        }
    }
    rules.findings
}

struct Rules<'d> {
    document: &'d Document,
    findings: Vec<Diagnostic>,
}

impl<'d> Rules<'d> {
    fn error(&mut self, node: &Node, message: String) {
        let finding = Diagnostic::error(message).at(self.document.at(node, ""));
        self.findings.push(finding);
    }

    /// Adds help to the last finding.
    fn help(&mut self, help: impl Into<Advice>) {
        if let Some(last) = self.findings.last_mut() {
            last.help.push(help.into());
        }
    }

    /// Names and ids that are taken.
    fn twins(&mut self, items: &'d [Node], word: &str) {
        let mut names: HashMap<&str, u32> = HashMap::with_capacity(items.len());
        let mut ids: HashMap<u64, &Node> = HashMap::with_capacity(items.len());
        for item in items {
            if let Some((node, name)) = text(item, "name") {
                match names.entry(name) {
                    Entry::Occupied(first) => {
                        let line = *first.get();
                        self.error(
                            node,
                            format!("duplicate {word} `{name}`, first on line {line}"),
                        );
                    }
                    Entry::Vacant(free) => {
                        free.insert(node.mark.line);
                    }
                }
            }
            if let Some((node, id)) = number(item, "vmid") {
                match ids.entry(id) {
                    Entry::Occupied(first) => {
                        let name = text(first.get(), "name").map_or("", |(_, name)| name);
                        let line = number(first.get(), "vmid").map_or(0, |(id, _)| id.mark.line);
                        self.error(
                            node,
                            format!("vmid `{id}` is taken by `{name}` in line {line}"),
                        );
                    }
                    Entry::Vacant(free) => {
                        free.insert(item);
                    }
                }
            }
        }
    }

    /// Levels that say of nothing what they are made from.
    fn levels(&mut self, levels: &[Node]) {
        let chosen = ["vm_preset", "template", "env"];
        let nothing = |level: &&Node| {
            let map = level.map();
            map.is_some_and(|map| chosen.iter().all(|key| map.get(key).is_none()))
        };
        for level in levels.iter().filter(nothing) {
            let message = "a level has no `vm_preset`, `template` or `env`";
            self.error(level, message.to_owned());
            self.help("add one of them");
        }
    }

    /// Parents that are not there, that hold nothing, or that are in their own child.
    fn parents(&mut self, nodes: &'d [Node]) {
        let mut known: HashMap<&str, usize> = HashMap::with_capacity(nodes.len());
        for (place, node) in nodes.iter().enumerate() {
            if let Some((_, name)) = text(node, "name") {
                known.entry(name).or_insert(place);
            }
        }
        let mut above = Vec::with_capacity(nodes.len());
        for node in nodes {
            let parent = text(node, "parent");
            let place = parent.and_then(|(_, name)| known.get(name).copied());
            if let (Some((node, name)), None) = (parent, place) {
                self.no_parent(node, name, &known);
            }
            above.push(place);
        }
        let mut in_ring = vec![false; nodes.len()];
        for ring in rings(&above) {
            let mut path: Vec<&str> = Vec::with_capacity(ring.len() + 1);
            for &place in ring.iter().chain(ring.first()) {
                in_ring[place] = true;
                path.push(text(&nodes[place], "name").map_or("", |(_, name)| name));
            }
            if let Some((&first, name)) = ring.first().zip(path.first())
                && let Some((parent, _)) = text(&nodes[first], "parent")
            {
                let path = shortened(&path);
                self.error(parent, format!("node `{name}` is in itself: {path}"));
                self.help("let one of them have another `parent`, or none");
            }
        }
        for (place, node) in nodes.iter().enumerate() {
            let holder = above[place].filter(|_| !in_ring[place]);
            if let Some(holder) = holder.and_then(|holder| nodes.get(holder))
                && let Some((_, kind @ ("vm" | "ct"))) = text(holder, "type")
                && let Some((parent, holder)) = text(node, "parent")
            {
                let name = text(node, "name").map_or("", |(_, name)| name);
                self.error(
                    parent,
                    format!("node `{name}` is in `{holder}`, a `{kind}`: only a `pve` holds nodes"),
                );
                self.help(format!(
                    "make `{holder}` a `pve`, or leave `parent` out: then it is on the target host"
                ));
            }
        }
    }

    fn no_parent(&mut self, node: &Node, name: &str, known: &HashMap<&str, usize>) {
        self.error(node, format!("there is no node `{name}` in this manifest"));
        if self.findings.len() > COMPARED {
            return;
        }
        let mut names: Vec<&str> = known.keys().copied().collect();
        names.sort_unstable();
        let help = if names.len() > LISTED {
            closest(name, names).map(|near| format!("did you mean `{near}`?"))
        } else {
            did_you_mean(name, names)
        };
        if let Some(help) = help {
            self.help(help);
        }
    }

    /// Containers have no cloud-init, which brings what a pull needs.
    fn containers(&mut self, nodes: &[Node]) {
        let default = self.document.root.get("execution");
        let default = default.and_then(|execution| text(execution, "default_mode"));
        let pulls = default.is_some_and(|(_, mode)| mode == "pull");
        for node in nodes {
            let Some((kind, "ct")) = text(node, "type") else {
                continue;
            };
            let own = node.get("execution").and_then(|own| text(own, "mode"));
            let at = match own {
                Some((mode, "pull")) => mode,
                // What it has of the default matters only for a spec.
                None if pulls && text(node, "spec").is_some() => kind,
                _ => continue,
            };
            let name = text(node, "name").map_or("", |(_, name)| name);
            self.error(
                at,
                format!("node `{name}` is a container, which cannot pull its spec"),
            );
            self.help("write `execution: {mode: push}`");
        }
    }
}

/// A key with text.
fn text<'n>(node: &'n Node, key: &str) -> Option<(&'n Node, &'n str)> {
    let value = node.get(key)?;
    Some((value, value.text()?))
}

/// A key with a number that is none below zero.
fn number<'n>(node: &'n Node, key: &str) -> Option<(&'n Node, u64)> {
    let value = node.get(key)?;
    let Value::Number(number) = &value.value else {
        return None;
    };
    Some((value, number.as_u64()?))
}

/// Names with arrows between them; of many those at both ends.
fn shortened(path: &[&str]) -> String {
    let arrows = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| ticked([name])).collect();
        names.join(" -> ")
    };
    let more = path.len().saturating_sub(LISTED + 1);
    match (path.get(..LISTED), path.last()) {
        (Some(begin), Some(last)) if more > 0 => {
            format!("{} -> ... {more} more ... -> `{last}`", arrows(begin))
        }
        _ => arrows(path),
    }
}
