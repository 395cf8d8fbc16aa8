//! `hl vm wait`: which machine is meant, and the plan.

use serde_json::json;

use crate::diag::{Exit, Failure, did_you_mean};
use crate::plan::{Plan, Step, StepId};
use crate::pve::Vm;

/// The machine of that name, or with that number, among those of the cluster.
///
/// # Errors
/// There is none (66), or there are several (2).
pub fn find<'v>(all: &'v [Vm], name: &str) -> Result<&'v Vm, Failure> {
    let found: Vec<&Vm> = all
        .iter()
        .filter(|vm| vm.name.as_deref() == Some(name) || vm.vmid.to_string() == name)
        .collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let names: Vec<&str> = all.iter().filter_map(|vm| vm.name.as_deref()).collect();
            Err(Failure::message(
                Exit::Unknown,
                format!("there is no machine `{name}` on the node"),
            )
            .helps(did_you_mean(name, names)))
        }
        several => {
            let ids: Vec<String> = several.iter().map(|vm| vm.vmid.to_string()).collect();
            let message = format!("several machines are called `{name}`: {}", ids.join(", "));
            Err(Failure::message(Exit::Usage, message).help("name one by its number"))
        }
    }
}

/// One step that waits for its agent.
pub fn wait(vm: &Vm, patience: &str) -> Plan {
    let name = vm.name.clone().unwrap_or_else(|| vm.vmid.to_string());
    let mut step = Step::new(StepId::new("vm", "wait"), "vm.wait");
    let with = json!({
        "vms": [{ "name": name, "vmid": vm.vmid, "kind": vm.guest(), "node": vm.node }],
        "patience": patience,
    });
    step.with = with.as_object().cloned().unwrap_or_default();
    Plan::new(format!("vm wait {name}"), vec![step])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vm(vmid: u32, name: &str) -> Vm {
        let text = format!("{{\"vmid\": {vmid}, \"node\": \"pve\", \"name\": \"{name}\"}}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_machine_is_found_by_name_or_number() {
        let all = [vm(100, "web-1"), vm(101, "web-2"), vm(102, "web-2")];
        assert_eq!(find(&all, "web-1").unwrap().vmid, 100);
        assert_eq!(find(&all, "102").unwrap().vmid, 102);
        assert_eq!(find(&all, "web-2").unwrap_err().exit, Exit::Usage);
        let unknown = find(&all, "web-3").unwrap_err();
        assert_eq!(unknown.exit, Exit::Unknown);
    }
}
