//! What lists and the status say of containers alone.

use serde_json::{Value, json};

use super::vm::Vm;
use super::world::World;

/// How many processors a container has: its own number, or all of its node.
pub(super) fn processors(world: &World, vm: &Vm) -> Value {
    let number = |key: &str| vm.config.get(key)?.parse::<f64>().ok();
    let own: Option<u32> = vm.config.get("cores").and_then(|text| text.parse().ok());
    match (own, number("cpulimit").filter(|limit| *limit > 0.0)) {
        (Some(cores), _) => json!(cores),
        (None, Some(limit)) => json!(limit),
        (None, None) => json!(world.node(&vm.node).map_or(1, |node| node.cpus)),
    }
}

/// What a container shows besides what all guests do.
pub(super) fn more(vmid: u32, vm: &Vm, fields: &mut Value) {
    let megabytes = |key: &str| vm.config.get(key).and_then(|text| text.parse::<u64>().ok());
    fields["type"] = json!("lxc");
    fields["swap"] = json!(0);
    fields["maxswap"] = json!(megabytes("swap").unwrap_or(512) << 20);
    if vm.name().is_empty() {
        fields["name"] = json!(format!("CT{vmid}"));
    }
}
