//! A node's own command line, without a node: what each program says and does, and what
//! the socket lets in.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hl_sim::{CommandReply, CommandRequest, REQUEST_LIMIT, SeedFile, World};
use serde_json::{Value, json};

use super::faults::faults;
use super::folders::Folders;
use super::support::{Lab, Setup, lab, seed, template};

fn ask(lab: &Lab, line: &str) -> CommandReply {
    let words = line.split(' ').map(str::to_owned).collect();
    let node = lab.server().command_line("pve").unwrap();
    node.run(&CommandRequest {
        argv: words,
        cwd: "/root".to_owned(),
    })
}

#[track_caller]
fn ok(lab: &Lab, line: &str) -> String {
    let reply = ask(lab, line);
    assert_eq!(
        (reply.code, reply.err.as_str()),
        (0, ""),
        "{line}: {reply:?}"
    );
    reply.out
}

#[track_caller]
fn fails(lab: &Lab, line: &str, said: &str) {
    let reply = ask(lab, line);
    assert_eq!(reply.code, 255, "{line}: {reply:?}");
    assert!(reply.err.contains(said), "{line}: {reply:?}");
}

fn with_image() -> Lab {
    let mut seed = seed();
    seed.storages[0].files.push(SeedFile {
        name: "iso/debian.img".to_owned(),
        size: 400 << 20,
        disk: 2 << 30,
    });
    lab(&seed)
}

/// Word for word what the bpg provider reads.
#[test]
fn an_image_becomes_a_disk_of_a_machine() {
    let lab = with_image();
    ok(&lab, "qm create 100 --name web");
    let path = ok(&lab, "pvesm path local:iso/debian.img");
    assert_eq!(path, "/var/lib/vz/template/iso/debian.img\n");
    let said = ok(
        &lab,
        "qm disk import 100 /var/lib/vz/template/iso/debian.img local-lvm -format qcow2",
    );
    let line = said.lines().find(|line| line.contains("unused0")).unwrap();
    let name = line.split(':').nth(2).unwrap().split('\'').next().unwrap();
    assert_eq!(name, "vm-100-disk-0", "{said}");
    let config = lab.get("/nodes/pve/qemu/100/config").data();
    assert_eq!(config["unused0"], "local-lvm:vm-100-disk-0");
    let said = ok(&lab, "qm set 100 -scsi0 local-lvm:vm-100-disk-0,ssd=on");
    assert_eq!(
        said,
        "update VM 100: -scsi0 local-lvm:vm-100-disk-0,ssd=on\n"
    );
    let config = ok(&lab, "qm config 100");
    assert!(
        config.contains("scsi0: local-lvm:vm-100-disk-0,size=2G,ssd=1\n"),
        "{config}"
    );
    assert!(
        !config.contains("unused0") && !config.contains("digest"),
        "{config}"
    );
    ok(&lab, "qm disk resize 100 scsi0 8G");
    let second = ok(&lab, "qm importdisk 100 local:iso/debian.img local-lvm");
    assert!(second.contains("'local-lvm:vm-100-disk-1'"), "{second}");
    fails(
        &lab,
        "qm importdisk 100 /etc/shadow local-lvm",
        "/etc/shadow: non-existent or non-regular file",
    );
    fails(
        &lab,
        "qm importdisk 100 local:iso/debian.img local",
        "storage local does not support vm images",
    );
    fails(
        &lab,
        "qm importdisk 999 local:iso/debian.img local-lvm",
        "Configuration file 'nodes/pve/",
    );
    let disks = lab.get("/nodes/pve/storage/local-lvm/content").data();
    assert_eq!(disks.as_array().unwrap().len(), 2, "{disks}");
}

#[test]
fn machines_are_started_cloned_and_removed() {
    let lab = lab(&seed());
    template(&lab, 9000);
    let said = ok(&lab, "qm clone 9000 101 --name two --full");
    assert!(!said.contains("TASK"), "{said}");
    ok(&lab, "qm start 101");
    assert_eq!(ok(&lab, "qm status 101"), "status: running\n");
    fails(&lab, "qm start 101", "already running");
    assert_eq!(ok(&lab, "qm guest cmd 101 ping"), "{}\n");
    ok(&lab, "qm snapshot 101 first --description before");
    assert!(ok(&lab, "qm listsnapshot 101").starts_with("`-> first "));
    ok(&lab, "qm stop 101");
    ok(&lab, "qm rollback 101 first");
    ok(&lab, "qm delsnapshot 101 first");
    ok(&lab, "qm destroy 101 --purge");
    fails(&lab, "qm status 101", "does not exist");
    for (line, said) in [
        ("qm", "ERROR: no command specified"),
        ("qm fly 1", "ERROR: unknown command 'qm fly'"),
        ("qm start", "400 not enough arguments\nqm start <vmid>"),
        ("qm start 1 2", "400 too many arguments"),
        ("qm start 100 --wings 2", "Unknown option: wings"),
        ("qm start x", "400 Parameter verification failed.\nvmid: "),
        ("qm set 9000 --memory none", "memory: invalid format"),
        ("rm -rf /", "rm: not part of a simulated node"),
    ] {
        fails(&lab, line, said);
    }
    let usage = ok(&lab, "qm --help");
    assert!(
        usage.contains("qm disk import <vmid> <source> <storage>"),
        "{usage}"
    );
}

#[test]
fn storages_are_told_and_changed() {
    let lab = lab(&seed());
    let status = ok(&lab, "pvesm status");
    assert!(status.starts_with("Name "), "{status}");
    assert!(
        status.contains("\nlocal-lvm    lvmthin     active "),
        "{status}"
    );
    ok(&lab, "qm create 100");
    let said = ok(&lab, "pvesm alloc local-lvm 100 vm-100-disk-7 1G");
    assert_eq!(said, "successfully created 'local-lvm:vm-100-disk-7'\n");
    assert!(
        ok(&lab, "pvesm list local-lvm")
            .contains("local-lvm:vm-100-disk-7 raw     images    1073741824 100")
    );
    assert_eq!(
        ok(&lab, "pvesm path local-lvm:vm-100-disk-7"),
        "/dev/pve/vm-100-disk-7\n"
    );
    let said = ok(&lab, "pvesm free local-lvm:vm-100-disk-7");
    assert_eq!(said, "Removed volume 'local-lvm:vm-100-disk-7'\n");
    ok(
        &lab,
        "pvesm add dir tank --path /mnt/tank --content images,snippets",
    );
    assert_eq!(
        ok(&lab, "pvesm path tank:snippets/a.yaml"),
        "/mnt/tank/snippets/a.yaml\n"
    );
    ok(&lab, "pvesm set tank --disable");
    assert!(ok(&lab, "pvesm status").contains("disabled"));
    ok(&lab, "pvesm remove tank");
    fails(&lab, "pvesm path tank:x", "storage 'tank' does not exist");
    fails(
        &lab,
        "pvesm path nonsense",
        "unable to parse volume ID 'nonsense'",
    );
    assert!(ok(&lab, "pvesm apiinfo").starts_with("APIVER 13\n"));
}

#[test]
fn people_get_rights_and_tokens_that_hold() {
    let lab = lab(&seed());
    for line in [
        "pveum role add Starter --privs VM.Audit,VM.PowerMgmt",
        "pveum user add ann@pve --comment made",
        "pveum acl modify /vms --roles Starter --users ann@pve",
        "pveum group add ops",
        "pveum usermod ann@pve --groups ops",
        "pveum passwd ann@pve --password long-enough",
    ] {
        assert_eq!(ok(&lab, line), "", "{line}");
    }
    let made = ok(
        &lab,
        "pveum user token add ann@pve ci --privsep 0 --output-format json",
    );
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["full-tokenid"], "ann@pve!ci");
    let secret = made["value"].as_str().unwrap();
    let ticket = ok(&lab, "pveum ticket ann@pve --password long-enough");
    assert!(ticket.starts_with("PVE:ann@pve:"), "{ticket}");
    fails(
        &lab,
        "pveum ticket ann@pve --password wrong",
        "authentication failure",
    );
    ok(
        &lab,
        "pveum user token modify ann@pve ci --comment by-hand --output-format json",
    );
    assert!(ok(&lab, "pveum realm list").contains("│ pam "));
    fails(
        &lab,
        "pveum realm sync pve",
        "Cannot sync realm type 'pve'! Only LDAP/AD realms can be synced.",
    );
    let rights = ok(
        &lab,
        "pveum user token permissions ann@pve ci --path /vms --output-format json",
    );
    assert!(rights.contains("VM.PowerMgmt"), "{rights}");
    let users = ok(&lab, "pveum user list --noborder --noheader");
    assert!(users.contains("ann@pve"), "{users}");
    let list = ok(&lab, "pveum user token list ann@pve");
    assert!(list.starts_with('┌') && list.contains("│ ci "), "{list}");
    let ann = lab.with_token(&format!("ann@pve!ci={secret}"));
    ann.get("/nodes/pve/qemu").data();
    assert_eq!(ann.post("/nodes/pve/qemu", &[("vmid", "100")]).status, 403);
    for line in [
        "pveum user token remove ann@pve ci",
        "pveum acl delete /vms --roles Starter --users ann@pve",
        "pveum user delete ann@pve",
        "pveum role delete Starter",
        "pveum group delete ops",
    ] {
        assert_eq!(ok(&ann, line), "", "{line}");
    }
}

#[test]
fn the_api_is_there_by_its_paths() {
    let lab = lab(&seed());
    let version = ok(&lab, "pvesh get /version --output-format json");
    assert_eq!(version.lines().count(), 1);
    assert_eq!(
        serde_json::from_str::<Value>(&version).unwrap()["release"],
        "9.1"
    );
    assert!(ok(&lab, "pvesh get version").contains("│ release │ 9.1"));
    let said = ok(
        &lab,
        "pvesh create /nodes/pve/qemu -vmid 100 -name web --output-format json",
    );
    assert!(
        said.trim_end()
            .rsplit('\n')
            .next()
            .unwrap()
            .starts_with("\"UPID:pve:"),
        "{said}"
    );
    assert_eq!(
        ok(&lab, "pvesh set /nodes/pve/qemu/100/config --onboot 1"),
        ""
    );
    assert!(ok(&lab, "qm config 100").contains("onboot: 1\n"));
    let listed = ok(&lab, "pvesh ls /nodes/pve/qemu");
    assert_eq!(listed, "Dr--d        100\n");
    assert!(ok(&lab, "pvesh ls /").contains("Dr---        access\n"));
    assert!(ok(&lab, "pvesh usage /nodes/pve/qemu").contains("--vmid <value>"));
    ok(&lab, "pvesh delete /nodes/pve/qemu/100");
    for (line, said) in [
        ("pvesh get /foo", "no such resource '/foo'"),
        (
            "pvesh create /version",
            "no 'create' handler for '/version'",
        ),
        (
            "pvesh create /nodes/pve/qemu",
            "400 Parameter verification failed.\nvmid: ",
        ),
        (
            "pvesh get /nodes/other/qemu",
            "hostname lookup 'other' failed",
        ),
        ("pvesh get /version x", "400 too many arguments"),
        (
            "pvesh create /nodes/pve/storage/local/upload --content iso",
            "over HTTP",
        ),
    ] {
        fails(&lab, line, said);
    }
    // What is not there is counted, as of any other client.
    let missing = lab.server().not_implemented();
    assert!(
        missing.iter().any(|(call, _)| call == "GET /foo"),
        "{missing:?}"
    );
}

const TEMPLATE: &str = "debian-13-standard_13.1-2_amd64.tar.zst";

/// A node with a container, whose files are its own.
fn with_container() -> (Lab, Arc<Folders>) {
    let folders = Arc::new(Folders::default());
    let lab = Setup {
        guests: Arc::<Folders>::clone(&folders),
        ..Setup::default()
    }
    .start();
    let form = [("storage", "local"), ("template", TEMPLATE)];
    lab.done(&lab.post("/nodes/pve/aplinfo", &form));
    // By its path, as root of a node may name it.
    let line = format!(
        "pct create 200 /var/lib/vz/template/cache/{TEMPLATE} -storage local-lvm -hostname web"
    );
    ok(&lab, &line);
    (lab, folders)
}

#[test]
fn containers_live_at_the_command_line() {
    let lab = lab(&seed());
    assert_eq!(ok(&lab, "pct list"), "");
    let missing = "Configuration file 'nodes/pve/lxc/200.conf' does not exist";
    for line in [
        "pct start 200",
        "pct exec 200 -- id",
        "pct push 200 /etc/hosts /etc/hosts",
        "pct pull 200 /etc/hosts /root/hosts",
    ] {
        fails(&lab, line, missing);
    }
    let (lab, _) = with_container();
    ok(&lab, "pct set 200 -mp0 local-lvm:2,mp=/data,backup=1");
    let config = ok(&lab, "pct config 200");
    let mount = "mp0: local-lvm:vm-200-disk-1,mp=/data,backup=1,size=2G\n";
    assert!(config.contains(mount), "{config}");
    ok(&lab, "pct start 200");
    assert!(ok(&lab, "pct list").contains("running"));
    ok(&lab, "pct set 200 --delete mp0");
    assert!(ok(&lab, "pct pending 200").contains("del mp0: "));
    ok(&lab, "pct stop 200");
    assert!(ok(&lab, "pct config 200").contains("unused0: local-lvm:vm-200-disk-1\n"));
    ok(&lab, "pct destroy 200");
}

#[test]
fn files_go_into_containers_and_come_out() {
    let (lab, folders) = with_container();
    let node = 1;
    folders.put(node, "/root/app.conf", b"port = 1\n");
    fails(
        &lab,
        "pct push 200 app.conf /etc/app.conf",
        "can only push files to a running CT",
    );
    fails(
        &lab,
        "pct pull 200 /etc/app.conf copy",
        "can only pull files from a running VM",
    );
    ok(&lab, "pct start 200");
    let push = "pct push 200 app.conf etc/app.conf --perms 640 --user ops --group 7";
    assert_eq!(ok(&lab, push), "");
    let there = folders.file(200, "/etc/app.conf").unwrap();
    assert_eq!(there.content, b"port = 1\n");
    assert_eq!(
        (there.mode.as_str(), there.owner.as_str()),
        ("640", "1000:7")
    );
    assert_eq!(ok(&lab, "pct pull 200 /etc/app.conf copy"), "");
    assert_eq!(folders.text(node, "/root/copy").unwrap(), "port = 1\n");
    folders.put(node, "/root/large", &vec![0; (1 << 20) + 1]);
    for (line, said) in [
        (
            "pct push 200 /etc/nothing /x",
            "failed to open /etc/nothing for reading",
        ),
        (
            "pct pull 200 /etc/nothing /x",
            "failed to open /etc/nothing: No such file or directory",
        ),
        (
            "pct push 200 app.conf /etc/",
            "failed to create file: /etc/",
        ),
        (
            "pct push 200 app.conf /x --user nobody-here",
            "failed to get uid for: nobody-here",
        ),
        ("pct push 200 app.conf /x --perms rw", "invalid mode: 'rw'"),
        ("pct push 200 large /x", "/root/large is larger than 1M"),
        ("pct push 200 app.conf", "400 not enough arguments"),
    ] {
        fails(&lab, line, said);
    }
    assert!(folders.file(200, "/x").is_none());
    let tasks = lab.get("/nodes/pve/tasks").data();
    let kinds: Vec<&str> = tasks
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["type"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"push_file") && kinds.contains(&"pull_file"));
}

#[test]
fn backups_are_made_and_brought_back() {
    let (lab, _) = with_container();
    ok(&lab, "qm create 100 --name web --scsi0 local-lvm:1");
    let said = ok(&lab, "vzdump 100 200 --storage local --compress zstd");
    assert!(said.contains("Finished Backup of VM 100"), "{said}");
    let archives = lab
        .get("/nodes/pve/storage/local/content?content=backup")
        .data();
    let of = |kind: &str| {
        let mut all = archives.as_array().unwrap().iter();
        let found = all.find(|archive| archive["subtype"] == kind).unwrap();
        found["volid"].as_str().unwrap().to_owned()
    };
    ok(&lab, &format!("qmrestore {} 101 --unique 1", of("qemu")));
    assert!(ok(&lab, "qm config 101").contains("scsi0: local-lvm:vm-101-disk-0,size=1G\n"));
    let path = ok(&lab, &format!("pvesm path {}", of("qemu")));
    ok(
        &lab,
        &format!("qmrestore {} 102 --storage local-lvm", path.trim_end()),
    );
    let path = ok(&lab, &format!("pvesm path {}", of("lxc")));
    ok(
        &lab,
        &format!("pct restore 201 {} --storage local-lvm", path.trim_end()),
    );
    assert!(ok(&lab, "pct config 201").contains("hostname: web\n"));
    fails(
        &lab,
        &format!("qmrestore {} 101", of("qemu")),
        "VM 101 already exists on node 'pve'",
    );
    for (line, said) in [
        (
            "qmrestore",
            "400 not enough arguments\nqmrestore <archive> <vmid> [OPTIONS]",
        ),
        (
            "qmrestore /etc/shadow 103",
            "volume '/etc/shadow' does not exist",
        ),
        ("qmrestore local:iso/x.iso 103", "does not exist"),
    ] {
        fails(&lab, line, said);
    }
    assert!(ok(&lab, "vzdump --help").contains("vzdump <vmid...>"));
}

#[test]
fn faults_meet_commands_as_they_meet_requests() {
    let rules = [
        "POST /nodes/*/qemu/*/status/start status=500 message=\"out of luck\" hit=1",
        "task=start exit=\"start failed: no such device\" hit=1",
        "PUT /nodes/*/qemu/*/config lost at=after",
    ];
    let lab = Setup {
        world: World::seeded(&seed()),
        faults: faults(&rules),
        ..Setup::default()
    }
    .start();
    ok(&lab, "qm create 100");
    fails(&lab, "qm start 100", "out of luck");
    fails(&lab, "qm start 100", "start failed: no such device");
    ok(&lab, "qm start 100");
    fails(&lab, "qm set 100 --onboot 1", "596 Connection timed out");
    assert!(ok(&lab, "qm config 100").contains("onboot: 1\n"));
    assert!(lab.server().faults().iter().all(|(_, count)| *count == 1));
    let asked = lab.server().requests();
    let start = asked
        .iter()
        .find(|line| line.path.ends_with("/status/start"));
    let start = start.unwrap();
    assert_eq!((start.who.as_str(), start.status), ("root@pam", 500));
}

struct Socket {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Socket {
    fn of(lab: &Lab, node: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let line = lab.server().command_line(node).unwrap();
        line.serve(listener).unwrap();
        Self { _dir: dir, path }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        stream
    }

    /// Sends bytes, and reads what comes; `None`: no answer, but the end.
    fn send(&self, bytes: &[u8]) -> Option<CommandReply> {
        let mut stream = self.connect();
        // Who sends too much finds the other end closed.
        stream.write_all(bytes).ok();
        stream.shutdown(Shutdown::Write).ok();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).ok();
        serde_json::from_slice(&text).ok()
    }
}

fn request(line: &str) -> Vec<u8> {
    let argv: Vec<&str> = line.split(' ').collect();
    serde_json::to_vec(&json!({"argv": argv})).unwrap()
}

#[test]
fn the_socket_is_of_one_node_and_takes_one_request() {
    let mut seed = seed();
    seed.more_nodes.push("n2".to_owned());
    let lab = lab(&seed);
    if !rustix::process::geteuid().is_root() {
        // Nobody else is let in.
        let reply = Socket::of(&lab, "pve").send(&request("qm list")).unwrap();
        assert_eq!(reply.err, "please run as root\n");
        return;
    }
    ok(&lab, "qm create 100 --name web");
    let (here, there) = (Socket::of(&lab, "pve"), Socket::of(&lab, "n2"));
    assert!(here.send(&request("qm list")).unwrap().out.contains("web"));
    assert_eq!(there.send(&request("qm list")).unwrap().out, "");
    let twice = [request("qm list"), request("qm list")].concat();
    assert!(here.send(&twice).unwrap().err.starts_with("no request: "));
    for odd in [
        &b""[..],
        b"\0\xff",
        b"{}",
        b"[]",
        br#"{"argv":[]}"#,
        br#"{"argv":["qm","list"],"node":"n2"}"#,
        br#"{"argv":"qm"}"#,
    ] {
        assert_eq!(here.send(odd).unwrap().code, 255, "{odd:?}");
    }
    let many = vec!["x"; 10_000].join(" ");
    let reply = here.send(&request(&format!("qm {many}"))).unwrap();
    assert_eq!(reply.err, "too many arguments\n");
    // Too much is not read to its end.
    let long = vec![b'x'; REQUEST_LIMIT + 1];
    if let Some(reply) = here.send(&long) {
        assert_eq!(reply.err, "the request is too long\n");
    }
    here.send(&vec![b' '; 64 << 20]);
    assert!(here.send(&request("qm list")).unwrap().out.contains("web"));
}

/// Connections that say nothing keep others out for a while, and not for ever.
#[test]
fn who_says_nothing_is_not_waited_for() {
    let lab = lab(&seed());
    let socket = Socket::of(&lab, "pve");
    let silent: Vec<UnixStream> = (0..40).map(|_| socket.connect()).collect();
    let refused = socket.send(&request("qm list")).map(|reply| reply.err);
    assert!(
        refused.is_none_or(|said| said == "too many commands run at once\n"),
        "more commands than may run at once"
    );
    // Their time runs out.
    for mut stream in silent {
        let mut text = Vec::new();
        stream.read_to_end(&mut text).ok();
    }
    let reply = socket.send(&request("qm list")).unwrap();
    let root = rustix::process::geteuid().is_root();
    assert_eq!(reply.code, if root { 0 } else { 255 }, "{reply:?}");
    assert!(lab.server().command_line("no-such-node").is_none());
}
