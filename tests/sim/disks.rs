//! Disks: what is attached, replaced, moved, grown, and what becomes of it.

use std::sync::Arc;

use hl_sim::World;
use serde_json::json;

use super::support::{Lab, Setup, lab, seed, template};
use super::texts::Texts;

fn with_vm() -> Lab {
    let mut seed = seed();
    seed.storages[0].content.push("images".to_owned());
    let lab = lab(&seed);
    template(&lab, 9000);
    lab.done(&lab.post(
        "/nodes/pve/qemu/9000/clone",
        &[("newid", "110"), ("full", "1")],
    ));
    lab
}

fn volumes(lab: &Lab, storage: &str) -> Vec<String> {
    let path = format!("/nodes/pve/storage/{storage}/content?vmid=110");
    let listed = lab.get(&path).data();
    let mut found: Vec<String> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["volid"].as_str().unwrap().to_owned())
        .collect();
    found.sort();
    found
}

#[test]
fn bpg_drops_and_adds_the_cloudinit_drive() {
    let lab = with_vm();
    let path = "/nodes/pve/qemu/110/config";
    lab.put(path, &[("delete", "ide2")]).data();
    assert_eq!(volumes(&lab, "local-lvm"), ["local-lvm:vm-110-disk-0"]);
    lab.put(path, &[("ide2", "file=local-lvm:cloudinit,")])
        .data();
    assert_eq!(
        lab.get(path).data()["ide2"],
        "local-lvm:vm-110-cloudinit,media=cdrom,size=4M"
    );
    lab.put(path, &[("ide0", "local-lvm:cloudinit")])
        .fails(500, "ide0 - cloud-init drive is already attached at 'ide2'");
    // packer sends the same by POST, where it is a task that fails.
    let task = lab
        .post(path, &[("ide0", "local-lvm:cloudinit"), ("name", "no")])
        .data();
    assert_eq!(
        lab.exit_of(&task),
        "ide0 - cloud-init drive is already attached at 'ide2'"
    );
}

#[test]
fn a_cloudinit_drive_has_the_format_that_was_asked_for() {
    let lab = with_vm();
    let form = [
        ("vmid", "120"),
        ("ide2", "file=local:cloudinit,format=raw,"),
    ];
    lab.done(&lab.post("/nodes/pve/qemu", &form));
    let of = |vmid: u32| lab.get(&format!("/nodes/pve/qemu/{vmid}/config")).data()["ide2"].clone();
    assert_eq!(
        of(120),
        "local:120/vm-120-cloudinit.raw,media=cdrom,size=4M"
    );
    let form = [("vmid", "121"), ("ide2", "local:cloudinit")];
    lab.done(&lab.post("/nodes/pve/qemu", &form));
    assert_eq!(
        of(121),
        "local:121/vm-121-cloudinit.qcow2,media=cdrom,size=4M"
    );
    for (from, to, format) in [("120", "122", "raw"), ("121", "123", "qcow2")] {
        let path = format!("/nodes/pve/qemu/{from}/clone");
        lab.done(&lab.post(&path, &[("newid", to), ("full", "1")]));
        let expected = format!("local:{to}/vm-{to}-cloudinit.{format},media=cdrom,size=4M");
        assert_eq!(of(to.parse().unwrap()), expected.as_str());
    }
    let odd = [
        ("vmid", "124"),
        ("ide2", "local-lvm:cloudinit,format=qcow2"),
    ];
    let task = lab.post("/nodes/pve/qemu", &odd).data();
    assert!(lab.exit_of(&task).contains("unsupported format 'qcow2'"));
}

#[test]
fn the_disks_of_firmware_have_the_size_of_what_is_in_them() {
    let lab = with_vm();
    let form = [
        ("vmid", "120"),
        ("efidisk0", "local-lvm:1,efitype=4m"),
        ("tpmstate0", "local-lvm:1,version=v2.0"),
    ];
    lab.done(&lab.post("/nodes/pve/qemu", &form));
    let config = lab.get("/nodes/pve/qemu/120/config").data();
    assert_eq!(
        config["efidisk0"],
        "local-lvm:vm-120-disk-0,efitype=4m,size=4M"
    );
    assert_eq!(
        config["tpmstate0"],
        "local-lvm:vm-120-disk-1,size=4M,version=v2.0"
    );
    for (vmid, drive, size) in [
        ("121", "local:1,efitype=4m,format=qcow2", "528K"),
        ("122", "local:9,efitype=2m", "128K"),
    ] {
        lab.done(&lab.post("/nodes/pve/qemu", &[("vmid", vmid), ("efidisk0", drive)]));
        let config = lab.get(&format!("/nodes/pve/qemu/{vmid}/config")).data();
        let text = config["efidisk0"].as_str().unwrap();
        assert!(text.ends_with(&format!("size={size}")), "{text}");
    }
}

#[test]
fn a_drive_keeps_the_size_of_its_volume() {
    let lab = with_vm();
    let path = "/nodes/pve/qemu/110/config";
    let drive = "file=local-lvm:vm-110-disk-0,size=1073741824,aio=io_uring,backup=1,iothread=0,\
                 ssd=0,discard=ignore,cache=none,replicate=1";
    lab.put(path, &[("scsi0", drive)]).data();
    assert_eq!(
        lab.get(path).data()["scsi0"],
        "local-lvm:vm-110-disk-0,aio=io_uring,backup=1,cache=none,discard=ignore,iothread=0,\
         replicate=1,size=3G,ssd=0"
    );
    lab.put(path, &[("scsi1", "local-lvm:vm-110-disk-7")])
        .fails(500, "volume 'local-lvm:vm-110-disk-7' does not exist");
}

#[test]
fn sizes_only_grow() {
    let lab = with_vm();
    let resize = |disk, size| {
        lab.put(
            "/nodes/pve/qemu/110/resize",
            &[("disk", disk), ("size", size)],
        )
    };
    let task = resize("scsi0", "1G").data();
    assert_eq!(lab.exit_of(&task), "shrinking disks is not supported");
    lab.done(&resize("scsi0", "+1.5G"));
    let config = lab.get("/nodes/pve/qemu/110/config").data();
    assert!(config["scsi0"].as_str().unwrap().ends_with("size=4608M"));
    resize("scsi5", "8G").fails(500, "disk 'scsi5' does not exist");
    resize("wings", "8G").fails(400, "Parameter verification failed.");
    resize("scsi0", "much").fails(400, "Parameter verification failed.");
}

#[test]
fn detached_disks_are_kept_until_they_are_removed() {
    let lab = with_vm();
    let path = "/nodes/pve/qemu/110/config";
    lab.put(path, &[("scsi1", "local-lvm:2")]).data();
    assert_eq!(
        lab.get(path).data()["scsi1"],
        "local-lvm:vm-110-disk-1,size=2G"
    );
    lab.put(path, &[("delete", "scsi1")]).data();
    assert_eq!(lab.get(path).data()["unused0"], "local-lvm:vm-110-disk-1");
    assert!(volumes(&lab, "local-lvm").contains(&"local-lvm:vm-110-disk-1".to_owned()));
    lab.put("/nodes/pve/qemu/110/unlink", &[("idlist", "unused0")])
        .data();
    assert!(!volumes(&lab, "local-lvm").contains(&"local-lvm:vm-110-disk-1".to_owned()));
    assert!(lab.get(path).data().get("unused0").is_none());
}

#[test]
fn disks_move_between_storages() {
    let lab = with_vm();
    let moved = |form: &[(&str, &str)]| lab.post("/nodes/pve/qemu/110/move_disk", form);
    moved(&[("disk", "scsi0"), ("storage", "local-lvm")])
        .fails(500, "you can't move to the same storage with same format");
    let form = [
        ("disk", "scsi0"),
        ("storage", "local"),
        ("format", "qcow2"),
        ("delete", "1"),
    ];
    lab.done(&moved(&form));
    let config = lab.get("/nodes/pve/qemu/110/config").data();
    assert_eq!(
        config["scsi0"],
        "local:110/vm-110-disk-0.qcow2,discard=on,size=3G"
    );
    assert_eq!(volumes(&lab, "local-lvm"), ["local-lvm:vm-110-cloudinit"]);
    let volume = lab
        .get("/nodes/pve/storage/local/content/local:110%2Fvm-110-disk-0.qcow2")
        .data();
    assert_eq!(volume["path"], "/var/lib/vz/images/110/vm-110-disk-0.qcow2");
}

#[test]
fn packers_iso_keeps_its_size_and_media() {
    let mut seed = seed();
    seed.storages[0].files.push(hl_sim::SeedFile {
        name: "iso/x.iso".to_owned(),
        size: 700 << 20,
        disk: 0,
    });
    let lab = lab(&seed);
    let form = [
        ("vmid", "120"),
        ("ide2", "local:iso/x.iso,media=cdrom"),
        ("scsi0", "local-lvm:8,iothread=false"),
        (
            "net0",
            "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=false",
        ),
        ("kvm", "1"),
        ("memory", "512"),
    ];
    lab.done(&lab.post("/nodes/pve/qemu", &form));
    let config = lab.get("/nodes/pve/qemu/120/config").data();
    assert_eq!(config["ide2"], "local:iso/x.iso,media=cdrom,size=700M");
    assert_eq!(
        config["scsi0"],
        "local-lvm:vm-120-disk-0,iothread=0,size=8G"
    );
    assert_eq!(config["kvm"], 1);
    assert_eq!(config["boot"], "order=scsi0;ide2;net0");
    let eject = lab.post(
        "/nodes/pve/qemu/120/config",
        &[("ide2", "none,media=cdrom")],
    );
    lab.done(&eject);
    assert!(
        lab.get("/nodes/pve/storage/local/content?content=iso")
            .data()[0]["volid"]
            == "local:iso/x.iso"
    );
    let missing = [("vmid", "121"), ("ide2", "local:iso/y.iso,media=cdrom")];
    let task = lab.post("/nodes/pve/qemu", &missing).data();
    assert_eq!(
        lab.exit_of(&task),
        "unable to create VM 121 - volume 'local:iso/y.iso' does not exist"
    );
    assert!(!lab.server().world().vms.contains_key(&121));
}

#[test]
fn linked_clones_share_and_guard_their_base() {
    let mut seed = seed();
    seed.storages[1].kind = "zfspool".to_owned();
    let lab = lab(&seed);
    template(&lab, 9000);
    let linked = [("newid", "110"), ("full", "0")];
    lab.done(&lab.post("/nodes/pve/qemu/9000/clone", &linked));
    let config = lab.get("/nodes/pve/qemu/110/config").data();
    assert_eq!(
        config["scsi0"],
        "local-lvm:base-9000-disk-0/vm-110-disk-0,discard=on,size=3G"
    );
    let refused = lab.delete("/nodes/pve/qemu/9000");
    assert_eq!(refused.status, 500);
    assert!(
        refused.reason.starts_with(
            "base volume 'local-lvm:base-9000-disk-0' is still in use by linked cloned"
        ),
        "{refused:?}"
    );
    lab.done(&lab.delete("/nodes/pve/qemu/110"));
    lab.done(&lab.delete("/nodes/pve/qemu/9000"));
    let left = lab.get("/nodes/pve/storage/local-lvm/content").data();
    assert_eq!(left, json!([]));
}

#[test]
fn a_full_storage_fails_the_task_and_leaves_nothing() {
    let mut seed = seed();
    seed.storages[1].kind = "lvm".to_owned();
    seed.storages[1].total = 20 << 30;
    seed.storages[1].used = 0;
    let lab = lab(&seed);
    let form = [
        ("vmid", "120"),
        ("scsi0", "local-lvm:8"),
        ("scsi1", "local-lvm:16"),
    ];
    let task = lab.post("/nodes/pve/qemu", &form).data();
    let exit = lab.exit_of(&task);
    assert!(exit.contains("insufficient free space"), "{exit}");
    let world = lab.server().world();
    assert!(world.vms.is_empty() && world.volumes.is_empty());
}

/// Guests whose disks hold a text each, with a second storage for disks.
fn with_texts() -> (Lab, Arc<Texts>) {
    let texts = Arc::new(Texts::default());
    let mut seed = seed();
    seed.storages[0].content.push("images".to_owned());
    let lab = Setup {
        world: World::seeded(&seed),
        guests: Arc::<Texts>::clone(&texts),
        ..Setup::default()
    }
    .start();
    template(&lab, 9000);
    for (newid, name) in [("110", "web"), ("111", "db")] {
        let form = [("newid", newid), ("name", name), ("full", "1")];
        lab.done(&lab.post("/nodes/pve/qemu/9000/clone", &form));
    }
    (lab, texts)
}

/// What the guest writes after the move is on the disk that its config names.
#[test]
fn a_disk_of_a_running_machine_moves_with_it() {
    let (lab, texts) = with_texts();
    let (old, new) = ("local-lvm:vm-110-disk-0", "local:110/vm-110-disk-0.qcow2");
    texts.write(old, "live");
    lab.done(&lab.post("/nodes/pve/qemu/110/status/start", &[]));
    let to = |storage, more: &[(&str, &str)]| {
        let mut form = vec![("disk", "scsi0"), ("storage", storage)];
        form.extend(more);
        lab.post("/nodes/pve/qemu/110/move_disk", &form)
    };
    // Where it cannot be copied, it stays what it was.
    *texts.fail.lock().unwrap() = Some(old.to_owned());
    let failed = to("local", &[("format", "qcow2")]).data();
    assert_eq!(
        lab.exit_of(&failed),
        "storage migration failed: no space left on device"
    );
    assert_eq!(texts.text(old).as_deref(), Some("live"));
    *texts.fail.lock().unwrap() = None;

    let moved = to("local", &[("format", "qcow2")]);
    assert!(moved.data().as_str().unwrap().contains(":qmmove:110:"));
    lab.done(&moved);
    let config = || lab.get("/nodes/pve/qemu/110/config").data();
    assert_eq!(config()["scsi0"], format!("{new},discard=on,size=3G"));
    assert_eq!(config()["unused0"], old);
    // The guest has the disk that was renamed under it; the old one is a copy.
    assert_eq!(
        texts.renamed().last().unwrap(),
        &(old.to_owned(), new.to_owned())
    );
    assert_eq!(texts.text(old).as_deref(), Some("live"));
    assert_eq!(texts.text(new).as_deref(), Some("live"));
    let status = lab.get("/nodes/pve/qemu/110/status/current").data();
    assert_eq!(status["status"], "running");

    lab.done(&to("local-lvm", &[("delete", "1")]));
    let again = "local-lvm:vm-110-disk-1";
    assert_eq!(config()["scsi0"], format!("{again},discard=on,size=3G"));
    assert_eq!(texts.text(again).as_deref(), Some("live"));
    assert!(texts.text(new).is_none());
    let form = [
        ("vmid", "112"),
        ("tpmstate0", "local-lvm:1"),
        ("start", "1"),
    ];
    lab.done(&lab.post("/nodes/pve/qemu", &form));
    let form = [("disk", "tpmstate0"), ("storage", "local")];
    lab.post("/nodes/pve/qemu/112/move_disk", &form)
        .fails(500, "cannot move TPM state while VM is running");
}

#[test]
fn a_disk_goes_to_another_machine() {
    let (lab, texts) = with_texts();
    lab.done(&lab.post(
        "/nodes/pve/qemu/110/config",
        &[("scsi1", "local-lvm:2,ssd=1")],
    ));
    texts.write("local-lvm:vm-110-disk-1", "data");
    let reassign = |form: &[(&str, &str)]| lab.post("/nodes/pve/qemu/110/move_disk", form);
    let both = "both 'storage' and 'target-vmid' missing, either needs to be set";
    let errors = reassign(&[("disk", "scsi1")]).json()["errors"].clone();
    assert_eq!(errors, json!({"storage": both, "target-vmid": both}));
    let form = [
        ("disk", "scsi1"),
        ("storage", "local"),
        ("target-vmid", "111"),
    ];
    let error = reassign(&form).json()["errors"]["storage"].clone();
    assert_eq!(error, "either set 'storage' or 'target-vmid', but not both");
    let own = reassign(&[("disk", "scsi1"), ("target-vmid", "110")]);
    assert_eq!(
        own.json()["errors"]["target-vmid"],
        "must be different than source VMID to reassign disk"
    );
    for (disk, target, said) in [
        ("scsi1", "999", "could not find VM 999"),
        ("scsi1", "9000", "Can't move disks from or to template VMs"),
        ("scsi9", "111", "Disk 'scsi9' for VM '110' does not exist"),
        (
            "scsi0",
            "111",
            "Target disk key 'scsi0' is already in use for VM '111'",
        ),
    ] {
        reassign(&[("disk", disk), ("target-vmid", target)]).fails(500, said);
    }
    lab.done(&lab.post("/nodes/pve/qemu/110/status/start", &[]));
    let form = [("disk", "scsi1"), ("target-vmid", "111")];
    reassign(&form).fails(
        500,
        "Cannot move disk to another VM while the source VM is running - detach first",
    );
    lab.done(&lab.post("/nodes/pve/qemu/110/status/stop", &[]));
    lab.done(&reassign(
        &[&form[..], &[("target-disk", "virtio3")]].concat(),
    ));
    let config = |vmid: &str| lab.get(&format!("/nodes/pve/qemu/{vmid}/config")).data();
    assert!(config("110").get("scsi1").is_none());
    assert_eq!(
        config("111")["virtio3"],
        "local-lvm:vm-111-disk-1,size=2G,ssd=1"
    );
    assert_eq!(
        texts.text("local-lvm:vm-111-disk-1").as_deref(),
        Some("data")
    );
    assert!(texts.text("local-lvm:vm-110-disk-1").is_none());
    let owned = lab
        .get("/nodes/pve/storage/local-lvm/content?vmid=111")
        .data();
    assert_eq!(owned.as_array().unwrap().len(), 3, "{owned}");
}
