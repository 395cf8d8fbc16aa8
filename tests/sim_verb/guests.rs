//! VMs that are SSH guests on loopback.

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::stage::Sim;
use crate::support::TestLab;

/// Whether guests can be made here.
pub(super) fn has_guests() -> bool {
    if rustix::process::geteuid().is_root()
        && (which::which("sshd").is_ok() || std::path::Path::new("/usr/sbin/sshd").exists())
        && std::env::var_os("HL_GUEST_APT").is_some()
    {
        return true;
    }
    assert!(
        std::env::var_os("HL_TESTS_NEED_ALL").is_none(),
        "this test needs root, sshd and the guests' packages"
    );
    println!("skipped: not root, or sshd or the guests' packages not installed");
    false
}

/// Where a guest is, as the simulator says it.
pub(super) fn started(sim: &mut Sim, vmid: u32) -> String {
    let said = sim.says(&format!("Started VM {vmid} "));
    let address = said.rsplit('@').next().unwrap().trim().to_owned();
    assert!(address.starts_with("127."), "{said}");
    address
}

#[test]
fn a_started_machine_is_an_ssh_guest_on_loopback() {
    if !has_guests() {
        return;
    }
    let lab = TestLab::empty();
    let key = lab.path("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    let public = lab.read("key.pub");
    let encoded: String = public
        .trim()
        .bytes()
        .fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));

    let vmid = 7600;
    let mut sim = Sim::with(&lab, "--world world --take-downloads");
    let node = "/nodes/pve";
    sim.post(
        &format!("{node}/storage/local/download-url"),
        &[
            ("url", "https://images.example/d.qcow2"),
            ("content", "import"),
            ("filename", "d.qcow2"),
        ],
    );
    sim.post(
        &format!("{node}/qemu"),
        &[
            ("vmid", &vmid.to_string()),
            ("name", "guest"),
            ("memory", "512"),
            ("scsi0", "local-lvm:0,import-from=local:import/d.qcow2"),
            ("ide2", "local-lvm:cloudinit"),
            ("net0", "virtio,bridge=vmbr0"),
            ("ciuser", "ops"),
            ("sshkeys", &encoded),
            ("ipconfig0", "ip=192.168.1.77/24,gw=192.168.1.1"),
        ],
    );
    sim.post(&format!("{node}/qemu/{vmid}/status/start"), &[]);
    let address = started(&mut sim, vmid);

    let until = Instant::now() + Duration::from_mins(2);
    let said = loop {
        let ssh = Command::new("ssh")
            .args([
                "-o",
                "BatchMode=yes",
                "-o",
                "StrictHostKeyChecking=accept-new",
                "-o",
                "IdentitiesOnly=yes",
            ])
            .arg("-o")
            .arg(format!(
                "UserKnownHostsFile={}",
                lab.path("known_hosts").display()
            ))
            .arg("-i")
            .arg(&key)
            .arg(format!("ops@{address}"))
            .arg("hostname; sudo -n id -u")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        if ssh.status.success() {
            break String::from_utf8(ssh.stdout).unwrap();
        }
        assert!(
            Instant::now() < until,
            "{}",
            String::from_utf8_lossy(&ssh.stderr)
        );
        std::thread::sleep(Duration::from_millis(300));
    };
    assert_eq!(said, "guest\n0\n");
    // Programs with set-user-ID bits are on its disk, which guests write.
    for dir in ["world", "world/disks", "world/run"] {
        let meta = std::fs::metadata(lab.path(dir)).unwrap();
        assert_eq!(meta.mode() & 0o777, 0o700, "{dir}");
    }
    drop(sim);
    assert!(
        std::net::TcpStream::connect((address, 22)).is_err(),
        "the guest outlived the simulator"
    );
}

/// VMs of one number in two simulators have two addresses, and a clone of a template
/// that was seeded with a system and an agent is a guest with an agent.
#[test]
fn two_simulators_share_no_address() {
    if !has_guests() {
        return;
    }
    let lab = TestLab::empty();
    lab.write(
        "seed.toml",
        r#"
        [[vm]]
        vmid = 9000
        name = "debian-13"
        template = true
        system = true
        agent = true
        disk = "local-lvm:3G"
        bridge = "vmbr0"
        "#,
    );
    let mut all: Vec<Sim> = ["one", "two"]
        .map(|world| Sim::with(&lab, &format!("--world {world} --seed seed.toml --admin")))
        .into();
    let mut addresses = Vec::new();
    for sim in &mut all {
        let node = "/nodes/pve/qemu";
        sim.post(
            &format!("{node}/9000/clone"),
            &[("newid", "7600"), ("name", "a")],
        );
        sim.post(&format!("{node}/7600/status/start"), &[]);
        addresses.push(started(sim, 7600));
    }
    assert_ne!(addresses[0], addresses[1]);
    for (sim, address) in all.iter().zip(&addresses) {
        let banner = std::net::TcpStream::connect((address.as_str(), 22));
        banner.unwrap();
        let until = Instant::now() + Duration::from_mins(1);
        let ping = "/nodes/pve/qemu/7600/agent/ping";
        while !sim
            .send(reqwest::blocking::Client::post, ping)
            .unwrap()
            .status()
            .is_success()
        {
            assert!(Instant::now() < until, "its agent does not answer");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// A container that was seeded is a guest from the start, on its node, with its mount.
#[test]
fn a_container_of_a_seed_runs_from_the_start() {
    if !has_guests() {
        return;
    }
    let lab = TestLab::empty();
    let key = lab.path("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    let public = lab.read("key.pub");
    lab.write(
        "seed.toml",
        &format!(
            r#"
            nodes = ["n2"]
            [[container]]
            vmid = 7601
            node = "n2"
            hostname = "web"
            running = true
            rootfs = "local-lvm:4G"
            bridge = "vmbr0"
            ip = "192.168.1.77/24"
            keys = ["{}"]
            [[container.mount]]
            path = "/data"
            disk = "local-lvm:1G"
            "#,
            public.trim()
        ),
    );
    let mut sim = Sim::with(&lab, "--world world --seed seed.toml --admin");
    let said = sim.says("Started CT 7601 ");
    let address = said.rsplit('@').next().unwrap().trim().to_owned();
    let status = sim.get("/nodes/n2/lxc/7601/status/current");
    assert_eq!(status["status"], "running");
    let faces = sim.get("/nodes/n2/lxc/7601/interfaces");
    assert_eq!(faces[1]["inet"], "192.168.1.77/24");
    let ssh = Command::new("ssh")
        .args(["-F", "none", "-oBatchMode=yes", "-oIdentitiesOnly=yes"])
        .arg("-oStrictHostKeyChecking=accept-new")
        .arg(format!(
            "-oUserKnownHostsFile={}",
            lab.path("known_hosts").display()
        ))
        .arg("-i")
        .arg(&key)
        .arg(format!("root@{address}"))
        .arg("hostname; mountpoint -q /data && echo mounted")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&ssh.stderr).into_owned();
    assert_eq!(
        String::from_utf8(ssh.stdout).unwrap(),
        "web\nmounted\n",
        "{err}"
    );
}
