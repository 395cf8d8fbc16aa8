//! Who may do what: privileges, roles, access control lists.

use std::collections::{BTreeMap, BTreeSet};

use super::words;
use super::world::{AclEntry, World};

/// The name that may do everything.
pub(super) const ROOT: &str = "root@pam";

/// Rights on one path: each privilege, and whether it holds below it.
pub(super) type Rights = BTreeMap<String, bool>;

/// Privileges that every release has.
const COMMON: &str = "
    Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit
    Group.Allocate Mapping.Audit Mapping.Modify Mapping.Use Permissions.Modify Pool.Allocate
    Pool.Audit Realm.Allocate Realm.AllocateUser SDN.Allocate SDN.Audit SDN.Use
    Sys.AccessNetwork Sys.Audit Sys.Console Sys.Incoming Sys.Modify Sys.PowerMgmt Sys.Syslog
    User.Modify VM.Allocate VM.Audit VM.Backup VM.Clone VM.Config.CDROM VM.Config.CPU
    VM.Config.Cloudinit VM.Config.Disk VM.Config.HWType VM.Config.Memory VM.Config.Network
    VM.Config.Options VM.Console VM.Migrate VM.PowerMgmt VM.Snapshot VM.Snapshot.Rollback";

const SINCE_9: &str = "
    VM.GuestAgent.Audit VM.GuestAgent.FileRead VM.GuestAgent.FileSystemMgmt
    VM.GuestAgent.FileWrite VM.GuestAgent.Unrestricted VM.Replicate";

const UNTIL_8: &str = "VM.Monitor";

/// All privileges of a release.
pub(super) fn privileges(major: u32) -> BTreeSet<String> {
    let own = if major >= 9 { SINCE_9 } else { UNTIL_8 };
    let all = COMMON.split_whitespace().chain(own.split_whitespace());
    all.map(str::to_owned).collect()
}

/// What an administrator of the role `PVEAdmin` may not.
const ONLY_ROOT: &str = "
    Mapping.Modify Permissions.Modify Realm.Allocate Sys.AccessNetwork Sys.Incoming Sys.Modify
    Sys.PowerMgmt";

const VM_USER: &str = "
    VM.Audit VM.Backup VM.Config.CDROM VM.Config.Cloudinit VM.Console VM.GuestAgent.Audit
    VM.GuestAgent.FileRead VM.GuestAgent.FileSystemMgmt VM.GuestAgent.FileWrite VM.PowerMgmt";

/// The roles that Proxmox VE is delivered with.
pub(super) fn builtin_roles(major: u32) -> BTreeMap<String, BTreeSet<String>> {
    let all = privileges(major);
    let pick = |test: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
        all.iter().filter(|name| test(name)).cloned().collect()
    };
    let family = |start: &str| pick(&|name| name.starts_with(start));
    let only = |table: &str| pick(&|name| words::has(table, name));
    let roles = [
        ("Administrator", all.clone()),
        ("NoAccess", BTreeSet::new()),
        ("PVEAdmin", pick(&|name| !words::has(ONLY_ROOT, name))),
        ("PVEAuditor", pick(&|name| name.ends_with(".Audit"))),
        ("PVEVMAdmin", family("VM.")),
        ("PVEVMUser", only(VM_USER)),
        ("PVETemplateUser", only("VM.Audit VM.Clone")),
        ("PVEDatastoreAdmin", family("Datastore.")),
        (
            "PVEDatastoreUser",
            only("Datastore.AllocateSpace Datastore.Audit"),
        ),
        ("PVESDNAdmin", family("SDN.")),
        ("PVESDNUser", only("SDN.Audit SDN.Use")),
        ("PVEPoolAdmin", family("Pool.")),
        ("PVEPoolUser", only("Pool.Audit")),
        ("PVEMappingAdmin", family("Mapping.")),
        ("PVEMappingUser", only("Mapping.Audit Mapping.Use")),
        ("PVEMappingAuditor", only("Mapping.Audit")),
        ("PVESysAdmin", only("Sys.Audit Sys.Console Sys.Syslog")),
        (
            "PVEUserAdmin",
            only("Group.Allocate Realm.AllocateUser User.Modify"),
        ),
    ];
    let named = roles
        .into_iter()
        .map(|(name, rights)| (name.to_owned(), rights));
    named.collect()
}

/// The privileges of which one lets a caller give others rights on a path.
pub(super) fn modifiers(path: &str) -> &'static [&'static str] {
    let below = |start: &str| {
        path.strip_prefix(start)
            .is_some_and(|rest| !rest.is_empty())
    };
    if below("/storage/") {
        &["Permissions.Modify", "Datastore.Allocate"]
    } else if below("/vms/") {
        &["Permissions.Modify", "VM.Allocate"]
    } else if below("/pool/") {
        &["Permissions.Modify", "Pool.Allocate"]
    } else {
        &["Permissions.Modify"]
    }
}

/// Whether a role came with Proxmox VE.
pub(super) fn is_builtin(name: &str) -> bool {
    name.starts_with("PVE") || matches!(name, "Administrator" | "NoAccess")
}

/// The rights that `who` (a user or a token) has on `path`.
pub(super) fn rights(world: &World, who: &str, path: &str) -> Rights {
    let all = privileges(world.profile.major).into_iter();
    all.filter_map(|name| {
        let propagate = granted(world, who, path, &name)?;
        Some((name, propagate))
    })
    .collect()
}

/// Whether `who` (a user or a token) has a privilege on `path`.
pub(super) fn holds(world: &World, who: &str, path: &str, privilege: &str) -> bool {
    granted(world, who, path, privilege).is_some()
}

/// Whether `who` has a privilege on a guest, to be asked of many. Where nothing tells one
/// guest from another, rights are looked up once.
pub(super) fn on_guests(world: &World, who: &str, privilege: &str) -> impl Fn(u32) -> bool {
    let apart =
        |entry: &AclEntry| entry.path.starts_with("/vms/") || entry.path.starts_with("/pool");
    let on = move |vmid: u32| holds(world, who, &format!("/vms/{vmid}"), privilege);
    let all = (!world.acl.iter().any(apart)).then(|| on(0));
    move |vmid| all.unwrap_or_else(|| on(vmid))
}

/// A privilege on a path: whether it holds below it, too.
fn granted(world: &World, who: &str, path: &str, privilege: &str) -> Option<bool> {
    if who == ROOT {
        let others = if world.profile.major >= 9 {
            UNTIL_8
        } else {
            SINCE_9
        };
        return (!words::has(others, privilege)).then_some(true);
    }
    let own = || with_pools(world, who, path, privilege);
    let Some((user, _)) = who.split_once('!') else {
        return own();
    };
    let users = granted(world, user, path, privilege)?;
    if world.tokens.get(who)?.privsep {
        own().map(|propagate| propagate && users)
    } else {
        Some(users)
    }
}

/// The paths that `GET /access/permissions` tells about by default.
pub(super) fn known_paths(world: &World) -> BTreeSet<String> {
    let base = [
        "/",
        "/access",
        "/access/groups",
        "/nodes",
        "/pool",
        "/sdn",
        "/storage",
        "/vms",
    ];
    base.iter()
        .map(|path| (*path).to_owned())
        .chain(world.acl.iter().map(|entry| entry.path.clone()))
        .chain(world.pools.keys().map(|pool| format!("/pool/{pool}")))
        .collect()
}

/// By the list alone; for a guest and a storage also by those on their pools.
fn with_pools(world: &World, who: &str, path: &str, privilege: &str) -> Option<bool> {
    let vmid = path
        .strip_prefix("/vms/")
        .and_then(|id| id.parse::<u32>().ok());
    let storage = path.strip_prefix("/storage/").into_iter();
    let pools = vmid.and_then(|vmid| world.pool_of(vmid)).into_iter();
    let pools = pools.chain(storage.flat_map(|id| world.pools_with(id)));
    let by_pools = pools.filter_map(|pool| listed(world, who, &format!("/pool/{pool}"), privilege));
    let own = listed(world, who, path, privilege).into_iter();
    own.chain(by_pools).reduce(|one, other| one || other)
}

/// Walks from `/` down to `path`; the entries of a deeper path replace what was
/// inherited, as in `PVE::AccessControl`.
fn listed(world: &World, who: &str, path: &str, privilege: &str) -> Option<bool> {
    let mut found = None;
    for step in ancestors(path) {
        let holds = |entry: &&AclEntry| entry.path == step && (entry.propagate || step == path);
        let listed = || world.acl.iter().filter(holds);
        let mut here: Vec<&AclEntry> = listed().filter(|entry| entry.who == who).collect();
        if here.is_empty() {
            // What groups may counts where nothing is said of the user.
            here = listed()
                .filter(|entry| world.is_group_of(&entry.who, who))
                .collect();
        }
        if here.is_empty() {
            continue;
        }
        let none = here.iter().any(|entry| entry.role == "NoAccess");
        let has = |entry: &&AclEntry| {
            let role = world.roles.get(&entry.role);
            !none && role.is_some_and(|role| role.contains(privilege))
        };
        let propagates = here.into_iter().filter(has).map(|entry| entry.propagate);
        found = propagates.reduce(|one, other| one || other);
    }
    found
}

/// `/`, `/vms`, `/vms/100` for `/vms/100`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1);
    let below = ends.chain([path.len()]);
    std::iter::once("/").chain(below.filter_map(|end| path.get(..end)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Grant, Seed, SeedToken, SeedUser};

    fn world(grants: Vec<Grant>) -> World {
        let mut seed = Seed::default();
        seed.users.push(SeedUser {
            id: "u@pve".to_owned(),
            password: None,
            grants: vec![Grant::role("/vms", "PVEVMAdmin")],
        });
        seed.tokens.push(SeedToken {
            id: "u@pve!t".to_owned(),
            secret: "s".to_owned(),
            privsep: true,
            grants,
        });
        World::seeded(&seed)
    }

    #[test]
    fn a_separated_token_has_what_both_have() {
        let world = world(vec![Grant::role("/", "Administrator")]);
        let vm = rights(&world, "u@pve!t", "/vms/100");
        assert!(vm.contains_key("VM.Clone"));
        assert!(!vm.contains_key("Datastore.Audit"));
        assert!(rights(&world, "u@pve!t", "/storage/local").is_empty());
    }

    #[test]
    fn a_deeper_entry_replaces_the_inherited_ones() {
        let world = world(vec![
            Grant::role("/", "Administrator"),
            Grant::role("/vms/100", "PVEAuditor"),
            Grant::role("/vms/101", "NoAccess"),
        ]);
        assert_eq!(
            rights(&world, "u@pve!t", "/vms/100")
                .keys()
                .filter(|name| name.starts_with("VM."))
                .collect::<Vec<_>>(),
            ["VM.Audit", "VM.GuestAgent.Audit"]
        );
        assert!(rights(&world, "u@pve!t", "/vms/101").is_empty());
        assert!(rights(&world, "u@pve!t", "/vms/102").len() > 10);
    }

    #[test]
    fn rights_on_many_guests_are_those_on_each() {
        for grants in [
            vec![Grant::role("/", "Administrator")],
            vec![Grant::role("/storage", "PVEAdmin")],
            vec![
                Grant::role("/vms", "PVEVMAdmin"),
                Grant::role("/vms/101", "NoAccess"),
            ],
            vec![Grant::role("/pool/p", "PVEVMAdmin")],
        ] {
            let mut world = world(grants);
            let pool = world.pools.entry("p".to_owned()).or_default();
            pool.members.insert(100);
            for who in [ROOT, "u@pve", "u@pve!t", "nobody@pve"] {
                let many = on_guests(&world, who, "VM.Audit");
                for vmid in [100, 101] {
                    let one = holds(&world, who, &format!("/vms/{vmid}"), "VM.Audit");
                    assert_eq!(many(vmid), one, "{who} {vmid}");
                }
            }
        }
    }

    #[test]
    fn without_propagation_it_holds_on_the_path_only() {
        let mut grant = Grant::role("/vms", "PVEVMAdmin");
        grant.propagate = false;
        let world = world(vec![grant]);
        let here = rights(&world, "u@pve!t", "/vms");
        assert_eq!(here.get("VM.Audit"), Some(&false));
        assert!(rights(&world, "u@pve!t", "/vms/100").is_empty());
    }

    #[test]
    fn the_agents_rights_changed_with_nine() {
        assert!(privileges(9).contains("VM.GuestAgent.Audit"));
        assert!(!privileges(9).contains("VM.Monitor"));
        assert!(privileges(8).contains("VM.Monitor"));
    }
}
