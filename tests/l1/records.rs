//! Manifests and pointer: lost and found again, moved, and pruned; ISOs.

use super::stage::{Stage, has_packer};

/// A stage with that many builds.
fn built(count: usize) -> Stage {
    let stage = Stage::new();
    for _ in 0..count {
        stage.hl("l1-template small").exits(0);
    }
    assert_eq!(stage.stamps().len(), count);
    stage
}

#[test]
fn from_a_clean_checkout_the_node_tells_what_there_is() {
    if !has_packer() {
        return;
    }
    let stage = built(2);
    let (stamps, stable, pin) = (
        stage.stamps(),
        stage.stable(),
        stage.lab.read("templates/small/image.lock"),
    );
    stage
        .hl(&format!("templates promote small {}", stamps[0]))
        .exits(0)
        .says(&["is now stable, was"]);
    assert_ne!(stage.stable(), stable);
    let manifest = stage.manifest();
    std::fs::remove_dir_all(stage.lab.path("templates")).unwrap();
    let writes = stage.sim.write_count();
    stage
        .hl("l1-ensure small")
        .exits(0)
        .says(&["up to date", "written again from the node's notes"]);
    assert_eq!(stage.sim.write_count(), writes, "nothing is built");
    assert_eq!(stage.stamps(), stamps);
    assert_eq!(stage.stable(), Some(stamps[0].clone()));
    // `fetched_at` of the pin is when the build was recorded: all else is the same.
    let mut again = stage.manifest();
    let mut before = manifest;
    for manifest in [&mut again, &mut before] {
        manifest["image"]
            .as_object_mut()
            .unwrap()
            .remove("fetched_at");
    }
    assert_eq!(again, before);
    let lock = stage.lab.read("templates/small/image.lock");
    let hash = |text: &str| {
        text.lines()
            .find(|line| line.starts_with("hash"))
            .map(str::to_owned)
    };
    assert_eq!(hash(&lock), hash(&pin));
}

#[test]
fn what_was_built_is_listed_with_what_is_left_of_it() {
    if !has_packer() {
        return;
    }
    let stage = built(2);
    let gone = *stage.vms().first_key_value().unwrap().0;
    stage.sim.change(|world| {
        world.vms.remove(&gone);
    });
    let ran = stage.hl("templates show small --json").exits(0);
    let shown: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let row = &shown["templates"][0];
    assert_eq!(row["name"], "small");
    assert_eq!(row["stable"].as_str(), stage.stable().as_deref());
    assert_eq!(row.get("stale"), None, "the newest is as its files say");
    let builds = row["builds"].as_array().unwrap();
    let there: Vec<_> = builds
        .iter()
        .map(|build| build["exists"].as_bool())
        .collect();
    assert_eq!(there, [Some(true), Some(false)], "newest first");
    let ran = stage.hl("templates").exits(0);
    ran.says(&["debian-13", "`pve` has none", "gone from the node"]);
    stage
        .hl("templates show smal")
        .exits(66)
        .says(&["did you mean `small`?"]);
}

#[test]
fn the_pointer_moves_back_and_forth() {
    if !has_packer() {
        return;
    }
    let stage = built(2);
    let stamps = stage.stamps();
    stage
        .hl("templates rollback small")
        .exits(0)
        .says(&["is now stable"]);
    assert_eq!(stage.stable().as_ref(), stamps.first());
    stage
        .hl("templates rollback small")
        .exits(66)
        .says(&["nothing to roll `small` back to"]);
    stage
        .hl(&format!("templates promote small {} --dry-run", stamps[1]))
        .exits(0)
        .says(&["would be stable"]);
    assert_eq!(stage.stable().as_ref(), stamps.first());
    stage
        .hl(&format!("templates promote small {}", stamps[1]))
        .exits(0);
    stage
        .hl(&format!("templates promote small {}", stamps[1]))
        .exits(0)
        .says(&["is stable already"]);
    assert_eq!(stage.stable().as_ref(), stamps.last());
    stage
        .hl("templates promote small 20200101-000000")
        .exits(66)
        .says(&["there is no build `20200101-000000`"]);
}

#[test]
fn rollback_goes_to_what_was_stable_and_never_to_what_was_held_back() {
    if !has_packer() {
        return;
    }
    let stage = built(1);
    let build = |value: &str| {
        stage
            .hl("l1-template small")
            .env("UPDATE_STABLE", value)
            .exits(0);
    };
    build("no");
    build("yes");
    let stamps = stage.stamps();
    assert_eq!(stage.stable().as_ref(), stamps.last());
    stage
        .hl("templates show small")
        .exits(0)
        .says(&["was stable"]);
    stage.hl("templates rollback small").exits(0);
    assert_eq!(stage.stable().as_ref(), stamps.first());
    // The history is on the node: a fresh checkout goes on with it.
    build("yes");
    std::fs::remove_dir_all(stage.lab.path("templates/small")).unwrap();
    stage.hl("templates rollback small").exits(0);
    assert_eq!(stage.stable().as_ref(), stamps.first());
    // Neither the one that was left nor the one that was held back.
    stage
        .hl("templates rollback small")
        .exits(66)
        .says(&["no other build on the node is known to have been stable"]);
    assert_eq!(stage.stable().as_ref(), stamps.first());
}

#[test]
fn old_builds_go_but_never_the_stable_one_nor_one_with_clones() {
    if !has_packer() {
        return;
    }
    let stage = built(4);
    let stamps = stage.stamps();
    let numbers: Vec<u32> = stage.vms().into_keys().collect();
    stage
        .hl(&format!("templates promote small {}", stamps[0]))
        .exits(0);
    // A linked clone of the second.
    let script = format!(
        "curl -sSf --cacert \"$PVE_CA_FILE\" -H \"Authorization: PVEAPIToken=$PM_TOKEN_ID=$PM_TOKEN_SECRET\" -d newid=900 -d full=0 $PVE_ACCESS_HOST/api2/json/nodes/pve/qemu/{}/clone",
        numbers[1]
    );
    stage.lab.write("link.sh", &script);
    stage.hl("link").exits(0);
    stage
        .hl("templates prune small --keep 1")
        .exits(77)
        .says(&[&format!("remove {} (VM", stamps[2])]);
    let dry = stage
        .hl("templates prune small --keep 1 --dry-run")
        .exits(0);
    dry.says(&["would remove", &stamps[2]]);
    assert_eq!(stage.stamps(), stamps);
    stage
        .hl("templates prune small --keep 1 --yes")
        .exits(0)
        .says(&[
            &format!("removed {}", stamps[2]),
            &format!("build {} stays: its disk is the base of VM 900", stamps[1]),
        ]);
    assert_eq!(
        stage.stamps(),
        [stamps[0].clone(), stamps[1].clone(), stamps[3].clone()]
    );
    let left: Vec<u32> = stage.vms().into_keys().collect();
    assert_eq!(left, [numbers[0], numbers[1], numbers[3], 900]);
    stage
        .hl("templates prune small --keep 1 --yes")
        .exits(0)
        .says(&["nothing to remove"]);
    assert_eq!(stage.stable().as_ref(), stamps.first());
}

#[test]
fn an_iso_is_brought_once_and_verified() {
    let stage = Stage::new();
    let text = "description = \"mine\"\nfile = \"my.iso\"\nstored_as = \"mine.iso\"\n";
    stage
        .lab
        .write("my.iso", "an image")
        .write("layers/l1-templates/isos/mine.toml", text);
    let dry = stage.hl("l1-iso mine --dry-run").exits(0);
    dry.says(&["would upload my.iso"]);
    assert_eq!(stage.sim.write_count(), 0);
    stage
        .hl("l1-iso mine")
        .env("UPDATE_STABLE", "no")
        .exits(0)
        .says(&["brought and verified", "stable stays"]);
    let pointer = stage.lab.path("templates/mine/spec/iso-stable.json");
    assert!(!pointer.exists());
    let writes = stage.sim.write_count();
    stage
        .hl("l1-iso mine")
        .exits(0)
        .says(&["is there, now stable"]);
    assert_eq!(stage.sim.write_count(), writes, "not sent again");
    let manifest: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&pointer).unwrap()).unwrap();
    let volid = manifest["volid"].as_str().unwrap();
    assert!(
        volid.starts_with("local:iso/mine-") && volid.strip_suffix(".iso").is_some(),
        "{volid}"
    );
    assert!(
        stage
            .sim
            .world()
            .volumes
            .iter()
            .any(|volume| volume.volid == volid)
    );
    assert_eq!(
        std::fs::read_dir(stage.lab.path("templates/mine/artifacts"))
            .unwrap()
            .count(),
        1
    );
    // Another content is another volume and another record.
    stage.lab.write("my.iso", "another image");
    stage.hl("l1-iso mine").exits(0).says(&["now stable"]);
    assert_eq!(
        std::fs::read_dir(stage.lab.path("templates/mine/artifacts"))
            .unwrap()
            .count(),
        2
    );
    // What it must be is not what it is.
    let wrong = format!("{text}checksum = \"sha256:{}\"\n", "0".repeat(64));
    stage
        .lab
        .write("layers/l1-templates/isos/mine.toml", &wrong);
    stage
        .hl("l1-iso mine")
        .exits(1)
        .says(&["is not what ISO `mine` expects"]);
    stage
        .hl("l1-iso nine")
        .exits(66)
        .says(&["there is no ISO `nine`", "did you mean `mine`?"]);
    stage.is_clean();
}

#[test]
fn an_unknown_template_is_told_with_the_closest() {
    let stage = Stage::new();
    stage.hl("l1-template debian-31").exits(66).says(&[
        "there is no template `debian-31`",
        "did you mean `debian-13`?",
    ]);
}
