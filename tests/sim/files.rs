//! ISOs and images: uploaded, "downloaded", removed.

use reqwest::blocking::multipart::{Form, Part};
use serde_json::json;

use super::support::{Lab, Reply, lab, read, seed};

fn upload(lab: &Lab, content: &str, name: &str, bytes: &[u8], sum: Option<&str>) -> Reply {
    let mut form = Form::new().text("content", content.to_owned());
    if let Some(sum) = sum {
        form = form
            .text("checksum-algorithm", "sha256")
            .text("checksum", sum.to_owned());
    }
    let form = form.part(
        "filename",
        Part::bytes(bytes.to_vec()).file_name(name.to_owned()),
    );
    let request = lab.request("POST", "/nodes/pve/storage/local/upload");
    read(request.multipart(form).send().unwrap())
}

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn uploads_are_hashed_and_listed() {
    let lab = lab(&seed());
    lab.done(&upload(&lab, "iso", "x.iso", b"abc", Some(ABC)));
    let listed = lab
        .get("/nodes/pve/storage/local/content?content=iso")
        .data();
    assert_eq!(listed[0]["volid"], "local:iso/x.iso");
    assert_eq!(listed[0]["size"], 3);
    let world = lab.server().world();
    assert_eq!(
        world.volumes[0].checksum.as_deref(),
        Some(&*format!("sha256:{ABC}"))
    );
    assert_eq!(world.volumes[0].text.as_deref(), Some("abc"));
    let wrong = upload(&lab, "iso", "y.iso", b"abd", Some(ABC)).data();
    assert!(lab.exit_of(&wrong).starts_with("checksum mismatch: got '"));
    let named = upload(&lab, "iso", "x.txt", b"abc", None);
    named.fails(400, "Parameter verification failed.");
    assert_eq!(named.json()["errors"]["filename"], "wrong file extension");
    // More than a plain body may hold.
    lab.done(&upload(
        &lab,
        "import",
        "big.qcow2",
        &vec![0; 3 << 20],
        None,
    ));
    let path = "/nodes/pve/storage/local/content/local:iso%2Fx.iso";
    assert_eq!(
        lab.get(path).data()["path"],
        "/var/lib/vz/template/iso/x.iso"
    );
    lab.done(&lab.delete(path));
    assert_eq!(lab.get(path).status, 500);
}

#[test]
fn a_download_is_taken_as_done() {
    let lab = lab(&seed());
    let url = "https://cloud.example/images/debian-13.qcow2";
    let meta = lab
        .get(&format!("/nodes/pve/query-url-metadata?url={url}"))
        .data();
    assert_eq!(meta["filename"], "debian-13.qcow2");
    let path = "/nodes/pve/storage/local/download-url";
    let form = [
        ("url", url),
        ("content", "import"),
        ("filename", "debian-13.qcow2"),
        ("checksum", ABC),
        ("checksum-algorithm", "sha256"),
        ("node", "pve"),
        ("storage", "local"),
    ];
    let task = lab.post(path, &form).data();
    assert_eq!(lab.exit_of(&task), "OK");
    let log = lab.log_of(&task);
    assert!(
        log.contains(&"simulated: taken as downloaded".to_owned()),
        "{log:?}"
    );
    let listed = lab
        .get("/nodes/pve/storage/local/content?content=import")
        .data();
    assert_eq!(listed[0]["volid"], "local:import/debian-13.qcow2");
    assert_eq!(
        listed[0]["size"], meta["size"],
        "bpg compares the two at each refresh"
    );
    lab.done(&lab.post(path, &form));
    let again = lab.post(path, &form[..3]).data();
    assert!(
        lab.exit_of(&again)
            .starts_with("refusing to override existing file")
    );
    let half = lab.post(path, &form[..4]);
    half.fails(400, "Parameter verification failed.");

    let made = [
        ("vmid", "120"),
        (
            "virtio0",
            "file=local-lvm:0,import-from=local:import/debian-13.qcow2,size=21474836480",
        ),
        ("boot", "order=virtio0;net0"),
    ];
    lab.done(&lab.post("/nodes/pve/qemu", &made));
    let config = lab.get("/nodes/pve/qemu/120/config").data();
    assert_eq!(config["virtio0"], "local-lvm:vm-120-disk-0,size=3G");
}

#[test]
fn storages_that_do_not_take_a_file() {
    let mut seed = seed();
    seed.storages[0].content.retain(|kind| kind != "import");
    let lab = lab(&seed);
    let form = [
        ("url", "https://h/x.qcow2"),
        ("content", "import"),
        ("filename", "x.qcow2"),
    ];
    lab.post("/nodes/pve/storage/local/download-url", &form)
        .fails(
            500,
            "storage 'local' not configured for content type 'import'",
        );
    let lvm = lab.post("/nodes/pve/storage/local-lvm/download-url", &form);
    lvm.fails(400, "Parameter verification failed.");
    let text = lvm.json()["errors"]["storage"].as_str().unwrap().to_owned();
    assert!(text.contains("not a file based storage"), "{text}");
    lab.post("/nodes/pve/storage/nowhere/download-url", &form)
        .fails(500, "storage 'nowhere' does not exist");
}

#[test]
fn packers_old_way_to_make_a_disk() {
    let lab = lab(&seed());
    let path = "/nodes/pve/storage/local-lvm/content";
    let form = [
        ("vmid", "120"),
        ("filename", "vm-120-disk-1"),
        ("size", "8G"),
    ];
    let made = lab.post(path, &form).data();
    assert_eq!(made, json!("local-lvm:vm-120-disk-1"));
    let form = [("vmid", "120"), ("filename", "other"), ("size", "8G")];
    assert_eq!(
        lab.post(path, &form).reason,
        "illegal name 'other' - should be 'vm-120-*'"
    );
    let used = [("vmid", "120"), ("scsi0", "local-lvm:vm-120-disk-1")];
    lab.done(&lab.post("/nodes/pve/qemu", &used));
    let config = lab.get("/nodes/pve/qemu/120/config").data();
    assert_eq!(config["scsi0"], "local-lvm:vm-120-disk-1,size=8G");
}
