//! Node, storages, bridge, rights, build address.

use hl_sim::{Grant, Profile, Seed, SeedStorage, SeedToken, World};
use rstest::rstest;

use super::scene::{SECRET, TOKEN_ID, grants, scene, seed};

const GIB: u64 = 1 << 30;

#[test]
fn with_exactly_the_rights_it_asks_for_it_is_cleared() {
    let scene = scene(&seed());
    let report = scene.cleared("cleared");
    assert_eq!(report.with_status("failed"), Vec::<&str>::new());
    assert_eq!(report.with_status("skipped"), ["doppler", "git", "site"]);
    scene.runway().exits(0).says(&["cleared"]);
    scene.nothing_was_written();
}

#[test]
fn an_older_node_wants_its_own_rights() {
    let mut seed = seed();
    seed.profile = Profile::v8_4();
    seed.tokens[0].grants = grants(8);
    scene(&seed).cleared("cleared");
    seed.tokens[0].grants = grants(9);
    scene(&seed).not_cleared().only(
        "rights",
        &["lacks `VM.Monitor` on `/vms`"],
        &["--privs \"VM.Monitor\""],
    );
}

#[test]
fn a_node_that_cannot_import_is_warned_about() {
    let mut seed = seed();
    seed.profile = Profile {
        version: "8.1.3".to_owned(),
        release: "8.1".to_owned(),
        ..Profile::v8_4()
    };
    seed.tokens[0].grants = grants(8);
    let report = scene(&seed).cleared("cleared with warnings");
    assert!(report.step("token").to_string().contains("older than 8.2"));
}

#[test]
fn a_wrong_node() {
    let scene = scene(&seed());
    scene.set("PVE_NODE", "pv");
    let report = scene.not_cleared();
    report.only(
        "node",
        &["no node `pv`"],
        &["did you mean `pve`?", "`PVE_NODE=pve`"],
    );
    assert_eq!(report.status("bridge"), "blocked");
    assert_eq!(report.status("vm-storage"), "blocked");
    let ran = scene.runway().exits(69);
    ran.says(&["Not checked", "not cleared", "did you mean `pve`?"]);
}

#[test]
fn a_wrong_storage() {
    let scene = scene(&seed());
    scene.set("PVE_STORAGE_VM", "local-lvn");
    scene.not_cleared().only(
        "vm-storage",
        &[
            "`local-lvn`",
            "or the token may not see it",
            "`PVE_STORAGE_VM`",
        ],
        &[
            "did you mean `local-lvm`?",
            "`PVE_STORAGE_VM=local-lvm`",
            "pveum acl modify /storage/local-lvn",
        ],
    );
    scene.sim.change(|world| {
        let everywhere = Seed {
            tokens: vec![SeedToken::administrator(TOKEN_ID, SECRET)],
            ..Seed::default()
        };
        *world = World::seeded(&everywhere);
    });
    let report = scene.not_cleared();
    report.only(
        "vm-storage",
        &["there is no storage `local-lvn` on `pve`;"],
        &[],
    );
    let remedies = report.step("vm-storage")["help"].to_string();
    assert!(!remedies.contains("pveum"), "{remedies}");
}

#[test]
fn a_storage_without_import() {
    let mut seed = seed();
    seed.storages[0] = SeedStorage::new("local", "dir", &["iso", "vztmpl", "backup"]);
    scene(&seed).not_cleared().only(
        "import-storage",
        &["does not take cloud images", "`import`"],
        &["`pvesm set local --content iso,vztmpl,backup,import`"],
    );
}

#[test]
fn a_storage_that_can_never_import() {
    let scene = scene(&seed());
    scene.set("PVE_STORAGE_IMPORT", "local-lvm");
    let report = scene.not_cleared();
    report.only(
        "import-storage",
        &["does not take cloud images"],
        &["`lvmthin` hold no files", "`PVE_STORAGE_IMPORT=local`"],
    );
}

#[rstest]
#[case::inactive(|s: &mut SeedStorage| s.active = false, "vm-storage", "is not active", "`pvesm status --storage local-lvm`")]
#[case::off(|s: &mut SeedStorage| s.enabled = false, "vm-storage", "is switched off", "`pvesm set local-lvm --disable 0`")]
#[case::full(|s: &mut SeedStorage| s.used = s.total / 100 * 95, "vm-storage", "expected at least 10 %", "`pvesm list local-lvm`")]
fn a_disk_storage_that_cannot_be_used(
    #[case] change: fn(&mut SeedStorage),
    #[case] step: &str,
    #[case] message: &str,
    #[case] help: &str,
) {
    let mut seed = seed();
    change(&mut seed.storages[1]);
    scene(&seed).not_cleared().only(step, &[message], &[help]);
}

#[test]
fn limits_on_free_space_are_the_users() {
    let mut seed = seed();
    seed.storages[0].used = seed.storages[0].total - 3 * GIB;
    let scene = scene(&seed);
    let report = scene.not_cleared();
    assert_eq!(
        report.with_status("failed"),
        ["import-storage", "iso-storage"]
    );
    report.fails(
        "iso-storage",
        &["has 3.0 GiB free, expected at least 4 GiB"],
        &["`L0_MIN_FREE_GIB_ISO=...`"],
    );
    scene.set("L0_MIN_FREE_GIB_ISO", "3");
    scene.cleared("cleared");
    scene.set("L0_MIN_FREE_PCT_VM", "99");
    scene
        .not_cleared()
        .only("vm-storage", &["expected at least 99 %"], &[]);
}

#[test]
fn each_right_that_is_missing_is_named_with_its_path() {
    for (index, grant) in grants(9).into_iter().enumerate() {
        let (first, rest) = grant.privileges.split_first().unwrap();
        let mut seed = seed();
        seed.tokens[0].grants[index].privileges = rest.to_vec();
        if rest.is_empty() {
            seed.tokens[0].grants.remove(index);
        }
        let report = scene(&seed).not_cleared();
        let acl = format!(
            "pveum acl modify {} --users hl@pve --tokens '{TOKEN_ID}' --roles Homelab",
            grant.path
        );
        report.fails(
            "rights",
            &[&format!("`{TOKEN_ID}` lacks `{first}` on `{}`", grant.path)],
            &[
                "pveum role add Homelab 2>/dev/null",
                &format!("pveum role modify Homelab --append 1 --privs \"{first}\""),
                &acl,
            ],
        );
    }
}

#[test]
fn a_storage_that_the_token_may_not_see_is_told_from_one_that_is_absent() {
    let mut seed = seed();
    seed.tokens[0]
        .grants
        .retain(|grant| grant.path != "/storage/local-lvm");
    let report = scene(&seed).not_cleared();
    assert_eq!(report.with_status("failed"), ["rights", "vm-storage"]);
    report.fails(
        "vm-storage",
        &["or the token may not see it"],
        &["pveum acl modify /storage/local-lvm --users hl@pve"],
    );
}

#[test]
fn a_token_of_an_administrator_is_enough() {
    let mut seed = seed();
    seed.tokens[0].grants = vec![Grant::role("/", "Administrator")];
    scene(&seed).cleared("cleared");
}

#[test]
fn a_bridge_that_is_absent_or_down() {
    let scene = scene(&seed());
    scene.set("PVE_BRIDGE", "vmbr1");
    let report = scene.not_cleared();
    report.only("bridge", &["no bridge `vmbr1`"], &["did you mean `vmbr0`?"]);

    let mut seed: Seed = seed();
    seed.bridges[0].active = false;
    super::scene::scene(&seed).not_cleared().only(
        "bridge",
        &["`vmbr0` on `pve` is not active"],
        &["`ifup vmbr0`"],
    );
}

#[test]
fn a_build_address_that_is_missing_wrong_or_taken() {
    let scene = scene(&seed());
    scene.set("PVE_BUILD_ADDRESS", "");
    let example = "`PVE_BUILD_ADDRESS=192.168.1.250/24,gw=192.168.1.1`";
    scene
        .not_cleared()
        .only("build-address", &["is not set"], &[example]);
    scene.set("PVE_BUILD_ADDRESS", "127.77.9.9,gw=127.77.9.1");
    scene
        .not_cleared()
        .only("build-address", &["has no prefix length"], &[example]);

    let taken = (0..20).find_map(|last| {
        let host = format!("127.77.8.{}", 10 + last);
        let listener = std::net::TcpListener::bind((host.as_str(), 8006)).ok()?;
        Some((host, listener))
    });
    let (host, _listener) = taken.unwrap();
    scene.set("PVE_BUILD_ADDRESS", &format!("{host}/24,gw=127.77.8.1"));
    scene.not_cleared().only(
        "build-address",
        &[&format!("`{host}`"), "is in use: port 8006 answers"],
        &["`qm list`"],
    );
}
