//! Backups: made, noted, pruned, removed, and brought back.

use std::sync::Arc;

use hl_sim::{Seed, SeedToken, World};
use serde_json::{Value, json};

use super::support::{Lab, Setup, seed, template};
use super::texts::Texts;

const DISK: &str = "local-lvm:vm-110-disk-0";
const CONTENT: &str = "/nodes/pve/storage/local/content";

/// A clone with a clock of its own: each task is a second later.
fn with_clone() -> (Lab, Arc<Texts>) {
    let texts = Arc::new(Texts::default());
    let lab = Setup {
        world: World::seeded(&Seed {
            clock: Some(1_767_323_040),
            ..seed()
        }),
        guests: Arc::<Texts>::clone(&texts),
        ..Setup::default()
    }
    .start();
    template(&lab, 9000);
    let form = [("newid", "110"), ("name", "web"), ("full", "1")];
    lab.done(&lab.post("/nodes/pve/qemu/9000/clone", &form));
    (lab, texts)
}

fn dump(lab: &Lab, more: &[(&str, &str)]) -> Value {
    let mut form = vec![("vmid", "110"), ("compress", "zstd")];
    form.extend(more);
    lab.post("/nodes/pve/vzdump", &form).data()
}

fn archives(lab: &Lab) -> Vec<Value> {
    let listed = lab.get(&format!("{CONTENT}?content=backup")).data();
    listed.as_array().unwrap().clone()
}

fn archive(lab: &Lab) -> String {
    archives(lab).last().unwrap()["volid"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_backup_is_made_and_noted() {
    let (lab, texts) = with_clone();
    texts.write(DISK, "then");
    let upid = dump(&lab, &[("notes-template", "{{guestname}} on {{node}}")]);
    assert!(upid.as_str().unwrap().contains(":vzdump:110:"), "{upid}");
    assert_eq!(lab.exit_of(&upid), "OK");
    let log = lab.log_of(&upid);
    assert!(
        log.contains(&"INFO: backup mode: stop".to_owned()),
        "{log:?}"
    );
    assert!(log.contains(&"INFO: Backup job finished successfully".to_owned()));
    let one = archives(&lab)[0].clone();
    let volid = one["volid"].as_str().unwrap();
    assert!(
        volid.starts_with("local:backup/vzdump-qemu-110-2026_01_02-03_"),
        "{volid}"
    );
    assert!(volid.ends_with(".vma.zst"));
    assert_eq!(
        (&one["format"], &one["subtype"], &one["vmid"]),
        (&json!("vma.zst"), &json!("qemu"), &json!(110))
    );
    assert_eq!(one["notes"], "web on pve");
    assert_eq!(texts.text(&format!("{volid}@scsi0")).unwrap(), "then");
    let config = lab
        .get(&format!("/nodes/pve/vzdump/extractconfig?volume={volid}"))
        .data();
    assert!(config.as_str().unwrap().contains("name: web\n"), "{config}");
    assert!(
        lab.get("/nodes/pve/qemu/110/config")
            .data()
            .get("lock")
            .is_none()
    );

    let path = format!("{CONTENT}/{volid}");
    lab.put(&path, &[("protected", "1"), ("notes", "keep\nthis")])
        .data();
    let one = archives(&lab)[0].clone();
    assert_eq!(
        (&one["protected"], &one["notes"]),
        (&json!(1), &json!("keep"))
    );
    let gone = lab.delete(&path).data();
    let name = volid.trim_start_matches("local:");
    assert_eq!(
        lab.exit_of(&gone),
        format!("cannot remove protected volume '{name}' on 'local'")
    );
    lab.put(&path, &[("protected", "0")]).data();
    lab.done(&lab.delete(&path));
    assert!(archives(&lab).is_empty());
    assert!(
        texts.names().iter().all(|name| !name.contains("vzdump")),
        "{:?}",
        texts.names()
    );
}

#[test]
fn backups_that_fail() {
    let (lab, texts) = with_clone();
    let conflict = lab.post("/nodes/pve/vzdump", &[("vmid", "110"), ("all", "1")]);
    assert_eq!(
        conflict.json()["errors"]["all"],
        "option conflicts with option 'vmid'"
    );
    let odd = lab.post(
        "/nodes/pve/vzdump",
        &[("vmid", "110"), ("notes-template", "a {{wings}}")],
    );
    assert_eq!(
        odd.json()["errors"]["notes-template"],
        "found unknown: variable 'wings' at char 2"
    );
    let wrong = dump(&lab, &[("storage", "local-lvm")]);
    assert_eq!(
        lab.exit_of(&wrong),
        "can't use storage 'local-lvm' for backups - wrong content type"
    );
    let both = lab.post("/nodes/pve/vzdump", &[("vmid", "110,999")]).data();
    assert!(
        both.as_str().unwrap().contains(":vzdump::"),
        "several have no id: {both}"
    );
    assert_eq!(lab.exit_of(&both), "job errors");
    let log = lab.log_of(&both);
    let line = "ERROR: Backup of VM 999 failed - unable to find VM '999'".to_owned();
    assert!(log.contains(&line), "{log:?}");
    assert_eq!(archives(&lab).len(), 1, "the other one is made");
    assert_eq!(
        lab.post(
            "/nodes/pve/vzdump",
            &[("all", "1"), ("exclude", "110,9000")]
        )
        .data(),
        "OK"
    );
    let names = texts.names();
    let next = lab.server().world().volumes.len();
    lab.put("/nodes/pve/qemu/110/config", &[("scsi1", "local-lvm:1")])
        .data();
    texts.remove("local-lvm:vm-110-disk-1");
    let failed = dump(&lab, &[]);
    assert_eq!(lab.exit_of(&failed), "job errors");
    assert_eq!(texts.names(), names, "no copy is left");
    assert_eq!(lab.server().world().volumes.len(), next + 1);
    assert!(
        lab.get("/nodes/pve/qemu/110/config")
            .data()
            .get("lock")
            .is_none()
    );
}

#[test]
fn old_backups_are_pruned() {
    let (lab, _) = with_clone();
    for _ in 0..3 {
        assert_eq!(lab.exit_of(&dump(&lab, &[])), "OK");
    }
    let prune = "/nodes/pve/storage/local/prunebackups?prune-backups=keep-last%3D2";
    let marks = lab.get(prune).data();
    let count = |mark: &str| {
        marks
            .as_array()
            .unwrap()
            .iter()
            .filter(|line| line["mark"] == mark)
            .count()
    };
    assert_eq!((count("keep"), count("remove")), (2, 1), "{marks}");
    let gone = lab.delete(&format!("{prune}&vmid=110"));
    assert!(
        gone.data()
            .as_str()
            .unwrap()
            .contains(":prunebackups:110@local:")
    );
    lab.done(&gone);
    assert_eq!(archives(&lab).len(), 2);
    assert_eq!(
        lab.exit_of(&dump(&lab, &[("prune-backups", "keep-last=1")])),
        "OK"
    );
    assert_eq!(archives(&lab).len(), 1);
    let odd = lab.get("/nodes/pve/storage/local/prunebackups?prune-backups=keep-some%3D2");
    assert_eq!(odd.status, 400);
}

#[test]
fn a_vm_is_brought_back() {
    let (lab, texts) = with_clone();
    texts.write(DISK, "then");
    let before = lab.get("/nodes/pve/qemu/110/config").data();
    assert_eq!(lab.exit_of(&dump(&lab, &[])), "OK");
    let volid = archive(&lab);
    texts.write(DISK, "now");
    let restore = |form: &[(&str, &str)]| {
        let mut all = vec![("archive", volid.as_str())];
        all.extend(form);
        lab.post("/nodes/pve/qemu", &all)
    };
    restore(&[("vmid", "110")]).fails(
        500,
        "unable to restore VM 110 - VM 110 already exists on node 'pve'",
    );
    let drive = restore(&[("vmid", "111"), ("scsi0", "local-lvm:1")]);
    assert_eq!(
        drive.json()["errors"]["scsi0"],
        "option conflicts with option 'archive'"
    );
    lab.done(&lab.post("/nodes/pve/qemu/110/status/start", &[]));
    restore(&[("vmid", "110"), ("force", "1")])
        .fails(500, "unable to restore VM 110 - vm is running");
    lab.done(&lab.post("/nodes/pve/qemu/110/status/stop", &[]));

    let copy = restore(&[
        ("vmid", "111"),
        ("unique", "1"),
        ("name", "twin"),
        ("start", "1"),
    ]);
    assert!(copy.data().as_str().unwrap().contains(":qmrestore:111:"));
    lab.done(&copy);
    assert_eq!(texts.text("local-lvm:vm-111-disk-0").unwrap(), "then");
    let twin = lab.get("/nodes/pve/qemu/111/config").data();
    assert_eq!(
        (&twin["name"], &twin["memory"]),
        (&json!("twin"), &before["memory"])
    );
    assert_eq!(
        twin["ide2"],
        "local-lvm:vm-111-cloudinit,media=cdrom,size=4M"
    );
    assert_ne!(twin["net0"], before["net0"]);
    assert_eq!(
        lab.get("/nodes/pve/qemu/111/status/current").data()["status"],
        "running"
    );

    lab.done(&restore(&[("vmid", "110"), ("force", "1")]));
    assert_eq!(texts.text(DISK).unwrap(), "then");
    let after = lab.get("/nodes/pve/qemu/110/config").data();
    assert_eq!(
        (&after["net0"], &after["ide2"]),
        (&before["net0"], &before["ide2"])
    );
    lab.done(&lab.delete("/nodes/pve/qemu/110"));
    lab.done(&restore(&[("vmid", "110")]));
    lab.post(
        "/nodes/pve/qemu",
        &[("vmid", "112"), ("archive", "local:backup/none.vma")],
    )
    .fails(500, "volume 'local:backup/none.vma' does not exist");
}

#[test]
fn whose_backups_one_may_have() {
    let (first, _) = with_clone();
    assert_eq!(first.exit_of(&dump(&first, &[])), "OK");
    let volid = archive(&first);
    let mut seed = seed();
    let rights = ["Datastore.AllocateSpace", "VM.Allocate"];
    seed.tokens
        .push(SeedToken::with_privileges("u@pve!t", "s", &rights));
    let mut world = World::seeded(&seed);
    world.vms = first.server().world().vms.clone();
    world.volumes = first.server().world().volumes.clone();
    let lab = Setup {
        world,
        ..Setup::default()
    }
    .start()
    .with_token("u@pve!t=s");
    lab.get(&format!("/nodes/pve/vzdump/extractconfig?volume={volid}"))
        .fails(403, "Permission check failed (/vms/110, VM.Backup)");
    lab.post("/nodes/pve/qemu", &[("vmid", "120"), ("archive", &volid)])
        .fails(403, "Permission check failed (/vms/110, VM.Backup)");
    let upid = dump(&lab, &[]);
    let task = format!("/nodes/pve/tasks/{}/status", upid.as_str().unwrap());
    assert_eq!(lab.get(&task).data()["exitstatus"], "job errors");
}
