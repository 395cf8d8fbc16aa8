//! How a simulated world begins: as the lab's environment describes its node.

use crate::pve::rights::{self, Objects};
use hl_sim::{Bridge, Downloads, Grant, Profile, Seed, SeedStorage, SeedToken};

const GIB: u64 = 1 << 30;

/// A world with the node, storages and bridge that the lab names, and its
/// token with exactly the rights that the documented `pveum` commands give: a
/// right that the layers need and L0 does not check fails here first. Downloads are
/// taken as done.
pub fn seed(objects: &Objects, token_id: &str, secret: &str) -> Seed {
    cluster(objects, &[], token_id, secret)
}

/// The same with other nodes in one cluster, each with its own storages and
/// bridge beside those of the first.
pub(super) fn cluster(objects: &Objects, others: &[Objects], token_id: &str, secret: &str) -> Seed {
    let mut seed = single(objects, token_id, secret);
    for other in others {
        let more = single(other, token_id, secret);
        seed.more_nodes.push(other.node.clone());
        for storage in more.storages {
            if !seed.storages.iter().any(|known| known.id == storage.id) {
                seed.storages.push(storage);
            }
        }
        for bridge in more.bridges {
            if !seed.bridges.iter().any(|known| known.name == bridge.name) {
                seed.bridges.push(bridge);
            }
        }
        let grants = more.tokens.into_iter().flat_map(|token| token.grants);
        if let Some(token) = seed.tokens.first_mut() {
            token.grants.extend(grants);
        }
    }
    seed
}

fn single(objects: &Objects, token_id: &str, secret: &str) -> Seed {
    let mut storages = vec![SeedStorage {
        total: 400 * GIB,
        ..SeedStorage::new(&objects.storage_vm, "lvmthin", &["images", "rootdir"])
    }];
    for (id, content) in [
        (
            &objects.storage_iso,
            ["iso", "vztmpl", "backup", "snippets"].as_slice(),
        ),
        (&objects.storage_import, &["import"]),
    ] {
        match storages.iter_mut().find(|storage| storage.id == *id) {
            Some(storage) => storage
                .content
                .extend(content.iter().map(|kind| (*kind).to_owned())),
            None => storages.push(SeedStorage::new(id, "dir", content)),
        }
    }
    Seed {
        profile: Profile::default(),
        node: objects.node.clone(),
        storages,
        bridges: vec![Bridge {
            name: objects.bridge.clone(),
            cidr: None,
            gateway: None,
            active: true,
        }],
        tokens: vec![lab_token(objects, token_id, secret)],
        downloads: Downloads::taken(),
        ..Seed::default()
    }
}

/// A token with the rights that the layers need on these objects.
pub fn lab_token(objects: &Objects, token_id: &str, secret: &str) -> SeedToken {
    let grants = rights::required(objects, 9)
        .into_iter()
        .map(|(path, privileges)| {
            Grant::privileges(&path, &privileges.into_iter().collect::<Vec<_>>())
        })
        .collect();
    SeedToken {
        id: token_id.to_owned(),
        secret: secret.to_owned(),
        privsep: true,
        grants,
    }
}

/// A token secret that nothing real knows: a random UUID.
pub fn invent_secret() -> String {
    let mut bytes = [0u8; 16];
    // Without random numbers it is a constant: of a simulated token, that is fine.
    rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())
        .unwrap_or_default();
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |range: std::ops::Range<usize>| hex[range].concat();
    [
        part(0..4),
        part(4..6),
        part(6..8),
        part(8..10),
        part(10..16),
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_a_cluster_bring_what_is_theirs() {
        let other = Objects {
            node: "n2".into(),
            storage_vm: "tank".into(),
            bridge: "vmbr7".into(),
            ..Objects::default()
        };
        let seed = cluster(&Objects::default(), &[other], "hl@pve!hl", "secret");
        assert_eq!(seed.more_nodes, ["n2"]);
        let ids: Vec<&str> = seed.storages.iter().map(|s| s.id.as_str()).collect();
        assert_eq!(ids, ["local-lvm", "local", "tank"]);
        assert_eq!(seed.bridges.len(), 2);
        let may = |path: &str| seed.tokens[0].grants.iter().any(|g| g.path == path);
        assert!(may("/nodes/n2") && may("/storage/tank") && may("/storage/local-lvm"));
    }

    #[test]
    fn storages_of_one_name_are_one_storage() {
        let objects = Objects {
            storage_import: "tank".into(),
            storage_vm: "tank".into(),
            ..Objects::default()
        };
        let seed = seed(&objects, "hl@pve!hl", "secret");
        assert_eq!(
            seed.storages
                .iter()
                .map(|s| s.id.as_str())
                .collect::<Vec<_>>(),
            ["tank", "local"]
        );
        assert!(seed.storages[0].content.iter().any(|c| c == "import"));
        assert!(
            seed.tokens[0]
                .grants
                .iter()
                .any(|g| g.privileges.iter().any(|p| p == "VM.Clone"))
        );
    }
}
