//! Scenarios with `--local`, which change the machine that they run on: in guests, and
//! nowhere else. `hl`, ansible and the lab are in the guest.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hl_sim::Guests as _;

use super::guests::Room;
use super::{apt_repo, in_namespaces};
use crate::e2e::ready;

const AT: &str = "192.168.7.62";
/// Where the lab is in the guest.
const LAB: &str = "/root/lab";

struct Scene {
    room: Room,
}

impl Scene {
    fn new() -> Self {
        let room = Room::new();
        room.host
            .create_disk("s:vm-62-disk-0", Some("debian.qcow2"))
            .unwrap();
        let mut spec = room.spec(62, AT);
        "heron".clone_into(&mut spec.name);
        room.host.start(&spec).unwrap();
        let scene = Self { room };
        scene.bring_ansible();
        scene.bring_lab();
        let mirror = apt_repo().join("pve");
        let fingerprint = fs::read_to_string(mirror.join("fingerprint")).unwrap();
        scene.root(&format!(
            "printf \"%s\\n\" DOPPLER=0 PVE_MIRROR=file:/run/hl/apt/pve \
             PVE_MIRROR_KEY=file:///run/hl/apt/pve/key.gpg PVE_MIRROR_FINGERPRINT={} >{LAB}/.env",
            fingerprint.trim()
        ));
        scene
    }

    /// The tests' own ansible, at the same path; one of the system's is there already.
    fn bring_ansible(&self) {
        let program = which::which("ansible-playbook").unwrap();
        let program = program.canonicalize().unwrap();
        if program.starts_with("/usr") {
            return;
        }
        let dir = program.parent().and_then(Path::parent).unwrap();
        let below = dir.strip_prefix("/").unwrap().to_str().unwrap();
        self.send(Path::new("/"), &[below], "/");
        self.root(&format!(
            "ln -sf {} /usr/local/bin/ansible-playbook",
            program.display()
        ));
    }

    /// The shipped lab. `hl new` of a program of tests has files outside of it, where no
    /// guest sees them.
    fn bring_lab(&self) {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR"));
        let names = ["hl.toml", "env.example", "layers", "site", "scenarios"];
        self.send(shipped, &names, LAB);
    }

    /// Copies what is below a directory into one of the guest.
    fn send(&self, from: &Path, names: &[&str], to: &str) {
        let mut tar = Command::new("tar")
            .arg("-C")
            .arg(from)
            .args(["-cf", "-"])
            .args(names)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let unpack = format!("sudo mkdir -p {to} && sudo tar -C {to} --no-same-owner -xf -");
        let status = self
            .room
            .ssh_command("ops", AT)
            .arg(unpack)
            .stdin(tar.stdout.take().unwrap())
            .status()
            .unwrap();
        assert!(status.success() && tar.wait().unwrap().success());
    }

    fn run(&self, script: &str) -> Output {
        self.room
            .ssh_as("ops", AT, &format!("sudo sh -c '{script}'"))
    }

    /// Runs a script in the guest as root.
    #[track_caller]
    fn root(&self, script: &str) -> String {
        let output = self.run(script);
        let text = said(&output);
        assert!(output.status.success(), "{script}\n{text}");
        text
    }

    /// `hl` in the guest's lab, as root.
    fn hl(&self, words: &str) -> Output {
        self.run(&format!("cd {LAB} && HOME=/root /run/hl/hl {words}"))
    }

    #[track_caller]
    fn works(&self, words: &str) -> String {
        let output = self.hl(words);
        let text = said(&output);
        assert!(output.status.success(), "hl {words}\n{text}");
        text
    }

    /// Waits until a script ends well.
    #[track_caller]
    fn until(&self, limit: Duration, script: &str) {
        let end = Instant::now() + limit;
        while !self.run(script).status.success() {
            if Instant::now() > end {
                let told = said(&self.run("journalctl -u hl-resume --no-pager | tail -50"));
                panic!("`{script}` does not hold\n{told}");
            }
            thread::sleep(Duration::from_millis(300));
        }
    }
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_user_is_made_on_the_machine_itself() {
    if !ready(true, &["ansible-playbook", "ssh"]) {
        return;
    }
    in_namespaces(
        "local_scenarios::a_user_is_made_on_the_machine_itself",
        || {
            let scene = Scene::new();
            let words = "scenario user-setup --local --homestak-user keeper";
            // A dry run needs no root and changes nothing.
            scene.works(&format!("{words} --dry-run"));
            scene.root("! id keeper");
            scene.works(words);
            scene.root("id keeper && sudo -n -l -U keeper | grep -q NOPASSWD");
            let again = scene.works(words);
            assert!(again.contains("changed=0"), "{again}");
            alone(&scene);
            // Without a machine nothing is meant.
            let nowhere = said(&scene.hl("scenario user-setup"));
            assert!(nowhere.contains("no machine is named"), "{nowhere}");
        },
    );
}

/// The playbook without `hl`, from another machine: with an inventory of its own.
fn alone(scene: &Scene) {
    let home = tempfile::tempdir().unwrap();
    let known = home.path().join("known");
    // Somebody is there already, and logs in with keys of their own.
    let ours = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOurs lab";
    let limited = "restrict ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAITwice other";
    let keys = "/home/alone/.ssh/authorized_keys";
    scene.root(&format!(
        "useradd -m -s /bin/bash alone && install -d -m 700 -o alone -g alone /home/alone/.ssh && \
         printf \"%s\\n%s\" \"ssh-rsa AAAAB3Theirs them\" \"{limited}\" >{keys}"
    ));
    let given = format!(
        r#"{{"automation_keys": ["{ours}", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAITwice lab"]}}"#
    );
    let play = || {
        let output = Command::new("ansible-playbook")
            .args(["-i", &format!("{AT},"), "-u", "ops", "user.yml"])
            .args(["-e", "automation_user=alone", "-e", &given])
            .arg("--private-key")
            .arg(scene.room.identity())
            .arg(format!(
                "--ssh-common-args=-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={}",
                known.display()
            ))
            .current_dir(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/layers/l0-runway/ansible"
            ))
            .env("HOME", home.path())
            .env("ANSIBLE_HOME", home.path())
            .output()
            .unwrap();
        let text = said(&output);
        assert!(output.status.success(), "{text}");
        text
    };
    play();
    // The lab's key is added; nothing is taken, and no limit is lifted.
    let has = scene.root(&format!("cat {keys}; stat -c \"%U %a\" {keys}"));
    let expected = format!("ssh-rsa AAAAB3Theirs them\n{limited}\n{ours}\nalone 600\n");
    assert_eq!(has, expected);
    // The one of before keeps what it may.
    for user in ["alone", "keeper"] {
        scene.root(&format!("sudo -n -l -U {user} | grep -q NOPASSWD"));
    }
    let again = play();
    assert!(again.contains("changed=0"), "{again}");
}

/// The run ends where the machine has to be restarted; after that it goes on by itself,
/// once, or when somebody resumes it.
fn becomes_a_node(scene: &Scene, by_itself: bool) {
    let flag = if by_itself { "--resume-at-boot" } else { "" };
    let planned = scene.works(&format!("scenario pve-setup --local {flag} --dry-run"));
    assert!(planned.contains("you restart this machine"), "{planned}");
    let first = scene.works(&format!("scenario pve-setup --local {flag} --yes"));
    assert!(first.contains("restart this machine"), "{first}");
    scene.root("! test -e /usr/bin/pvesh && ! grep -qe -pve /proc/sys/kernel/osrelease");
    let runs = || {
        let runs = scene.hl("runs --json");
        let document: serde_json::Value = serde_json::from_slice(&runs.stdout).unwrap();
        document["runs"].as_array().unwrap().len()
    };
    let before = runs();
    let unit = "/etc/systemd/system/hl-resume.service";
    if by_itself {
        assert!(first.contains("hl-resume.service"), "{first}");
        scene.root(&format!("test -f {unit} && systemctl is-enabled hl-resume"));
    } else {
        assert!(first.contains("hl resume "), "{first}");
        scene.root(&format!("! test -e {unit}"));
    }
    // It takes the connection with it.
    scene.run("reboot");
    scene.until(
        Duration::from_mins(2),
        "grep -qe -pve /proc/sys/kernel/osrelease",
    );
    if !by_itself {
        scene.works("resume --yes");
    }
    let file = format!("{LAB}/site/nodes/heron.yaml");
    scene.until(Duration::from_mins(15), &format!("test -s {file}"));
    scene.root(&format!("! test -e {unit}"));
    scene.root(&format!("grep -q \"node: heron\" {file}"));
    assert_eq!(runs(), before, "the run was gone on with");
    // A further start finds nothing to go on with.
    scene.run("reboot");
    scene.until(Duration::from_mins(2), "test -e /usr/bin/pvesh");
    let again = scene.works("scenario pve-setup --local --yes");
    assert!(
        again.contains("is a node already") && again.contains("changed=0"),
        "{again}"
    );
}

#[test]
#[ignore = "takes minutes: scripts/proof hosts"]
fn a_machine_makes_itself_a_node_and_goes_on_at_its_next_start() {
    if !ready(true, &["ansible-playbook", "ssh"]) {
        return;
    }
    in_namespaces(
        "local_scenarios::a_machine_makes_itself_a_node_and_goes_on_at_its_next_start",
        || becomes_a_node(&Scene::new(), true),
    );
}

#[test]
#[ignore = "takes minutes: scripts/proof hosts"]
fn a_machine_makes_itself_a_node_and_is_resumed_by_hand() {
    if !ready(true, &["ansible-playbook", "ssh"]) {
        return;
    }
    in_namespaces(
        "local_scenarios::a_machine_makes_itself_a_node_and_is_resumed_by_hand",
        || becomes_a_node(&Scene::new(), false),
    );
}
