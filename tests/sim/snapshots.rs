//! Snapshots, rollback, and VMs that stand still.

use std::sync::Arc;

use hl_sim::World;
use serde_json::{Value, json};

use super::support::{Lab, Setup, seed, template};
use super::texts::Texts;

const DISK: &str = "local-lvm:vm-110-disk-0";

/// A template and a clone of it.
fn with_clone() -> (Lab, Arc<Texts>) {
    let texts = Arc::new(Texts::default());
    let lab = Setup {
        guests: Arc::<Texts>::clone(&texts),
        ..Setup::default()
    }
    .start();
    template(&lab, 9000);
    lab.done(&lab.post(
        "/nodes/pve/qemu/9000/clone",
        &[("newid", "110"), ("name", "web")],
    ));
    (lab, texts)
}

fn at(rest: &str) -> String {
    format!("/nodes/pve/qemu/110{rest}")
}

fn snap(lab: &Lab, name: &str) -> Value {
    lab.post(&at("/snapshot"), &[("snapname", name)]).data()
}

fn config(lab: &Lab) -> Value {
    lab.get(&at("/config")).data()
}

#[test]
fn a_rollback_brings_disk_and_config_back() {
    let (lab, texts) = with_clone();
    texts.write(DISK, "before");
    let form = [
        ("snapname", "s1"),
        ("description", "a good day"),
        ("vmstate", "1"),
    ];
    let made = lab.post(&at("/snapshot"), &form);
    assert!(
        made.data().as_str().unwrap().contains(":qmsnapshot:110:"),
        "{made:?}"
    );
    lab.done(&made);
    let listed = lab.get(&at("/snapshot")).data();
    assert_eq!(listed[0]["name"], "s1");
    assert_eq!(listed[0]["description"], "a good day");
    assert_eq!(listed[0]["vmstate"], 0, "a stopped VM has no memory");
    assert!(listed[0]["snaptime"].is_i64() && listed[0].get("snapstate").is_none());
    assert_eq!(listed[1]["name"], "current");
    assert_eq!(listed[1]["parent"], "s1");

    texts.write(DISK, "after");
    let more = [
        ("memory", "4096"),
        ("description", "today"),
        ("scsi1", "local-lvm:1"),
    ];
    lab.put(&at("/config"), &more).data();
    lab.put(&at("/config"), &[("delete", "name")]).data();
    lab.done(&lab.post(&at("/status/start"), &[]));
    let back = lab.post(&at("/snapshot/s1/rollback"), &[]);
    assert!(back.data().as_str().unwrap().contains(":qmrollback:110:"));
    lab.done(&back);
    assert_eq!(texts.text(DISK).unwrap(), "before");
    let now = config(&lab);
    assert_eq!(now["memory"], "1024");
    assert_eq!(now["name"], "web");
    assert_eq!(now["description"], "today", "it is not part of a snapshot");
    assert_eq!(now["unused0"], "local-lvm:vm-110-disk-1");
    assert_eq!(now["parent"], "s1");
    assert!(now.get("scsi1").is_none() && now.get("snaptime").is_none());
    let status = lab.get(&at("/status/current")).data();
    assert_eq!(status["status"], "stopped", "a rollback stops what runs");
    let grow = [("disk", "scsi0"), ("size", "+1G")];
    lab.done(&lab.put(&at("/resize"), &grow));
    lab.done(&lab.post(&at("/snapshot/s1/rollback"), &[("start", "1")]));
    let volume = "/nodes/pve/storage/local-lvm/content/local-lvm:vm-110-disk-0";
    assert_eq!(lab.get(volume).data()["size"], 3_u64 << 30);
    assert_eq!(lab.get(&at("/status/current")).data()["status"], "running");
}

#[test]
fn the_config_of_a_snapshot_is_its_own() {
    let (lab, _) = with_clone();
    lab.exit_of(&snap(&lab, "s1"));
    lab.put(&at("/config"), &[("memory", "4096")]).data();
    let kept = lab.get(&at("/snapshot/s1/config")).data();
    assert_eq!(kept["memory"], "1024");
    assert_eq!(kept["cores"], 2);
    assert!(kept["snaptime"].is_i64());
    assert!(kept.get("digest").is_none() && kept.get("parent").is_none());
    let by_config = lab.get(&at("/config?snapshot=s1")).data();
    assert_eq!(by_config["memory"], "1024");
    assert_eq!(by_config["digest"], config(&lab)["digest"]);
    lab.put(&at("/snapshot/s1/config"), &[("description", "new words")])
        .data();
    let kept = lab.get(&at("/snapshot/s1/config")).data();
    assert_eq!(kept["description"], "new words");
    let both = lab.get(&at("/config?snapshot=s1&current=1"));
    assert_eq!(both.status, 400);
    assert_eq!(both.json()["errors"].as_object().unwrap().len(), 2);
}

#[test]
fn a_running_vm_keeps_its_memory() {
    let (lab, _) = with_clone();
    lab.done(&lab.post(&at("/status/start"), &[]));
    let made = lab.post(&at("/snapshot"), &[("snapname", "hot"), ("vmstate", "1")]);
    lab.done(&made);
    let kept = lab.get(&at("/snapshot/hot/config")).data();
    assert_eq!(kept["vmstate"], "local-lvm:vm-110-state-hot");
    assert_eq!(kept["runningmachine"], "pc-i440fx-10.1+pve0");
    let volume = "/nodes/pve/storage/local-lvm/content/local-lvm:vm-110-state-hot";
    assert_eq!(lab.get(volume).data()["size"], (2_u64 << 30) + (500 << 20));
    lab.done(&lab.post(&at("/status/stop"), &[]));
    lab.done(&lab.post(&at("/snapshot/hot/rollback"), &[]));
    assert_eq!(lab.get(&at("/status/current")).data()["status"], "running");
    lab.done(&lab.delete(&at("/snapshot/hot")));
    assert_eq!(lab.get(volume).status, 500);
}

#[test]
fn deleted_snapshots_leave_their_children_and_no_disk() {
    let (lab, texts) = with_clone();
    let disks = texts.names();
    for name in ["s1", "s2", "s3"] {
        assert_eq!(lab.exit_of(&snap(&lab, name)), "OK");
    }
    assert_eq!(texts.names().len(), disks.len() + 3);
    let gone = lab.delete(&at("/snapshot/s2"));
    assert!(
        gone.data()
            .as_str()
            .unwrap()
            .contains(":qmdelsnapshot:110:")
    );
    lab.done(&gone);
    assert_eq!(lab.get(&at("/snapshot/s3/config")).data()["parent"], "s1");
    assert_eq!(config(&lab)["parent"], "s3");
    lab.post(&at("/template"), &[]).fails(
        500,
        "unable to create template, because VM contains snapshots",
    );
    // A disk that leaves the config stays while a snapshot has it.
    lab.put(&at("/config"), &[("delete", "scsi0"), ("force", "1")])
        .data();
    assert!(texts.text(DISK).is_some());
    lab.done(&lab.post(&at("/snapshot/s1/rollback"), &[]));
    assert!(config(&lab)["scsi0"].as_str().unwrap().starts_with(DISK));
    lab.done(&lab.delete("/nodes/pve/qemu/110?destroy-unreferenced-disks=0"));
    assert!(
        texts.names().iter().all(|name| name.contains("9000")),
        "{:?}",
        texts.names()
    );
    let world = lab.server().world();
    assert!(world.volumes.iter().all(|volume| volume.vmid != Some(110)));
}

#[test]
fn a_clone_of_a_snapshot_is_of_that_time() {
    let (lab, texts) = with_clone();
    texts.write(DISK, "then");
    assert_eq!(lab.exit_of(&snap(&lab, "s1")), "OK");
    texts.write(DISK, "now");
    lab.put(&at("/config"), &[("memory", "4096")]).data();
    for (id, full) in [("111", "1"), ("112", "0")] {
        let form = [("newid", id), ("snapname", "s1"), ("full", full)];
        lab.done(&lab.post(&at("/clone"), &form));
        assert_eq!(
            texts.text(&format!("local-lvm:vm-{id}-disk-0")).unwrap(),
            "then"
        );
        let made = lab.get(&format!("/nodes/pve/qemu/{id}/config")).data();
        assert_eq!(made["memory"], "1024");
        assert!(made.get("parent").is_none() && made.get("snaptime").is_none());
    }
    let feature = |query: &str| lab.get(&at(&format!("/feature?{query}"))).data();
    assert_eq!(
        feature("feature=clone"),
        json!({"hasFeature": 0, "nodes": ["pve"]})
    );
    assert_eq!(feature("feature=clone&snapname=s1")["hasFeature"], 1);
    assert_eq!(feature("feature=snapshot")["hasFeature"], 1);
}

#[test]
fn snapshots_that_cannot_be() {
    let (lab, texts) = with_clone();
    let post = |name: &str| lab.post(&at("/snapshot"), &[("snapname", name)]);
    post("current").fails(500, "unable to use snapshot name 'current' (reserved name)");
    let bad = post("1x");
    assert_eq!(
        bad.json()["errors"]["snapname"],
        "invalid format - invalid configuration ID '1x'"
    );
    lab.done(&post("s1"));
    assert_eq!(
        lab.exit_of(&snap(&lab, "s1")),
        "snapshot name 's1' already used"
    );
    let missing = lab.post(&at("/snapshot/none/rollback"), &[]).data();
    assert_eq!(lab.exit_of(&missing), "snapshot 'none' does not exist");
    let missing = lab.delete(&at("/snapshot/none")).data();
    assert_eq!(lab.exit_of(&missing), "snapshot 'none' does not exist");
    lab.get(&at("/snapshot/none/config"))
        .fails(500, "snapshot 'none' does not exist");
    let of_template = lab
        .post("/nodes/pve/qemu/9000/snapshot", &[("snapname", "s1")])
        .data();
    assert_eq!(
        lab.exit_of(&of_template),
        "you can't take a snapshot if it's a template"
    );
    *texts.fail.lock().unwrap() = Some(format!("{DISK}@s2"));
    assert_eq!(lab.exit_of(&snap(&lab, "s2")), "no space left on device");
    let listed = lab.get(&at("/snapshot")).data();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    assert!(config(&lab).get("lock").is_none());
}

#[test]
fn who_may_only_go_back() {
    let (lab, _) = with_clone();
    assert_eq!(lab.exit_of(&snap(&lab, "s1")), "OK");
    let mut seed = seed();
    let may = ["VM.Snapshot.Rollback"];
    seed.tokens
        .push(hl_sim::SeedToken::with_privileges("u@pve!t", "s", &may));
    let mut world = World::seeded(&seed);
    world.vms = lab.server().world().vms.clone();
    world.volumes = lab.server().world().volumes.clone();
    let lab = Setup {
        world,
        ..Setup::default()
    }
    .start()
    .with_token("u@pve!t=s");
    // Rights come before the parameters.
    lab.post(&at("/snapshot"), &[("wings", "2")])
        .fails(403, "Permission check failed (/vms/110, VM.Snapshot)");
    lab.delete(&at("/snapshot/s1"))
        .fails(403, "Permission check failed (/vms/110, VM.Snapshot)");
    lab.get(&at("/snapshot"))
        .fails(403, "Permission check failed (/vms/110, VM.Audit)");
    assert_eq!(lab.post(&at("/snapshot/s1/rollback"), &[]).status, 200);
}

#[test]
fn paused_and_asleep() {
    let (lab, texts) = with_clone();
    let post = |verb: &str, form: &[(&str, &str)]| lab.post(&at(&format!("/status/{verb}")), form);
    let status = || lab.get(&at("/status/current")).data();
    post("suspend", &[]).fails(500, "VM 110 not running");
    lab.done(&post("start", &[]));
    let paused = post("suspend", &[]);
    assert!(paused.data().as_str().unwrap().contains(":qmpause:110:"));
    lab.done(&paused);
    assert_eq!(
        (&status()["status"], &status()["qmpstatus"]),
        (&json!("running"), &json!("paused"))
    );
    lab.get(&at("/agent/get-host-name"))
        .fails(500, "QEMU guest agent is not running");
    lab.done(&post("resume", &[]));
    assert_eq!(status()["qmpstatus"], "running");
    assert_eq!(*texts.paused.lock().unwrap(), [(110, true), (110, false)]);

    let asleep = post("suspend", &[("todisk", "1")]);
    assert!(asleep.data().as_str().unwrap().contains(":qmsuspend:110:"));
    lab.done(&asleep);
    assert_eq!(
        (&status()["status"], &status()["lock"]),
        (&json!("stopped"), &json!("suspended"))
    );
    let state = config(&lab)["vmstate"].as_str().unwrap().to_owned();
    assert!(
        state.starts_with("local-lvm:vm-110-state-suspend-"),
        "{state}"
    );
    lab.delete(&at("")).fails(500, "VM is locked (suspended)");
    lab.done(&post("resume", &[]));
    assert_eq!(status()["status"], "running");
    assert!(config(&lab).get("vmstate").is_none() && config(&lab).get("lock").is_none());
    assert!(
        lab.server()
            .world()
            .volumes
            .iter()
            .all(|volume| volume.volid != state)
    );
    let early = post("suspend", &[("statestorage", "local-lvm")]);
    assert_eq!(early.status, 400);
}
