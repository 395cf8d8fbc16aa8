//! A template is built, found again, and built anew when it is due.

use super::stage::{Stage, has_packer};

#[test]
fn a_build_is_proven_recorded_and_promoted() {
    if !has_packer() {
        return;
    }
    let stage = Stage::new();
    let before = stage.files("layers");
    stage.hl("l1-template small").exits(0).says(&[
        "to be built: asked for",
        "downloaded and verified",
        "now stable",
    ]);
    // The checkout is as it was: no crash.log, no packer_cache.
    assert_eq!(stage.files("layers"), before);
    let manifest = stage.manifest();
    let vmid = manifest["vmid"].as_u64().unwrap();
    let stamp = manifest["stamp"].as_str().unwrap();
    assert_eq!(manifest["name"], "small");
    assert_eq!(manifest["node"], "pve");
    assert_eq!(manifest["storage"], "local-lvm");
    assert_eq!(manifest["description"], "a small one");
    assert_eq!(manifest["inputs_digest"].as_str().unwrap().len(), 64);
    assert_eq!(manifest["image"]["hash"].as_str().unwrap().len(), 64);
    // Only the template is left on the node; the base is gone.
    let vms: Vec<_> = stage.vms().into_iter().collect();
    assert_eq!(
        vms,
        [(u32::try_from(vmid).unwrap(), format!("small-{stamp}"))]
    );
    let key = |key: &str| stage.config(vmid, key);
    assert_eq!(key("template").as_deref(), Some("1"));
    for gone in ["ipconfig0", "ciuser", "sshkeys"] {
        assert_eq!(key(gone), None, "{gone}");
    }
    assert!(
        key("ide2").unwrap().contains("cloudinit"),
        "{:?}",
        key("ide2")
    );
    assert_eq!(key("ide0"), None, "no second cloud-init drive");
    assert!(
        key("scsi0").unwrap().contains("size=6G"),
        "{:?}",
        key("scsi0")
    );
    let notes = key("description").unwrap();
    for word in [
        "a small one",
        "hl-template v=1 name=small",
        &format!("stamp={stamp}"),
        "stable=yes",
        "image=sha256:0123",
    ] {
        assert!(notes.contains(word), "`{word}` is not in {notes}");
    }
    let import = "local:import/small-01234567.qcow2";
    assert!(
        stage
            .sim
            .world()
            .volumes
            .iter()
            .any(|volume| volume.volid == import)
    );
    stage.is_clean();
}

#[test]
fn what_is_up_to_date_is_left_alone_and_what_is_not_is_built() {
    if !has_packer() {
        return;
    }
    let stage = Stage::new();
    stage
        .hl("l1-ensure small")
        .exits(0)
        .says(&["`pve` has none"]);
    let first = stage.stamps();
    stage
        .hl("l1-ensure small")
        .exits(0)
        .says(&["up to date: VM"]);
    assert_eq!(stage.stamps(), first);
    // An input.
    let file = "layers/l1-templates/small/notes.txt";
    stage.lab.write(file, "new");
    stage
        .hl("l1-ensure small")
        .exits(0)
        .says(&["its inputs changed since", "is there"]);
    assert_eq!(stage.stamps().len(), 2);
    assert_eq!(stage.stable().as_ref(), stage.stamps().last());
    // The newest is gone from the node, and the older one is of other files.
    let vmid = stage.manifest()["vmid"].as_u64().unwrap();
    stage.sim.change(|world| {
        let vmid = u32::try_from(vmid).unwrap();
        world.vms.remove(&vmid);
        world.volumes.retain(|volume| volume.vmid != Some(vmid));
    });
    stage
        .hl("l1-ensure small")
        .exits(0)
        .says(&["its inputs changed since"]);
    assert_eq!(stage.stamps().len(), 3);
    // Back to the first files, whose template is still there, but not the newest.
    std::fs::remove_file(stage.lab.path(file)).unwrap();
    stage
        .hl("l1-ensure small")
        .exits(0)
        .says(&["its inputs changed since"]);
}

#[test]
fn update_stable_decides_about_the_pointer() {
    if !has_packer() {
        return;
    }
    let stage = Stage::new();
    let build = |value: Option<&str>| {
        let hl = stage.hl("l1-template small");
        match value {
            Some(value) => hl.env("UPDATE_STABLE", value),
            None => hl,
        }
        .exits(0)
    };
    build(Some("no")).says(&["stable stays", "hl templates promote small"]);
    assert_eq!((stage.stamps().len(), stage.stable()), (1, None));
    // It is not built again for that.
    let ran = stage.hl("l1-ensure small").exits(0);
    ran.says(&[
        "up to date",
        "no stable `small` yet: `hl templates promote small",
    ]);
    build(Some("")).says(&["stable stays"]);
    assert_eq!((stage.stamps().len(), stage.stable()), (2, None));
    build(Some("yes"));
    assert_eq!(stage.stable(), stage.stamps().last().cloned());
    for value in ["no", "", "YES", "1", "false"] {
        let before = stage.stable();
        build(Some(value));
        assert_eq!(stage.stable(), before, "{value}");
    }
    build(Some("yes"));
    assert_eq!(stage.stable(), stage.stamps().last().cloned());
    build(None);
    assert_eq!(stage.stable(), stage.stamps().last().cloned());
    let marked: Vec<u32> = stage
        .vms()
        .into_keys()
        .filter(|id| {
            stage
                .config(u64::from(*id), "description")
                .is_some_and(|text| text.contains("stable=yes"))
        })
        .collect();
    assert_eq!(marked.len(), 1, "one mark, that of the newest: {marked:?}");
}

#[test]
fn a_dry_run_changes_nothing() {
    if !has_packer() {
        return;
    }
    let stage = Stage::new();
    let lab = |stage: &Stage| {
        let mut files = stage.files(".");
        files.retain(|path, _| !path.starts_with(stage.lab.path("state")));
        files
    };
    let before = lab(&stage);
    stage.hl("l1-template small --dry-run").exits(0).says(&[
        "would build: asked for",
        "are valid",
        "would let the node download",
    ]);
    stage
        .hl("l1 --dry-run")
        .exits(0)
        .says(&["would build: `pve` has none"]);
    assert_eq!(stage.sim.write_count(), 0);
    assert_eq!(lab(&stage), before);
    stage
        .hl("l1-validate")
        .exits(0)
        .says(&["`debian-13-installer` are valid"]);
}
