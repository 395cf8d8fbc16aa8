//! What the token has to be allowed to do: exactly what the shipped L1 and L2
//! use, what of it is missing, and the commands that grant it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Permissions;
use crate::lab::Environment;

/// Name of the role that the commands make.
pub const ROLE: &str = "Homelab";
/// User that the commands make.
pub const USER: &str = "hl@pve";
/// Name of its token.
pub const TOKEN: &str = "hl";

/// Privileges on every VM, in every version.
const VM: &str = "
    VM.Allocate VM.Audit VM.Clone VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit
    VM.Config.Disk VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options
    VM.PowerMgmt";

/// The objects on the node that the layers use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objects {
    /// `PVE_NODE`
    pub node: String,
    /// `PVE_STORAGE_VM`: disks of VMs and templates.
    pub storage_vm: String,
    /// `PVE_STORAGE_ISO`: installer images.
    pub storage_iso: String,
    /// `PVE_STORAGE_IMPORT`: cloud images.
    pub storage_import: String,
    /// `PVE_BRIDGE`
    pub bridge: String,
}

impl Default for Objects {
    /// What a freshly installed host calls them.
    fn default() -> Self {
        Self {
            node: "pve".to_owned(),
            storage_vm: "local-lvm".to_owned(),
            storage_iso: "local".to_owned(),
            storage_import: "local".to_owned(),
            bridge: "vmbr0".to_owned(),
        }
    }
}

impl Objects {
    /// The objects that the environment names; the optional ones have defaults,
    /// the others are empty when they are not set.
    pub fn from_env(env: &Environment) -> Self {
        let get = |name: &str, default: String| env.get(name).map_or(default, str::to_owned);
        let fresh = Self::default();
        Self {
            node: get("PVE_NODE", String::new()),
            storage_vm: get("PVE_STORAGE_VM", String::new()),
            storage_iso: get("PVE_STORAGE_ISO", fresh.storage_iso),
            storage_import: get("PVE_STORAGE_IMPORT", fresh.storage_import),
            bridge: get("PVE_BRIDGE", fresh.bridge),
        }
    }
}

/// Privileges by path.
pub type Rights = BTreeMap<String, BTreeSet<&'static str>>;

/// What the token needs on a host of that major version. From 9 on, reading a
/// guest agent's addresses is `VM.GuestAgent.Audit`, before that `VM.Monitor`;
/// bridges are guarded from 8 on.
pub fn required(objects: &Objects, major: u32) -> Rights {
    let mut rights = Rights::new();
    let mut need = |path: String, privileges: &[&'static str]| {
        rights.entry(path).or_default().extend(privileges);
    };
    need(
        "/vms".to_owned(),
        &VM.split_whitespace().collect::<Vec<_>>(),
    );
    let agent = if major >= 9 {
        "VM.GuestAgent.Audit"
    } else {
        "VM.Monitor"
    };
    need("/vms".to_owned(), &[agent]);
    let storage = |name: &str| format!("/storage/{name}");
    need(
        storage(&objects.storage_vm),
        &["Datastore.AllocateSpace", "Datastore.Audit"],
    );
    for files in [&objects.storage_iso, &objects.storage_import] {
        need(
            storage(files),
            &["Datastore.AllocateTemplate", "Datastore.Audit"],
        );
    }
    need(format!("/nodes/{}", objects.node), &["Sys.AccessNetwork"]);
    if major >= 8 {
        let bridge = format!("/sdn/zones/localnetwork/{}", objects.bridge);
        need(bridge, &["SDN.Use"]);
    }
    rights
}

/// What of `required` the token lacks. `granted` are the answers for each
/// path, and for `/`. Rights on `/vms` must hold for what lies below, because
/// the VMs do not exist yet.
pub fn missing(required: &Rights, granted: &Permissions) -> Rights {
    let has = |path: &str, privilege: &str| {
        let flag = granted.get(path).and_then(|held| held.get(privilege));
        flag.is_some_and(|flag| flag.0 || path != "/vms")
    };
    let mut missing = Rights::new();
    for (path, privileges) in required {
        for privilege in privileges {
            // What the download calls accept instead.
            let instead = *privilege == "Sys.AccessNetwork"
                && has("/", "Sys.Audit")
                && has("/", "Sys.Modify");
            if !has(path, privilege) && !instead {
                missing.entry(path.clone()).or_default().insert(privilege);
            }
        }
    }
    missing
}

/// Commands for a root shell on the node that make role, user and token with
/// exactly [`required`]. The last one prints the token's secret, once.
pub fn setup_commands(objects: &Objects, major: u32) -> Vec<String> {
    let required = required(objects, major);
    let mut commands = vec![
        format!("pveum role add {ROLE} --privs \"{}\"", union(&required)),
        format!("pveum user add {USER}"),
    ];
    for path in required.keys() {
        commands.push(format!(
            "pveum acl modify {path} --users {USER} --roles {ROLE}"
        ));
    }
    commands.push(format!("pveum user token add {USER} {TOKEN} --privsep 0"));
    commands
}

/// Commands for a root shell on the node that grant what is missing to the
/// token `user@realm!name` and to its user: a token with separated privileges
/// may do what both may.
pub fn grant_commands(missing: &Rights, token_id: &str) -> Vec<String> {
    if missing.is_empty() {
        return Vec::new();
    }
    let user = token_id.split('!').next().unwrap_or_default();
    let mut commands = vec![
        format!("pveum role add {ROLE} 2>/dev/null"),
        format!(
            "pveum role modify {ROLE} --append 1 --privs \"{}\"",
            union(missing)
        ),
    ];
    for path in missing.keys() {
        commands.push(format!(
            "pveum acl modify {path} --users {user} --tokens '{token_id}' --roles {ROLE}"
        ));
    }
    commands
}

fn union(rights: &Rights) -> String {
    let all: BTreeSet<_> = rights.values().flatten().copied().collect();
    all.into_iter().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pve::Flag;

    fn granted(rights: &Rights) -> Permissions {
        rights
            .iter()
            .map(|(path, privileges)| {
                let held = privileges.iter().map(|p| ((*p).to_owned(), Flag(true)));
                (path.clone(), held.collect())
            })
            .collect()
    }

    #[test]
    fn what_is_granted_is_not_missing_and_each_right_counts() {
        let required = required(&Objects::default(), 9);
        let all = granted(&required);
        assert!(missing(&required, &all).is_empty());
        for (path, privileges) in &required {
            for privilege in privileges {
                let mut fewer = all.clone();
                fewer.get_mut(path).unwrap().remove(*privilege);
                let expected = Rights::from([(path.clone(), BTreeSet::from([*privilege]))]);
                assert_eq!(missing(&required, &fewer), expected);
            }
        }
    }

    #[test]
    fn rights_on_vms_must_hold_below() {
        let required = required(&Objects::default(), 9);
        let mut all = granted(&required);
        let vms = all.get_mut("/vms").unwrap();
        vms.insert("VM.Clone".to_owned(), Flag(false));
        assert_eq!(
            missing(&required, &all)["/vms"],
            BTreeSet::from(["VM.Clone"])
        );
    }

    #[test]
    fn an_administrator_may_download_too() {
        let required = required(&Objects::default(), 9);
        let mut all = granted(&required);
        all.remove("/nodes/pve");
        let root = [("Sys.Audit", true), ("Sys.Modify", true)];
        let root = root.map(|(name, flag)| (name.to_owned(), Flag(flag)));
        all.insert("/".to_owned(), BTreeMap::from(root));
        assert!(missing(&required, &all).is_empty());
    }

    #[test]
    fn versions_differ() {
        let at = |major| required(&Objects::default(), major);
        assert!(at(9)["/vms"].contains("VM.GuestAgent.Audit"));
        assert!(at(8)["/vms"].contains("VM.Monitor"));
        assert!(!at(9)["/vms"].contains("VM.Monitor"));
        assert!(!at(7).keys().any(|path| path.starts_with("/sdn")));
    }

    #[test]
    fn the_commands_of_a_fresh_host() {
        insta::assert_snapshot!(setup_commands(&Objects::default(), 9).join("\n"), @r#"
        pveum role add Homelab --privs "Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit SDN.Use Sys.AccessNetwork VM.Allocate VM.Audit VM.Clone VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit VM.Config.Disk VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options VM.GuestAgent.Audit VM.PowerMgmt"
        pveum user add hl@pve
        pveum acl modify /nodes/pve --users hl@pve --roles Homelab
        pveum acl modify /sdn/zones/localnetwork/vmbr0 --users hl@pve --roles Homelab
        pveum acl modify /storage/local --users hl@pve --roles Homelab
        pveum acl modify /storage/local-lvm --users hl@pve --roles Homelab
        pveum acl modify /vms --users hl@pve --roles Homelab
        pveum user token add hl@pve hl --privsep 0
        "#);
    }

    #[test]
    fn the_commands_for_what_is_missing() {
        let missing = Rights::from([("/vms".to_owned(), BTreeSet::from(["VM.Clone"]))]);
        insta::assert_snapshot!(grant_commands(&missing, "ops@pam!ci").join("\n"), @r#"
        pveum role add Homelab 2>/dev/null
        pveum role modify Homelab --append 1 --privs "VM.Clone"
        pveum acl modify /vms --users ops@pam --tokens 'ops@pam!ci' --roles Homelab
        "#);
    }
}
