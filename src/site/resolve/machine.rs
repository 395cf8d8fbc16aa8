//! One virtual machine: preset under template under instance, key by key,
//! where the later one wins, `null` too; then the id and the defaults.

use std::sync::Arc;

use serde_json::Number;

use super::node::Defaults;
use super::value::{Object, Origin, Traced, Value};
use crate::diag::Diagnostic;
use crate::shape::{Map, Node};
use crate::site::kind::Kind;
use crate::site::tree::Loader;
use crate::site::yaml::Document;

/// Keys of an instance that choose its layers.
const LAYERS: [&str; 2] = ["template", "vm_preset"];

/// Where ids are counted from: `vmid_base` and its file.
pub(super) type Base<'d> = Option<(&'d Arc<Document>, &'d Node)>;

/// The layers of an instance in a file of `envs/`.
pub(super) fn layered(loader: &mut Loader<'_>, document: &Arc<Document>, instance: &Map) -> Object {
    let mut out = Object::default();
    let given = |key: &str| instance.get(key).filter(|node| !node.is_null());
    match (given("template"), given("vm_preset")) {
        (Some(node), _) => {
            if let Some(name) = node.text() {
                if loader.has(Kind::Template, name) {
                    template(loader, name, &mut out);
                } else {
                    loader.dangling(document, node, &[Kind::Template], name);
                }
            }
        }
        (None, Some(node)) => {
            if let Some(name) = node.text() {
                if loader.has(Kind::Preset, name) {
                    preset(loader, Kind::Preset, name, &mut out);
                    if out.is_empty() {
                        let error = format!("preset `{name}` is empty");
                        let error = Diagnostic::error(error).at(document.at(node, ""));
                        loader
                            .errors
                            .push(error.help("give it `cores`, `memory` or `disk`"));
                    }
                } else {
                    loader.dangling(document, node, &[Kind::Preset], name);
                }
            }
        }
        (None, None) => {}
    }
    lay(&mut out, document, instance, &LAYERS);
    out
}

/// Lays a template with its preset.
pub(super) fn template(loader: &mut Loader<'_>, name: &str, out: &mut Object) {
    let Some(document) = loader.file(Kind::Template, name) else {
        return;
    };
    let Some(map) = document.root.map() else {
        return;
    };
    if let Some(node) = map.get("preset")
        && let Some(name) = node.text()
    {
        if loader.has(Kind::Preset, name) {
            preset(loader, Kind::Preset, name, out);
        } else {
            loader.dangling(&document, node, &[Kind::Preset], name);
        }
    }
    lay(out, &document, map, &["preset"]);
}

/// Lays a preset.
pub(super) fn preset(loader: &mut Loader<'_>, kind: Kind, name: &str, out: &mut Object) {
    if let Some(document) = loader.file(kind, name)
        && let Some(map) = document.root.map()
    {
        lay(out, &document, map, &[]);
    }
}

fn lay(out: &mut Object, document: &Arc<Document>, map: &Map, without: &[&str]) {
    for entry in map {
        if !without.contains(&entry.key.as_str()) {
            out.set(&entry.key, Traced::of(document, &entry.value));
        }
    }
}

/// The id: as given, else counted from the base, else `null`.
pub(super) fn vmid(vm: &mut Object, base: Base<'_>, index: usize) {
    vm.add("vmid", || {
        let counted = base.and_then(|(document, node)| {
            let crate::shape::Value::Number(base) = &node.value else {
                return None;
            };
            let id = base.as_u64()?.checked_add(u64::try_from(index).ok()?)?;
            Some(Traced {
                value: Value::Number(Number::from(id)),
                origin: Origin::counted(document, node, index),
            })
        });
        counted.unwrap_or_else(|| Traced::default(Value::Null))
    });
}

/// Bridge and gateway, where no layer says anything.
pub(super) fn defaults(vm: &mut Object, defaults: &Defaults) {
    vm.add("bridge", || defaults.or("bridge", "vmbr0"));
    if vm.get("gateway").is_none()
        && let Some(gateway) = defaults.get("gateway")
    {
        vm.set("gateway", gateway);
    }
}

/// What a machine is called in messages and for its token.
pub(super) fn name(vm: &Object) -> &str {
    vm.text("name").unwrap_or_default()
}

/// Machines that share a name or an id: the second one is told.
pub(super) fn twins(vms: &[Traced]) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut taken: std::collections::HashMap<(&str, String), &Object> =
        std::collections::HashMap::with_capacity(vms.len() * 2);
    for vm in vms.iter().filter_map(Traced::map) {
        for key in ["name", "vmid"] {
            let Some(traced) = vm.get(key) else { continue };
            let shown = match &traced.value {
                Value::Text(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Null
                | Value::Bool(_)
                | Value::Secret(_)
                | Value::List(_)
                | Value::Map(_) => continue,
            };
            if let Some(first) = taken.get(&(key, shown.clone())) {
                let line = first.get(key).and_then(|traced| traced.origin.line());
                let mut error = Diagnostic::error(format!(
                    "{key} `{shown}` is taken by `{}` in line {}",
                    name(first),
                    line.unwrap_or_default()
                ));
                // An id from a template or a base is in one place for both.
                let own = vm.get("name").and_then(|name| name.origin.place());
                error.place = match &traced.origin {
                    Origin::Counted(..) => own,
                    Origin::File(_) | Origin::Secret(..) | Origin::Given | Origin::Default => {
                        traced.origin.place()
                    }
                };
                findings.push(error);
            } else {
                taken.insert((key, shown), vm);
            }
        }
    }
    findings
}
