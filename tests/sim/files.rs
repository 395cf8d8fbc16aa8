//! ISOs and images: uploaded, "downloaded", removed.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

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
    // By the rights on one storage, nothing of another is removed.
    let elsewhere = lab.delete("/nodes/pve/storage/local-lvm/content/local:iso%2Fx.iso");
    assert_eq!(elsewhere.json()["errors"]["volume"], "storage ID missmatch");
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

/// A server of one file on loopback.
fn vendor(body: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut first = String::new();
            stream.read_line(&mut first).unwrap();
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let (status, body) = if first.contains("/there.") {
                ("200 OK", body)
            } else if first.contains("/away.") {
                (
                    "302 Found\r\nLocation: http://cloud.example/there.iso",
                    &b""[..],
                )
            } else {
                ("404 Not Found", &b"no"[..])
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let stream = stream.get_mut();
            stream.write_all(head.as_bytes()).unwrap();
            if !first.starts_with("HEAD") {
                stream.write_all(body).unwrap();
            }
        }
    });
    url
}

#[test]
fn a_url_of_this_machine_is_fetched() {
    let lab = lab(&seed());
    let vendor = vendor(b"abc");
    let path = "/nodes/pve/storage/local/download-url";
    let load = |file: &str, name: &str, sum: Option<&str>| {
        let url = format!("{vendor}/{file}");
        let mut form = vec![
            ("url", url.as_str()),
            ("content", "iso"),
            ("filename", name),
        ];
        form.extend(sum.map(|sum| ("checksum", sum)));
        form.extend(sum.map(|_| ("checksum-algorithm", "sha256")));
        lab.post(path, &form).data()
    };
    let meta = |file: &str| {
        lab.get(&format!(
            "/nodes/pve/query-url-metadata?url={vendor}/{file}"
        ))
    };
    assert_eq!(
        meta("there.iso?x=1").data(),
        json!({"filename": "there.iso", "size": 3, "mimetype": "text/plain"})
    );
    meta("gone.iso").fails(500, "invalid server response: '404 Not Found'");
    let nobody = lab.get("/nodes/pve/query-url-metadata?url=http://127.0.0.1:1/x.iso");
    nobody.fails(
        500,
        "invalid server response: '500 Can't connect to 127.0.0.1:1 (Connection refused)'",
    );

    assert_eq!(lab.exit_of(&load("there.iso", "a.iso", Some(ABC))), "OK");
    let listed = lab
        .get("/nodes/pve/storage/local/content?content=iso")
        .data();
    assert_eq!(listed[0]["size"], 3);
    // The same again is there already, another is in the way.
    assert_eq!(lab.exit_of(&load("there.iso", "a.iso", Some(ABC))), "OK");
    let other = "0".repeat(64);
    let exit = lab.exit_of(&load("there.iso", "a.iso", Some(&other)));
    assert_eq!(
        exit,
        format!("checksum mismatch: got '{ABC}' != expect '{other}', aborting")
    );
    let exit = lab.exit_of(&load("there.iso", "b.iso", Some(&other)));
    assert_eq!(
        exit,
        format!("checksum mismatch: got '{ABC}' != expect '{other}'")
    );
    let exit = lab.exit_of(&load("gone.iso", "b.iso", None));
    assert!(
        exit.contains("failed: exit code 8 (404 Not Found)"),
        "{exit}"
    );
    // No other machine is reached, not even by a redirect.
    let exit = lab.exit_of(&load("away.iso", "b.iso", None));
    assert!(
        exit.contains("exit code 4 (the redirect leaves this machine"),
        "{exit}"
    );
    let left = lab.server().world().volumes;
    assert_eq!(left.len(), 1, "{left:?}");
}

/// What a world has a file for is as large as that file, and has its checksum; what
/// it has none for is nowhere.
#[test]
fn a_url_of_another_machine_is_a_file_of_the_world_or_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("debian.iso");
    std::fs::write(&file, "abc").unwrap();
    let known = "https://cloud.example/debian.iso";
    let mut seed = seed();
    seed.downloads.taken = false;
    seed.downloads
        .files
        .extend([known, "https://cloud.example/gone.iso"].map(|url| {
            let path = if url == known {
                file.clone()
            } else {
                folder.path().join("gone")
            };
            (url.to_owned(), path)
        }));
    let lab = lab(&seed);
    let load = |url: &str, name: &str, sum: &str| {
        let form = [
            ("url", url),
            ("content", "iso"),
            ("filename", name),
            ("checksum", sum),
            ("checksum-algorithm", "sha256"),
        ];
        let task = lab.post("/nodes/pve/storage/local/download-url", &form);
        lab.exit_of(&task.data())
    };
    let meta = |url: &str| lab.get(&format!("/nodes/pve/query-url-metadata?url={url}"));
    assert_eq!(meta(known).data()["size"], 3);
    assert_eq!(load(known, "a.iso", ABC), "OK");
    let listed = lab
        .get("/nodes/pve/storage/local/content?content=iso")
        .data();
    assert_eq!(listed[0]["size"], 3);
    let other = "0".repeat(64);
    assert_eq!(
        load(known, "b.iso", &other),
        format!("checksum mismatch: got '{ABC}' != expect '{other}'")
    );
    let gone = load("https://cloud.example/gone.iso", "b.iso", ABC);
    assert!(gone.contains("exit code 8 (No such file"), "{gone}");
    meta("https://cloud.example/gone.iso").fails(500, "invalid server response: '404 Not Found'");
    let nowhere = "https://cloud.example/other.iso";
    let exit = load(nowhere, "b.iso", ABC);
    assert!(
        exit.contains("exit code 4 (Name or service not known"),
        "{exit}"
    );
    meta(nowhere).fails(
        500,
        "invalid server response: '500 Can't connect to cloud.example:443 (Name or service not known)'",
    );
    assert_eq!(lab.server().world().volumes.len(), 1);
}

#[test]
fn the_fields_of_an_upload_are_limited() {
    let lab = lab(&seed());
    let send = |form: Form| {
        let request = lab.request("POST", "/nodes/pve/storage/local/upload");
        read(request.multipart(form).send().unwrap())
    };
    let file = || Part::bytes(b"abc".to_vec()).file_name("x.iso");
    let kib = |count: usize| "x".repeat(count << 10);
    let one = Form::new()
        .text("content", kib(20 << 10))
        .part("filename", file());
    let many = (0..600).fold(Form::new(), |form, number| {
        form.text(format!("f{number}"), kib(1))
    });
    for form in [one, many.part("filename", file())] {
        send(form).fails(
            400,
            "upload failed: the fields beside the file are longer than 512 KiB",
        );
    }
    // Nor is the head of a part without end.
    let named = Part::bytes(b"abc".to_vec()).file_name(kib(10 << 10));
    let request = lab.request("POST", "/nodes/pve/storage/local/upload");
    let form = Form::new().text("content", "iso").part("filename", named);
    // A client that is still writing may not see the answer.
    if let Ok(response) = request.multipart(form).send() {
        assert_eq!(read(response).status, 400);
    }
    assert!(lab.server().world().volumes.is_empty());
    let right = Form::new().text("content", "iso").part("filename", file());
    lab.done(&send(right));
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
