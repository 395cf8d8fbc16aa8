//! `hl sim` as a user starts it: export lines, the API behind them, and a VM
//! that is an SSH guest on loopback.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::TestLab;

struct Sim {
    child: Child,
    exports: BTreeMap<String, String>,
    client: Client,
}

impl Sim {
    fn start(lab: &TestLab) -> Self {
        Self::start_in(lab, "world")
    }

    fn start_in(lab: &TestLab, world: &str) -> Self {
        let words = format!("sim --listen 127.0.0.1:0 --world {world}");
        let mut child = lab.hl(&words).spawn();
        let lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let exports: BTreeMap<String, String> = lines
            .map(|line| {
                let (name, value) = line
                    .strip_prefix("export ")
                    .unwrap()
                    .split_once('=')
                    .unwrap();
                (name.to_owned(), value.trim_matches('\'').to_owned())
            })
            .take_while(|(name, _)| name != "DOPPLER")
            .collect();
        // Another test may have been first.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let ca = std::fs::read(&exports["PVE_CA_FILE"]).unwrap();
        let ca = reqwest::Certificate::from_pem(&ca).unwrap();
        let client = Client::builder()
            .tls_certs_only([ca])
            .timeout(Duration::from_mins(1))
            .build()
            .unwrap();
        Self {
            child,
            exports,
            client,
        }
    }

    fn call(
        &self,
        request: impl Fn(&Client, String) -> RequestBuilder,
        path: &str,
    ) -> serde_json::Value {
        let url = format!("{}/api2/json{path}", self.exports["PVE_ACCESS_HOST"]);
        let token = format!(
            "PVEAPIToken={}={}",
            self.exports["PM_TOKEN_ID"], self.exports["PM_TOKEN_SECRET"]
        );
        let answer = request(&self.client, url)
            .header("Authorization", token)
            .send()
            .unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json::<serde_json::Value>().unwrap()["data"].clone()
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> serde_json::Value {
        self.call(|client, url| client.post(url).form(form), path)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap_or_default();
        self.child.wait().unwrap();
    }
}

#[test]
fn the_printed_lines_are_all_that_the_runway_wants_of_a_node() {
    let lab = TestLab::shipped();
    let sim = Sim::start(&lab);
    let mut hl = lab.hl("l0-runway --json").env("DOPPLER", "0");
    for (name, value) in &sim.exports {
        hl = hl.env(name, value);
    }
    let said = hl.run().json();
    let phases = said["phases"].as_array().unwrap();
    for check in [
        "environment",
        "endpoint",
        "tls",
        "token",
        "node",
        "rights",
        "vm-storage",
        "iso-storage",
        "import-storage",
        "bridge",
        "build-address",
    ] {
        let name = format!("l0-runway/{check}");
        let phase = phases.iter().find(|phase| phase["name"] == name).unwrap();
        assert_eq!(phase["status"], "succeeded", "{phase:#}");
    }
}

#[test]
fn a_started_machine_is_an_ssh_guest_on_loopback() {
    if !rustix::process::geteuid().is_root()
        || which::which("sshd").is_err() && !std::path::Path::new("/usr/sbin/sshd").exists()
    {
        assert!(
            std::env::var_os("HL_TESTS_NEED_ALL").is_none(),
            "this test needs root and sshd"
        );
        println!("skipped: not root, or sshd not installed");
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

    // A number of its own: the guest's address follows from it, and another copy
    // of this test may run on this machine.
    let vmid = 10_000 + std::process::id() % 50_000;
    let [_, _, high, low] = vmid.to_be_bytes();
    let address = format!("127.77.{high}.{low}");

    let sim = Sim::start(&lab);
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

/// A rehearsal's world is opened with its own token, and a change in it stays.
#[test]
fn a_rehearsals_world_is_opened_and_kept() {
    let lab = TestLab::empty();
    let dir = lab.path("state/rehearsal/world");
    std::fs::create_dir_all(&dir).unwrap();
    let mut seed = hl_sim::Seed::default();
    seed.tokens.push(hl_sim::SeedToken::administrator(
        "lab@pve!hl",
        "11111111-2222-3333-4444-555555555555",
    ));
    let world = serde_json::to_vec(&hl_sim::World::seeded(&seed)).unwrap();
    std::fs::write(dir.join("world.json"), world).unwrap();
    let keys = serde_json::json!({
        "identity": {
            "node": "pve", "storage_vm": "local-lvm", "storage_iso": "local",
            "storage_import": "local", "bridge": "vmbr0", "token_id": "lab@pve!hl",
            "names": ["192.0.2.10"], "others": [],
        },
        "secret": "11111111-2222-3333-4444-555555555555",
        "ca_pem": "the rehearsal's", "cert_pem": "", "key_pem": "",
    });
    lab.write("state/rehearsal/world/keys.json", &keys.to_string());
    lab.write("state/rehearsal/world/ca.pem", "the rehearsal's");

    let sim = Sim::start_in(&lab, "state/rehearsal/world");
    assert_eq!(sim.exports["PM_TOKEN_ID"], "lab@pve!hl");
    sim.post("/nodes/pve/qemu", &[("vmid", "7000"), ("name", "by-hand")]);
    // Nobody rehearses meanwhile.
    let lock = std::fs::File::open(lab.path("state/rehearsal/lock")).unwrap();
    assert!(lock.try_lock().is_err());
    drop(sim);
    assert!(
        lab.read("state/rehearsal/world/world.json")
            .contains("by-hand")
    );
    assert_eq!(
        lab.read("state/rehearsal/world/keys.json"),
        keys.to_string()
    );
    assert_eq!(lab.read("state/rehearsal/world/ca.pem"), "the rehearsal's");
}
