//! VMs that go to another node of their cluster.

use std::sync::Arc;

use hl_sim::{Seed, SeedStorage, World};
use serde_json::json;

use super::support::{Lab, Setup, seed, template};
use super::texts::Texts;

fn cluster() -> (Lab, Arc<Texts>) {
    let texts = Arc::new(Texts::default());
    let mut seed = Seed {
        more_nodes: vec!["two".to_owned()],
        ..seed()
    };
    seed.storages
        .push(SeedStorage::new("share", "nfs", &["images"]));
    let lab = Setup {
        world: World::seeded(&seed),
        guests: Arc::<Texts>::clone(&texts),
        ..Setup::default()
    }
    .start();
    template(&lab, 9000);
    (lab, texts)
}

fn clone(lab: &Lab, storage: &str) {
    let form = [("newid", "110"), ("full", "1"), ("storage", storage)];
    lab.done(&lab.post("/nodes/pve/qemu/9000/clone", &form));
}

const MIGRATE: &str = "/nodes/pve/qemu/110/migrate";

#[test]
fn a_running_vm_goes_with_its_shared_disks() {
    let (lab, _) = cluster();
    clone(&lab, "share");
    lab.done(&lab.post("/nodes/pve/qemu/110/status/start", &[]));
    lab.post(MIGRATE, &[("target", "two")])
        .fails(500, "can't migrate running VM without --online");
    let can = lab.get(MIGRATE).data();
    assert_eq!(
        (&can["running"], &can["allowed_nodes"]),
        (&json!(1), &json!(["two"]))
    );
    assert_eq!(
        (&can["local_disks"], &can["not_allowed_nodes"]),
        (&json!([]), &json!({}))
    );
    let moved = lab.post(MIGRATE, &[("target", "two"), ("online", "1")]);
    assert!(moved.data().as_str().unwrap().contains(":qmigrate:110:"));
    lab.done(&moved);
    assert_eq!(
        lab.get("/nodes/two/qemu/110/status/current").data()["status"],
        "running"
    );
    lab.get("/nodes/pve/qemu/110/config").fails(
        500,
        "Configuration file 'nodes/pve/qemu-server/110.conf' does not exist",
    );
    let listed = lab.get("/cluster/resources?type=vm").data();
    assert_eq!(listed[0]["node"], "two");
    let back = lab.post("/nodes/two/qemu/110/migrate", &[("target", "two")]);
    assert_eq!(back.json()["errors"]["target"], "target is local node.");
    lab.post(
        "/nodes/two/qemu/110/migrate",
        &[("target", "three"), ("online", "1")],
    )
    .fails(500, "no such cluster node 'three'");
}

#[test]
fn local_disks_go_with_it_when_they_are_to() {
    let (lab, texts) = cluster();
    clone(&lab, "local-lvm");
    texts.write("local-lvm:vm-110-disk-0", "mine");
    let can = lab.get(MIGRATE).data();
    assert_eq!(
        can["local_disks"].as_array().unwrap().len(),
        2,
        "a disk and its cloud-init drive"
    );
    lab.done(&lab.post("/nodes/pve/qemu/110/status/start", &[]));
    let live = lab
        .post(MIGRATE, &[("target", "two"), ("online", "1")])
        .data();
    assert_eq!(lab.exit_of(&live), "migration aborted");
    let log = lab.log_of(&live);
    let refusal =
        "can't live migrate attached local disks without with-local-disks option".to_owned();
    assert!(log.contains(&refusal), "{log:?}");
    assert!(
        lab.get("/nodes/pve/qemu/110/config")
            .data()
            .get("lock")
            .is_none()
    );
    let form = [
        ("target", "two"),
        ("online", "1"),
        ("with-local-disks", "1"),
    ];
    lab.done(&lab.post(MIGRATE, &form));
    let world = lab.server().world();
    let volume = world
        .volumes
        .iter()
        .find(|volume| volume.volid == "local-lvm:vm-110-disk-0");
    assert_eq!(volume.unwrap().node, "two");
    drop(world);
    let on_two = |path: &str, form: &[(&str, &str)]| {
        let upid = lab
            .post(&format!("/nodes/two/qemu/110/{path}"), form)
            .data();
        let task = format!("/nodes/two/tasks/{}/status", upid.as_str().unwrap());
        assert_eq!(lab.get(&task).data()["exitstatus"], "OK");
    };
    // It runs on while its disk goes to another storage.
    let form = [
        ("target", "pve"),
        ("targetstorage", "share"),
        ("online", "1"),
        ("with-local-disks", "1"),
    ];
    on_two("migrate", &form);
    let status = lab.get("/nodes/pve/qemu/110/status/current").data();
    assert_eq!(status["status"], "running");
    let config = lab.get("/nodes/pve/qemu/110/config").data();
    let disk = config["scsi0"].as_str().unwrap();
    assert!(disk.starts_with("share:110/vm-110-disk-0.raw,"), "{disk}");
    assert_eq!(texts.text("share:110/vm-110-disk-0.raw").unwrap(), "mine");
    assert!(texts.text("local-lvm:vm-110-disk-0").is_none());
}

#[test]
fn what_holds_a_vm_where_it_is() {
    let (lab, _) = cluster();
    clone(&lab, "share");
    lab.put(
        "/nodes/pve/qemu/110/config",
        &[("hostpci0", "0000:01:00.0")],
    )
    .data();
    let held = lab.post(MIGRATE, &[("target", "two")]).data();
    assert_eq!(
        lab.exit_of(&held),
        "can't migrate VM which uses local devices: hostpci0"
    );
    assert_eq!(
        lab.get(MIGRATE).data()["local_resources"],
        json!(["hostpci0"])
    );
    lab.put("/nodes/pve/qemu/110/config", &[("delete", "hostpci0")])
        .data();
    lab.put("/storage/share", &[("nodes", "pve")]).data();
    lab.post(MIGRATE, &[("target", "two")])
        .fails(500, "storage 'share' is not available on node 'two'");
    assert_eq!(
        lab.get(MIGRATE).data()["not_allowed_nodes"],
        json!({"two": {"unavailable_storages": ["share"]}})
    );
    let forced = lab.post(MIGRATE, &[("target", "two"), ("force", "1")]);
    assert_eq!(
        forced.json()["errors"]["force"],
        "Only root may use this option."
    );
}
