//! Guests of a rehearsal: real sandboxes with real ssh, apt and services, in a
//! network namespace that each test makes for itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use hl::rehearse::guest::{GuestHost, GuestHostConfig, Network};
use hl_sim::{GuestSpec, Guests as _};

use super::{apt_repo, in_namespaces, run};

pub(super) struct Room {
    dir: tempfile::TempDir,
    pub(super) host: GuestHost,
}

impl Room {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // OpenSSH wants P-521 to work too: packer makes such keys.
        let key = dir.path().join("key");
        run(
            "ssh-keygen",
            [
                "-q",
                "-t",
                "ecdsa",
                "-b",
                "521",
                "-N",
                "",
                "-f",
                key.to_str().unwrap(),
            ],
        );
        let host = host(dir.path());
        Self { dir, host }
    }

    /// One whose guests share the network they are started in.
    pub(super) fn shared() -> Self {
        let Self { dir, host } = Self::new();
        drop(host);
        let host = host_in(dir.path(), Network::Shared);
        Self { dir, host }
    }

    pub(super) fn spec(&self, vmid: u32, address: &str) -> GuestSpec {
        GuestSpec {
            vmid,
            name: format!("guest-{vmid}"),
            disk: Some(format!("s:vm-{vmid}-disk-0")),
            user: Some("ops".to_owned()),
            ssh_keys: vec![self.key()],
            ipconfig: Some(format!("ip={address}/24,gw=192.168.7.1")),
            mac: Some(format!("BC:24:11:00:00:{vmid:02X}")),
            agent: true,
            ..GuestSpec::default()
        }
    }

    fn ssh(&self, address: &str, script: &str) -> Output {
        self.ssh_as("ops", address, script)
    }

    /// The public key of the one that logs in.
    pub(super) fn key(&self) -> String {
        let key = fs::read_to_string(self.dir.path().join("key.pub")).unwrap();
        key.trim().to_owned()
    }

    /// The private key of the one that logs in.
    pub(super) fn identity(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    pub(super) fn ssh_as(&self, user: &str, address: &str, script: &str) -> Output {
        self.ssh_command(user, address)
            .arg(script)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// `ssh` to a guest; what it runs there is to be added.
    pub(super) fn ssh_command(&self, user: &str, address: &str) -> Command {
        let mut command = Command::new("ssh");
        command
            .args([
                "-F",
                "none",
                "-o",
                "BatchMode=yes",
                "-o",
                "ConnectTimeout=5",
            ])
            .args(["-o", "StrictHostKeyChecking=accept-new"])
            .arg("-o")
            .arg(format!(
                "UserKnownHostsFile={}",
                self.dir.path().join("known").display()
            ))
            .arg("-i")
            .arg(self.dir.path().join("key"))
            .arg(format!("{user}@{address}"));
        command
    }

    /// The private key of the one that logs in.
    pub(super) fn key_file(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    /// Copies a file to a guest: `USER@ADDRESS:PATH`.
    pub(super) fn scp(&self, file: &Path, to: &str) {
        let known = self.dir.path().join("known");
        let key = self.key_file();
        run(
            "scp",
            [
                "-q",
                "-F",
                "none",
                "-o",
                "BatchMode=yes",
                "-o",
                "StrictHostKeyChecking=accept-new",
                "-o",
                &format!("UserKnownHostsFile={}", known.display()),
                "-i",
                key.to_str().unwrap(),
                file.to_str().unwrap(),
                to,
            ],
        );
    }

    /// Runs a script in a guest, as a user with sudo, and gives what it printed.
    pub(super) fn shell(&self, address: &str, script: &str) -> String {
        let output = self.ssh(address, script);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{script}\n{out}\n{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            output.status
        );
        out
    }
}

fn host(dir: &Path) -> GuestHost {
    host_in(dir, Network::Own)
}

fn host_in(dir: &Path, network: Network) -> GuestHost {
    GuestHost::new(&GuestHostConfig {
        disks_dir: dir.join("disks"),
        run_dir: dir.join("run"),
        apt_repo: Some(apt_repo()),
        exe: PathBuf::from(env!("CARGO_BIN_EXE_hl")),
        network,
    })
    .unwrap()
}

/// Everything of the host that a guest could disturb, as one text.
fn host_fingerprint() -> String {
    let mut files = vec![
        "/etc/passwd",
        "/etc/group",
        "/etc/shadow",
        "/etc/hosts",
        "/etc/hostname",
        "/etc/machine-id",
        "/etc/resolv.conf",
        "/var/lib/dpkg/status",
        "/proc/sys/kernel/hostname",
        "/proc/sys/vm/swappiness",
    ];
    files.retain(|f| Path::new(f).exists());
    let sums = run("sha256sum", &files);
    // Names, not times: somebody may work on the machine meanwhile. What a package
    // installs has a name.
    let lists = run(
        "ls",
        [
            "-A1",
            "/etc",
            "/home",
            "/usr",
            "/usr/sbin",
            "/usr/local/bin",
            "/var/lib/dpkg",
        ],
    );
    format!("{sums}{lists}")
}

/// What this test sees of namespaces, mounts and processes.
fn leftovers() -> (BTreeSet<PathBuf>, String, Vec<String>) {
    let mut spaces = BTreeSet::new();
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse::<u32>()
            .is_err()
        {
            continue;
        }
        for kind in ["mnt", "pid", "net", "uts", "ipc"] {
            spaces.extend(fs::read_link(path.join("ns").join(kind)));
        }
        let line = fs::read(path.join("cmdline")).unwrap_or_default();
        processes.push(String::from_utf8_lossy(&line).replace('\0', " "));
    }
    processes.sort();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    (spaces, mounts, processes)
}

fn links() -> String {
    run("ip", ["-o", "link"])
}

#[test]
fn a_guest_installs_and_runs_real_packages() {
    in_namespaces("guests::a_guest_installs_and_runs_real_packages", || {
        let room = Room::new();
        let at = "192.168.7.50";
        let before = host_fingerprint();
        room.host
            .create_disk("s:vm-50-disk-0", Some("debian.qcow2"))
            .unwrap();
        room.host.start(&room.spec(50, at)).unwrap();
        assert_eq!(
            room.shell(at, "hostname; cat /proc/1/comm; sudo id -un; cloud-init status --wait; ip -o -4 addr show eth0 | grep -o 192.168.7.50/24"),
            "guest-50\nsystemd\nroot\nstatus: done\n192.168.7.50/24\n"
        );
        assert!(!room.host.agent_ready(50));
        room.shell(
            at,
            "export DEBIAN_FRONTEND=noninteractive; sudo apt-get -q update && \
             sudo -E apt-get -q install -y nginx chrony qemu-guest-agent curl 2>&1",
        );
        assert!(room.host.agent_ready(50));
        assert_eq!(
            room.shell(
                at,
                "systemctl is-active nginx chrony ssh; systemctl is-enabled nginx chrony ssh"
            ),
            "active\nactive\nactive\nenabled\nenabled\nenabled\n"
        );
        let head = run("curl", ["-sSI", &format!("http://{at}/")]);
        assert!(head.contains("Server: nginx"), "{head}");
        assert_eq!(
            room.shell(at, "sudo systemctl reload ssh && sudo systemctl restart nginx chrony && sudo systemctl reload nginx && systemctl is-active nginx chrony ssh && sudo systemctl stop nginx && ! systemctl is-active nginx"),
            "active\nactive\nactive\ninactive\n"
        );
        assert!(
            !Command::new("curl")
                .args(["-sS", &format!("http://{at}/")])
                .status()
                .unwrap()
                .success()
        );
        room.shell(at, "sudo apt-get -q -y dist-upgrade 2>&1 && sudo apt-get -q -y autoremove 2>&1 && sudo apt-get clean && sudo dpkg --audit");
        // What is enabled comes back with the next start; what was written stays.
        room.shell(at, "echo kept | sudo tee /srv/note");
        room.host.stop(50).unwrap();
        assert!(!room.host.agent_ready(50));
        let began = Instant::now();
        room.host.start(&room.spec(50, at)).unwrap();
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(
            room.shell(
                at,
                "cat /srv/note; systemctl is-active nginx chrony qemu-guest-agent"
            ),
            "kept\nactive\nactive\nactive\n"
        );
        assert!(room.host.agent_ready(50));
        // Root in there is not root out here.
        for refused in [
            "mknod /tmp/x b 8 0",
            "date -s 2001-01-01",
            "mount -t tmpfs x /mnt",
            "sh -c 'echo 1 >/proc/sys/vm/swappiness'",
            "sh -c 'echo h >/proc/sysrq-trigger'",
            "ls /etc/../root/.ssh/authorized_keys",
        ] {
            assert!(
                !room.ssh(at, &format!("sudo {refused}")).status.success(),
                "{refused}"
            );
        }
        room.host.stop(50).unwrap();
        assert_eq!(before, host_fingerprint());
    });
}

const UNITS: &str = r#"set -e; cd /etc/systemd/system; sudo mkdir loop.service.d
sudo tee loop.service >/dev/null <<'UNIT'
[Service]
ExecStart=/bin/sh -c "echo said ${WORD}; exec sleep 1000"
Restart=always
RestartSec=50ms
User=ops
[Install]
WantedBy=multi-user.target
UNIT
sudo tee loop.service.d/w.conf >/dev/null <<'UNIT'
[Service]
Environment=WORD=from-drop-in
UNIT
sudo tee bad.service >/dev/null <<'UNIT'
[Service]
Type=oneshot
ExecStart=/bin/false
UNIT
sudo systemctl daemon-reload; sudo systemctl enable --now loop"#;

#[test]
fn a_guest_is_administered_as_any_machine() {
    in_namespaces("guests::a_guest_is_administered_as_any_machine", || {
        let room = Room::new();
        let at = "192.168.7.55";
        room.host
            .create_disk("s:vm-55-disk-0", Some("debian.qcow2"))
            .unwrap();
        room.host.start(&room.spec(55, at)).unwrap();
        assert_eq!(
            room.shell(at, "sudo hostnamectl set-hostname other; hostname; hostnamectl hostname; cat /etc/hostname"),
            "other\nother\nother\n"
        );
        room.shell(
            at,
            "sudo sed -i 's/127.0.1.1.*/127.0.1.1 other/' /etc/hosts",
        );
        assert_eq!(
            room.shell(at, "sudo timedatectl set-timezone Asia/Tokyo; date +%Z; cat /etc/timezone; timedatectl show -p Timezone --value"),
            "JST\nAsia/Tokyo\nAsia/Tokyo\n"
        );
        assert_eq!(
            room.shell(at, "echo 'vm.swappiness = 11' | sudo tee /etc/sysctl.d/9.conf >/dev/null; sudo sysctl --system >/dev/null && sudo sysctl -n vm.swappiness; ! sudo sysctl -w no.such.key=1 2>&1"),
            "11\nsysctl: cannot stat /proc/sys/no/such/key: No such file or directory\n"
        );
        // A unit of one's own: oneshot, failing, restarted when it dies, with a drop-in.
        room.shell(at, UNITS);
        let pid = "systemctl show -p MainPID --value loop";
        let before = room.shell(
            at,
            &format!("ps -o user= -p $({pid}); {pid}; journalctl -u loop"),
        );
        assert!(
            before.starts_with("ops\n") && before.contains("from-drop-in"),
            "{before}"
        );
        let after = room.shell(
            at,
            &format!("sudo kill -9 $({pid}); sleep 1; systemctl is-active loop; {pid}"),
        );
        assert!(after.starts_with("active\n"), "{after}");
        assert_ne!(before.lines().nth(1), after.lines().nth(1));
        assert_eq!(
            room.shell(
                at,
                "sudo systemctl start bad 2>/dev/null || echo $?; systemctl is-failed bad"
            ),
            "1\nfailed\n"
        );
        assert_eq!(room.shell(at, "systemctl start nope 2>&1 || systemctl is-enabled loop; sudo systemctl start nope 2>&1 || echo $?"), "Interactive authentication required.\nenabled\nFailed to start nope.service: Unit nope.service not found.\n5\n");
        // A reboot is a new boot of the same disk.
        let id = "cat /proc/sys/kernel/random/boot_id";
        let first = room.shell(at, &format!("{id}; touch /tmp/x"));
        room.ssh(at, "sudo reboot");
        let until = Instant::now() + Duration::from_secs(30);
        let second = loop {
            let output = room.ssh(
                at,
                &format!("{id}; ls /tmp; systemctl is-active loop; hostname"),
            );
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.success() && !text.starts_with(&first) {
                break text;
            }
            assert!(Instant::now() < until, "no new boot: {text}");
            std::thread::sleep(Duration::from_millis(200));
        };
        assert_eq!(
            second.lines().skip(1).collect::<Vec<_>>(),
            ["active", "other"]
        );
        assert!(!room.ssh(at, "sudo poweroff").status.success());
        room.host.stop(55).unwrap();
    });
}

#[test]
fn guests_that_share_a_network_have_their_own_door() {
    in_namespaces(
        "guests::guests_that_share_a_network_have_their_own_door",
        || {
            let room = Room::shared();
            for (vmid, at) in [(56, "192.168.7.56"), (57, "192.168.7.57")] {
                let disk = format!("s:vm-{vmid}-disk-0");
                room.host.create_disk(&disk, Some("debian.qcow2")).unwrap();
                room.host.start(&room.spec(vmid, at)).unwrap();
                assert_eq!(room.shell(at, "hostname"), format!("guest-{vmid}\n"));
            }
        },
    );
}

#[test]
fn clones_are_instances_of_their_own() {
    in_namespaces("guests::clones_are_instances_of_their_own", || {
        let room = Room::new();
        let (a, b, c) = ("192.168.7.61", "192.168.7.62", "192.168.7.63");
        room.host
            .create_disk("s:vm-61-disk-0", Some("debian.qcow2"))
            .unwrap();
        room.host.start(&room.spec(61, a)).unwrap();
        room.shell(a, "echo baked | sudo tee /opt/baked && sudo truncate -s 0 /etc/machine-id && sudo rm -f /etc/ssh/ssh_host_* && sudo cloud-init clean --logs");
        room.host.stop(61).unwrap();
        room.host
            .rename_disk("s:vm-61-disk-0", "s:base-61-disk-0")
            .unwrap();
        room.host
            .clone_disk("s:base-61-disk-0", "s:vm-62-disk-0")
            .unwrap();
        room.host
            .clone_disk("s:base-61-disk-0", "s:vm-63-disk-0")
            .unwrap();
        room.host.start(&room.spec(62, b)).unwrap();
        room.host.start(&room.spec(63, c)).unwrap();
        let who = "hostname; cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub /opt/baked | cut -d' ' -f 1,2";
        let (first, second) = (room.shell(b, who), room.shell(c, who));
        let (first, second): (Vec<_>, Vec<_>) = (first.lines().collect(), second.lines().collect());
        assert_eq!((first[0], second[0]), ("guest-62", "guest-63"));
        assert_ne!(first[1], second[1], "machine-id");
        assert_ne!(first[2], second[2], "host key");
        assert_eq!((first[3], second[3]), ("baked", "baked"));
        // Both own port 80 of all their addresses, and they reach each other.
        let serve = "nohup python3 -m http.server 80 --directory /opt >/dev/null 2>&1 & sleep 1";
        for at in [b, c] {
            room.shell(at, &format!("sudo sh -c '{serve}'"));
        }
        let fetch = format!(
            "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://{c}/baked\", timeout=5).read().decode(), end=\"\")'"
        );
        assert_eq!(room.shell(b, &fetch), "baked\n");
        // A key added to the config works after the next start, and the old host key stays.
        room.host.stop(62).unwrap();
        let mut spec = room.spec(62, b);
        spec.ssh_keys
            .push("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBsecond second".to_owned());
        room.host.start(&spec).unwrap();
        let keys = room.shell(
            b,
            "cat ~/.ssh/authorized_keys; cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub",
        );
        assert!(
            keys.contains("second") && keys.contains("ecdsa-sha2-nistp521"),
            "{keys}"
        );
        assert!(keys.contains(first[2].split(' ').nth(1).unwrap()), "{keys}");
    });
}

#[test]
fn nothing_is_left_of_guests() {
    in_namespaces("guests::nothing_is_left_of_guests", || {
        let room = Room::new();
        let (before, links_before) = (leftovers(), links());
        room.host
            .create_disk("s:vm-70-disk-0", Some("debian.qcow2"))
            .unwrap();
        room.host.start(&room.spec(70, "192.168.7.70")).unwrap();
        assert!(room.host.start(&room.spec(70, "192.168.7.70")).is_err());
        assert!(leftovers().2.len() > before.2.len() + 2);
        room.shell(
            "192.168.7.70",
            "sudo sh -c 'trap \"\" TERM; nohup sleep 1000 >/dev/null 2>&1 &'",
        );
        room.host.stop(70).unwrap();
        room.host.stop(70).unwrap();
        assert_eq!(
            (before.clone(), links_before.clone()),
            (leftovers(), links())
        );
        room.host.start(&room.spec(70, "192.168.7.70")).unwrap();
        let disks = room.dir.path().join("disks");
        drop(room.host);
        assert_eq!((before, links_before), (leftovers(), links()));
        fs::remove_dir_all(disks).unwrap();
        // An empty disk runs, and nobody is at home.
        let host = host(room.dir.path());
        host.create_disk("s:vm-71-disk-0", None).unwrap();
        let spec = GuestSpec {
            vmid: 71,
            disk: Some("s:vm-71-disk-0".to_owned()),
            ..GuestSpec::default()
        };
        host.start(&spec).unwrap();
        assert!(!host.agent_ready(71));
        host.stop(71).unwrap();
    });
}

/// Set in the process that is killed while it holds a guest: where its disks are.
const HOLDER: &str = "HL_TEST_HOLDER";

#[test]
fn guests_of_a_killed_holder_end() {
    let name = "guests_of_a_killed_holder_end";
    if let Some(dir) = std::env::var_os(HOLDER) {
        let host = host(Path::new(&dir));
        host.create_disk("s:vm-80-disk-0", Some("debian.qcow2"))
            .unwrap();
        let spec = GuestSpec {
            vmid: 80,
            name: "held".to_owned(),
            disk: Some("s:vm-80-disk-0".to_owned()),
            ipconfig: Some("ip=192.168.7.80/24,gw=192.168.7.1".to_owned()),
            ..GuestSpec::default()
        };
        host.start(&spec).unwrap();
        fs::write(Path::new(&dir).join("up"), "").unwrap();
        std::thread::sleep(Duration::from_mins(5));
        return;
    }
    in_namespaces(&format!("guests::{name}"), || {
        let before = (leftovers(), links());
        let dir = tempfile::tempdir().unwrap();
        let mut holder = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                &format!("rehearse::guests::{name}"),
                "--nocapture",
            ])
            .env(HOLDER, dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_mins(1);
        while !dir.path().join("up").exists() {
            assert!(Instant::now() < until && holder.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(20));
        }
        // A stopped PID 1 cannot see that its holder is gone.
        let state = fs::read_to_string(dir.path().join("run/80/state.json")).unwrap();
        let records: Vec<serde_json::Value> = serde_json::from_str(&state).unwrap();
        let init = records[1]["pid"].to_string();
        run("kill", ["-STOP", &init]);
        holder.kill().unwrap();
        holder.wait().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        assert!(
            Path::new("/proc").join(&init).exists(),
            "still there, stopped"
        );
        let host = host(dir.path());
        assert!(!Path::new("/proc").join(&init).exists());
        // The kernel takes the pair away when it gets round to the namespace that ended.
        let until = Instant::now() + Duration::from_mins(1);
        while before.1 != links() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(before, (leftovers(), links()));
        // And its disk can be started again.
        let spec = GuestSpec {
            vmid: 80,
            name: "held".to_owned(),
            disk: Some("s:vm-80-disk-0".to_owned()),
            ipconfig: Some("ip=192.168.7.80/24,gw=192.168.7.1".to_owned()),
            ..GuestSpec::default()
        };
        host.start(&spec).unwrap();
        host.stop(80).unwrap();
    });
}
