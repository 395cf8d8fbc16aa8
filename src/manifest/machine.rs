//! A node of a manifest as its steps are given it.

use serde_json::{Map, Value, json};

use super::model::{ManifestGraph, ManifestNode};
use crate::diag::{Diagnostic, Exit, Failure};
use crate::runs::ManifestVerb;
use crate::site::resolve::{Object, Origin, Resolved, Traced};
use crate::site::{Ip, Vm, machine};

/// A node that can be made.
#[derive(Debug)]
pub(super) struct PlannedNode {
    /// Its name.
    pub(super) name: String,
    /// What its steps are told of it.
    pub(super) machine: Map<String, Value>,
    /// Its fixed address, or `dhcp`.
    pub(super) ip: String,
    /// The name of the node that it is in.
    pub(super) parent: Option<String>,
    /// Its place in the graph.
    pub(super) place: usize,
}

/// Every node, in the order of the file. To be destroyed, a node need not be one that
/// could be made.
///
/// # Errors
/// One cannot be made as it is described (65, every finding of all of them).
pub(super) fn nodes(
    graph: &ManifestGraph,
    resolved: &Resolved,
    verb: ManifestVerb,
) -> Result<Vec<PlannedNode>, Failure> {
    let mut findings = Vec::new();
    let mut planned = Vec::with_capacity(graph.nodes.len());
    let items = resolved.value.items("nodes");
    for (place, (node, item)) in graph.nodes.iter().zip(items).enumerate() {
        let (ip, machine) = match machine(item) {
            Ok(vm) => (vm.ip.to_string(), told(node, item, &vm)),
            Err(_) if verb == ManifestVerb::Destroy => (Ip::Dhcp.to_string(), known(node)),
            Err(failure) => {
                findings.extend(failure.diagnostics);
                continue;
            }
        };
        planned.push(PlannedNode {
            name: node.name.clone(),
            ip,
            machine,
            parent: node
                .parent
                .and_then(|parent| Some(graph.nodes.get(parent)?.name.clone())),
            place,
        });
    }
    if findings.is_empty() {
        return Ok(planned);
    }
    Err(Failure::many(Exit::Definition, findings))
}

/// Why nodes cannot be made as they are described. That one has no image is told as a
/// warning: its manifest may be drawn before its templates are there.
pub(super) fn unmakeable(resolved: &Resolved) -> Vec<Diagnostic> {
    let items = resolved.value.items("nodes").iter();
    let with_image = items.filter(|item| {
        let image = item.map().and_then(|map| map.get("image"));
        image.is_some_and(|image| !image.is_null())
    });
    let wrong = with_image.filter_map(|item| machine(item).err());
    wrong.flat_map(|failure| failure.diagnostics).collect()
}

/// What is known of a machine whose files are gone. Its sizes are valid, and no others.
fn known(node: &ManifestNode) -> Map<String, Value> {
    let mut known = Map::from_iter([
        ("name".to_owned(), json!(node.name)),
        ("type".to_owned(), json!(node.kind.to_string())),
        ("image".to_owned(), json!("unknown")),
        ("cores".to_owned(), json!(1)),
        ("memory".to_owned(), json!(1024)),
        ("disk".to_owned(), json!(10)),
    ]);
    if let Some(vmid) = node.vmid {
        known.insert("vmid".to_owned(), json!(vmid));
    }
    known
}

fn told(node: &ManifestNode, item: &Traced, vm: &Vm) -> Map<String, Value> {
    let mut told = Map::new();
    let mut set = |key: &str, value: Value| told.insert(key.to_owned(), value);
    set("name", json!(vm.name));
    set("type", json!(node.kind.to_string()));
    set("image", json!(vm.image));
    set("cores", json!(vm.cores));
    set("memory", json!(vm.memory));
    set("disk", json!(vm.disk));
    if let Some(vmid) = vm.vmid {
        set("vmid", json!(vmid));
    }
    if let (Some(bridge), true) = (&vm.bridge, is_said(item, "bridge")) {
        set("bridge", json!(bridge));
    }
    if let Ip::Static(_) = vm.ip {
        set("ip", json!(vm.ip.to_string()));
        if let Some(gateway) = vm.gateway {
            set("gateway", json!(gateway.to_string()));
        }
    }
    for (key, list) in [("tags", &vm.tags), ("features", &vm.features)] {
        if !list.is_empty() {
            set(key, json!(list));
        }
    }
    told
}

/// Whether a file says it: where none does, the host's own settings hold.
fn is_said(item: &Traced, key: &str) -> bool {
    let value = item.map().and_then(|map: &Object| map.get(key));
    value.is_some_and(|value| !matches!(value.origin, Origin::Default))
}
