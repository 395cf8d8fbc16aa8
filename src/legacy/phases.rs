//! The older tool's phases, and which one an action belongs to.

/// Beginnings of actions, the longer ones first.
const BY_ACTION: &[(&str, &str)] = &[
    ("kof_mothership", "install_kof_mothership"),
    ("kof_regional", "install_kof_regional"),
    ("azure_csi", "install_azure_csi"),
    ("azure_children", "setup_azure_children"),
    ("azure_credentials", "setup_azure_children"),
    ("azure_", "setup_network"),
    ("kubeconfig", "install_k0s"),
    ("k0s_", "install_k0s"),
    ("k0rdent_", "install_k0rdent"),
    ("vm_", "create_vms"),
    ("vpn_config", "setup_vpn"),
    ("vpn_", "connect_vpn"),
    ("wireguard_", "prepare_deployment"),
    ("cloud_init", "prepare_deployment"),
    ("preparation", "prepare_deployment"),
];

/// The phase that an action is part of.
pub(super) fn of_action(action: &str) -> Option<&'static str> {
    BY_ACTION
        .iter()
        .find(|(start, _)| action.starts_with(start))
        .map(|(_, phase)| *phase)
}

/// A phase's name as it is kept: `-` was written for `_` at times.
pub(super) fn named(name: &str) -> String {
    name.trim().replace('-', "_")
}

/// The phase in `Phase completed: NAME` and `Phase skipped: NAME - REASON`,
/// where an event does not name it otherwise.
pub(super) fn in_message(message: &str) -> Option<String> {
    let name = message.strip_prefix("Phase ")?.split_once(": ")?.1;
    let name = name.split(" - ").next()?.split_whitespace().next()?;
    Some(named(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_known_by_action_and_by_message() {
        let failed = "kof_mothership_installation_failed";
        assert_eq!(of_action(failed), Some("install_kof_mothership"));
        assert_eq!(of_action("azure_rg_created"), Some("setup_network"));
        assert_eq!(of_action("deployment_completed"), None);
        let skipped = "Phase skipped: setup-azure-children - Component not enabled";
        assert_eq!(in_message(skipped).unwrap(), "setup_azure_children");
        assert_eq!(in_message("WireGuard: connected"), None);
    }
}
