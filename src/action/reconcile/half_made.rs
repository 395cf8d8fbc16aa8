//! Machines that a create or clone left on the node when the node lost power in
//! it: locked and without a name, so that nothing else ever speaks of them.

use crate::action::StepContext;
use crate::diag::{Advice, say};
use crate::pve::Vm;

/// Names them. What cannot be asked is told by those who need an answer.
pub(super) fn half_made(ctx: &StepContext<'_>) -> Vec<Advice> {
    let listed = ctx.pve().and_then(|client| client.cluster_resources_vms());
    among(&listed.unwrap_or_default())
}

fn among(listed: &[Vm]) -> Vec<Advice> {
    let left = listed.iter().filter(|vm| {
        // Proxmox VE lists one without a name as `VM 100`.
        let name = vm.name.as_deref().unwrap_or_default();
        // A container has a number for a name.
        let of_id = [format!("VM {}", vm.vmid), format!("CT{}", vm.vmid)];
        let nameless = name.is_empty() || of_id.iter().any(|of_id| of_id == name);
        nameless && matches!(vm.lock.as_deref(), Some("create" | "clone"))
    });
    left.map(|vm| {
        let Vm { vmid, node, .. } = vm;
        let lock = vm.lock.as_deref().unwrap_or_default();
        let (kind, program) = (vm.guest(), vm.guest().program());
        let remove = format!("{program} unlock {vmid} && {program} destroy {vmid} --purge");
        say(format!(
            "{kind} {vmid} on `{node}` has no name and is locked ({lock}): unless it is just being made, it was only half made; remove it: "
        ))
        .on_node(node, remove)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diag::Commands;

    #[test]
    fn only_what_is_locked_and_nameless_is_named() {
        let listed: Vec<Vm> = serde_json::from_value(json!([
            {"vmid": 100, "node": "pve", "type": "qemu", "status": "stopped", "lock": "create"},
            {"vmid": 101, "node": "pve", "type": "qemu", "status": "stopped", "lock": "clone", "name": "VM 101"},
            {"vmid": 102, "node": "pve", "type": "qemu", "status": "stopped", "lock": "clone", "name": "web"},
            {"vmid": 103, "node": "pve", "type": "qemu", "status": "stopped", "lock": "backup"},
            {"vmid": 104, "node": "pve", "type": "qemu", "status": "stopped"},
            {"vmid": 105, "node": "pve", "type": "lxc", "status": "stopped", "lock": "create", "name": "CT105"},
        ]))
        .unwrap();
        let told = among(&listed);
        assert_eq!(told.len(), 3);
        let container = told[2].text(Commands::Live);
        assert!(
            container.contains("CT 105 on `pve`") && container.contains("pct destroy 105"),
            "{container}"
        );
        let live = told[0].text(Commands::Live);
        assert!(live.contains("VM 100 on `pve`"), "{live}");
        assert!(
            live.contains("`qm unlock 100 && qm destroy 100 --purge` on `pve`"),
            "{live}"
        );
        let rehearsed = told[1].text(Commands::Rehearsed);
        assert!(rehearsed.contains("`hl rehearse --fresh`"), "{rehearsed}");
    }
}
