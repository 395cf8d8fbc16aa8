//! A guest that becomes a Proxmox VE: the playbooks of L0 on a bare Debian, with real
//! ssh, apt, ifupdown2 and ansible, and then L0 itself against the node.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hl_sim::Guests as _;

use super::guests::Room;
use super::{apt_repo, in_namespaces, run};
use crate::e2e::ready;
use crate::support::TestLab;

/// Where the guest is.
const AT: &str = "192.168.7.60";
/// A machine of the node.
const BEHIND: &str = "10.10.10.5";
/// Logs in to it through the node.
const LAYER: &str = r#"
[layer]
id = "h"
name = "Hosts"
doc = "Machines behind machines"
default = "h-chain"

[[recipe]]
name = "h-chain"
doc = "Log in through the node"

[[recipe.step]]
id = "chain"
use = "ssh.chain"
with = { chain = [{ address = "192.168.7.60", user = "ops" }, { address = "10.10.10.5", user = "ops" }] }
"#;

/// A lab whose site has a bare Debian, and the guest that it is.
struct Scene {
    room: Room,
    lab: TestLab,
}

impl Scene {
    fn new() -> Self {
        let room = Room::new();
        room.host
            .create_disk("s:vm-60-disk-0", Some("debian.qcow2"))
            .unwrap();
        let mut spec = room.spec(60, AT);
        "heron".clone_into(&mut spec.name);
        room.host.start(&spec).unwrap();
        // Nobody is at the address that templates are built on.
        let free = ["route", "add", "unreachable", "192.168.7.250/32"];
        run("ip", free.into_iter().chain(["table", "local"]));
        let lab = TestLab::shipped();
        let site = lab.path("site");
        for entry in fs::read_dir(site.join("nodes"))
            .into_iter()
            .flatten()
            .flatten()
        {
            fs::remove_file(entry.path()).unwrap();
        }
        let mirror = apt_repo().join("pve");
        let fingerprint = fs::read_to_string(mirror.join("fingerprint")).unwrap();
        lab
            .write(
                "site/hosts/heron.yaml",
                &format!("host: heron\nip: {AT}\naccess: {{ssh_user: ops}}\n"),
            )
            .write(
                ".env",
                &format!(
                    "PVE_MIRROR=file:/run/hl/apt/pve\nPVE_MIRROR_KEY=file:///run/hl/apt/pve/key.gpg\n\
                     PVE_MIRROR_FINGERPRINT={}\nPVE_BUILD_ADDRESS=192.168.7.250/24,gw=192.168.7.1\n",
                    fingerprint.trim()
                ),
            );
        let config = lab.read("hl.toml");
        let identity = room.identity().display().to_string();
        lab.write(
            "hl.toml",
            &config.replace(
                "user = \"ops\"",
                &format!("user = \"ops\"\nidentity = \"{identity}\""),
            ),
        );
        Self { room, lab }
    }

    /// Runs a script on the guest as root.
    #[track_caller]
    fn root(&self, script: &str) -> String {
        let output = self.ssh(&format!("sudo sh -c '{script}'"));
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{script}\n{out}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        out
    }

    fn ssh(&self, script: &str) -> Output {
        self.room.ssh_as("ops", AT, script)
    }
}

#[test]
fn a_bare_debian_becomes_a_node_that_l0_clears() {
    if !ready(true, &["ansible-playbook", "ssh", "tofu", "packer"]) {
        return;
    }
    in_namespaces(
        "pve_guest::a_bare_debian_becomes_a_node_that_l0_clears",
        || {
            let scene = Scene::new();
            let own = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
            assert_eq!(scene.root("cat /proc/sys/kernel/osrelease"), own);
            scene
                .lab
                .hl("scenario pve-setup -H heron --dry-run")
                .exits(0)
                .says(&["is restarted"]);

            let first = scene.lab.hl("scenario pve-setup -H heron --yes").exits(0);
            first.says(&["Proxmox VE 8 is installed", "site/nodes/heron.yaml"]);
            node(&scene);
            // The second time nothing is changed.
            let before = (
                scene.lab.read("site/secrets.yaml"),
                scene.root("md5sum /etc/network/interfaces /etc/hosts /etc/apt/sources.list.d/*"),
            );
            let second = scene.lab.hl("scenario pve-setup -H heron --yes").exits(0);
            second.says(&["is a node already", "changed=0", "stays as it is"]);
            assert_eq!(
                before,
                (
                    scene.lab.read("site/secrets.yaml"),
                    scene.root(
                        "md5sum /etc/network/interfaces /etc/hosts /etc/apt/sources.list.d/*"
                    )
                )
            );

            scene
                .lab
                .hl("l0-runway --node heron")
                .exits(0)
                .says(&["cleared"]);
            own_machines(&scene);
            published(&scene);
            // The secret of the token is in the secrets alone.
            let token = before
                .0
                .lines()
                .find(|line| line.contains("hl@pve!hl="))
                .unwrap();
            let secret = token
                .rsplit('=')
                .next()
                .unwrap()
                .trim_matches('"')
                .to_owned();
            assert_eq!(secret.len(), 36, "{token}");
            kept_from_all_else(scene.lab.root(), &secret);
        },
    );
}

/// A machine of the node runs beside it, and is reached through it alone.
fn own_machines(scene: &Scene) {
    let key = scene.room.key();
    scene.root(&format!(
        "echo {key} >/tmp/key.pub; \
         pvesh create /nodes/heron/storage/local/download-url --content import --filename debian.qcow2 --url http://images.invalid/debian.qcow2; \
         qm create 200 --name web --memory 512 --net0 virtio,bridge=vmbr0 --scsi0 local:0,import-from=local:import/debian.qcow2 \
            --ide2 local:cloudinit --ciuser ops --sshkeys /tmp/key.pub --ipconfig0 ip={BEHIND}/24,gw=10.10.10.1 --boot order=scsi0; \
         qm start 200"
    ));
    scene.lab.write("layers/h-hosts/layer.toml", LAYER);
    let ran = scene.lab.hl("h-chain").exits(0);
    ran.says(&["2 machines answered"]);
    let behind = format!("{BEHIND}:22").parse().unwrap();
    assert!(TcpStream::connect_timeout(&behind, Duration::from_secs(2)).is_err());
}

/// An image that was built on the node itself is copied to its storage there.
fn published(scene: &Scene) {
    let Some(built) = crate::scenario::image::built() else {
        return;
    };
    scene.lab.write(
        "layers/l1-templates/images/tiny/build.pkr.hcl",
        crate::scenario::image::TEMPLATE,
    );
    let there = ".cache/hl/images/tiny";
    scene.ssh(&format!("mkdir -p {there}"));
    for name in ["tiny.qcow2", "inputs.sha256"] {
        let file = built.join("images/tiny").join(name);
        scene.room.scp(&file, &format!("ops@{AT}:{there}/{name}"));
    }
    scene
        .lab
        .hl("scenario packer-sync --host heron --templates tiny")
        .exits(0);
    for _ in 0..2 {
        scene
            .lab
            .hl("scenario packer-build-publish --host heron --node heron --templates tiny")
            .exits(0)
            .says(&["1 image published"]);
        scene.root(&format!(
            "cmp /var/lib/vz/template/iso/tiny.img /home/ops/{there}/tiny.qcow2"
        ));
    }
}

/// What the guest is now.
fn node(scene: &Scene) {
    assert_eq!(
        scene.root("cat /proc/sys/kernel/osrelease"),
        "6.8.12-4-pve\n"
    );
    let network = scene.root("ip -4 -o addr show dev vmbr0; ip -4 -o addr show dev eth0");
    assert!(
        network.contains(AT) && network.matches(AT).count() == 1,
        "{network}"
    );
    let sources = scene.root("cat /etc/apt/sources.list.d/*");
    assert!(
        sources.contains("Components: pve-no-subscription"),
        "{sources}"
    );
    assert!(
        sources.contains("# deb https://enterprise.proxmox.com"),
        "{sources}"
    );
    scene.root("apt-get -q update");
    let local = scene.root("pvesh get /storage/local --output-format json");
    for kind in ["snippets", "import", "images"] {
        assert!(local.contains(kind), "{local}");
    }
    let notice = scene.root("cat /usr/share/javascript/proxmox-widget-toolkit/proxmoxlib.js");
    assert!(notice.contains("hl-no-notice"), "{notice}");
    let file = scene.lab.read("site/nodes/heron.yaml");
    for line in [
        "node: heron",
        "host: heron",
        "datastore: local",
        "ssh_user: ops",
    ] {
        assert!(file.contains(line), "{file}");
    }
    assert!(file.contains(&format!("https://{AT}:8006")), "{file}");
}

/// A secret is in one file.
fn kept_from_all_else(root: &Path, secret: &str) {
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                dirs.push(path);
            } else if path.is_file() && !path.ends_with("site/secrets.yaml") {
                let text = fs::read(&path).unwrap();
                let found = text
                    .windows(secret.len())
                    .any(|part| part == secret.as_bytes());
                assert!(!found, "the secret is in {}", path.display());
            }
        }
    }
}

/// The host is restarted by the playbook; `hl` is killed meanwhile, and a resume goes on.
#[test]
#[ignore = "takes minutes: scripts/proof hosts"]
fn a_restart_in_the_middle_is_survived_by_a_resume() {
    if !ready(true, &["ansible-playbook", "ssh"]) {
        return;
    }
    in_namespaces(
        "pve_guest::a_restart_in_the_middle_is_survived_by_a_resume",
        || {
            let scene = Scene::new();
            let mut run = scene.lab.hl("scenario pve-setup -H heron --yes").spawn();
            let restarted = "grep -qe -pve /proc/sys/kernel/osrelease && ! test -e /usr/bin/pvesh";
            let until = Instant::now() + Duration::from_mins(10);
            while !scene.ssh(restarted).status.success() {
                assert!(Instant::now() < until, "the guest did not restart");
                assert!(run.try_wait().unwrap().is_none(), "the run ended");
                thread::sleep(Duration::from_millis(100));
            }
            run.kill().unwrap();
            run.wait().unwrap();
            scene.lab.hl("resume --yes").exits(0);
            node(&scene);
        },
    );
}

/// What is no Debian 12 or 13 is refused, and nothing of it is changed.
#[test]
fn another_system_is_refused_before_anything_changes() {
    if !ready(true, &["ansible-playbook", "ssh"]) {
        return;
    }
    in_namespaces(
        "pve_guest::another_system_is_refused_before_anything_changes",
        || {
            let scene = Scene::new();
            for (id, version) in [("ubuntu", "24.04"), ("debian", "11")] {
                let text =
                    format!("ID={id}\\nVERSION_ID={version}\\nPRETTY_NAME=\"{id} {version}\"\\n");
                scene.root(&format!(
                    "rm -f /etc/os-release; printf \"{}\" >/etc/os-release",
                    text.replace('"', "\\\"")
                ));
                let state =
                    "find /etc /usr/share/keyrings /var/lib/dpkg -newer /etc/os-release -type f";
                scene.root("touch -d \"1 minute\" /etc/os-release");
                let ran = scene.lab.hl("scenario pve-setup -H heron --yes").exits(69);
                ran.says(&[&format!("{id} {version}"), "Debian 12 or 13"]);
                assert_eq!(scene.root(state), "");
            }
        },
    );
}

/// A network in which nobody reaches the host any more goes back by itself.
#[test]
fn a_network_that_nobody_confirms_goes_back() {
    in_namespaces(
        "pve_guest::a_network_that_nobody_confirms_goes_back",
        || {
            let scene = Scene::new();
            let program = "layers/l0-runway/ansible/roles/pve_setup/files/hl-network";
            let wanted = "auto vmbr0\niface vmbr0 inet static\n\taddress 192.168.9.9/24\n\tbridge-ports eth0\n\tbridge-fd 0\n";
            for (text, path) in [
                (scene.lab.read(program), "/usr/local/sbin/hl-network"),
                (wanted.to_owned(), "/tmp/wanted"),
            ] {
                scene.root(&format!(
                    "echo {} | base64 -d >{path}",
                    STANDARD.encode(text)
                ));
            }
            scene.root("chmod 755 /usr/local/sbin/hl-network; apt-get -q update && apt-get -qy install ifupdown2");
            let before = scene.root("cat /etc/network/interfaces");
            // It may take the connection with it.
            scene.ssh("sudo hl-network try /tmp/wanted 4");
            let back = "sudo test -e /var/lib/hl/network/applied && sudo test -e /var/lib/hl/network/went-back && ! ip link show vmbr0";
            let until = Instant::now() + Duration::from_mins(3);
            while !scene.ssh(back).status.success() {
                assert!(Instant::now() < until, "the network did not come back");
                thread::sleep(Duration::from_millis(200));
            }
            assert_eq!(scene.root("cat /etc/network/interfaces"), before);
            // Too late: what went back cannot be confirmed.
            assert_eq!(scene.ssh("sudo hl-network confirm").status.code(), Some(1));
        },
    );
}

/// Where guests have no network of their own none of them can be a node.
#[test]
fn a_guest_that_shares_its_network_is_refused_as_a_node() {
    in_namespaces(
        "pve_guest::a_guest_that_shares_its_network_is_refused_as_a_node",
        || {
            let room = Room::shared();
            room.host
                .create_disk("s:vm-60-disk-0", Some("debian.qcow2"))
                .unwrap();
            room.host.start(&room.spec(60, AT)).unwrap();
            let ran = room.ssh_as("ops", AT, "sudo /run/hl/hl __node-world");
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert!(!ran.status.success(), "{said}");
            assert!(said.contains("guests share one network here"), "{said}");
        },
    );
}
