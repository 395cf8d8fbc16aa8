//! `hl preflight` of a machine with real ssh and a simulated node; images built on it.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hl_sim::{Guests as _, Running, Seed, SeedToken, Server, ServerConfig, Tls, World as SimWorld};
use serde_json::Value;

use super::guests::Room;
use super::in_namespaces;
use crate::support::{Hl, TestLab};

const AT: &str = "192.168.7.50";
/// The checks of that machine: the API that they ask is of the node's file.
const CHECKS: &str = "preflight --json --host kestrel --remote 192.168.7.50";
/// Where the node is, for the test and for the machine.
const NODE: &str = "192.168.7.1";
/// A lab on the machine, for `hl` there.
const THERE: &str = "/root/lab";
/// A lock file of tofu, in both labs.
const LOCK: &str = ".build/tofu/dev-pve/module/.terraform.lock.hcl";
const TOKEN_ID: &str = "hl@pve!hl";
const SECRET: &str = "11111111-2222-3333-4444-555555555555";

/// A lab, a machine that is as it should be, and a node's API.
struct World {
    room: Room,
    lab: TestLab,
    sim: Running,
}

/// What makes the machine as it should be.
const HEALTHY: &str = "
set -e
etc=/usr/local/etc/homestak
install -d -m 755 $etc $etc/nodes
rm -f $etc/nodes/*
[ -e /usr/local/bin/hl ] || cp /run/hl/hl /usr/local/bin/hl
chmod 755 /usr/local/bin/hl
printf 'node: guest-50\\ndatastore: tank\\n' >$etc/nodes/guest-50.yaml
printf 'passwords:\\n  vm_root: x\\n' >$etc/secrets.yaml
chown root $etc/secrets.yaml
chmod 600 $etc/secrets.yaml
";

impl World {
    fn new() -> Self {
        let room = Room::new();
        room.host
            .create_disk("s:vm-50-disk-0", Some("debian.qcow2"))
            .unwrap();
        room.host.start(&room.spec(50, AT)).unwrap();
        let seed = Seed {
            tokens: vec![SeedToken {
                id: TOKEN_ID.to_owned(),
                secret: SECRET.to_owned(),
                privsep: false,
                grants: Vec::new(),
            }],
            ..Seed::default()
        };
        let sim = Server::start(ServerConfig {
            listen: vec![format!("{NODE}:0").parse().unwrap()],
            tls: Tls::Authority(vec![NODE.to_owned()]),
            ..ServerConfig::new(SimWorld::seeded(&seed))
        })
        .unwrap();
        let lab = TestLab::empty();
        let identity = room.key_file();
        lab.write(
            "hl.toml",
            &format!("[ssh]\nidentity = \"{}\"\n", identity.display()),
        )
        .write(
            "layers/l1-templates/layer.toml",
            "[layer]\nid = \"l1\"\nname = \"T\"\n",
        )
        .write("site/site.yaml", "defaults: {ssh_user: ops}\n")
        .write(
            "site/hosts/kestrel.yaml",
            &format!("host: kestrel\nip: {AT}\naccess: {{ssh_user: ops}}\n"),
        )
        .write(
            "site/nodes/kestrel.yaml",
            &format!(
                "node: pve\napi_endpoint: https://{}\ndatastore: local-lvm\n",
                sim.addr()
            ),
        )
        .write("ca.pem", sim.ca_pem());
        let world = Self { room, lab, sim };
        world.sudo(&format!(
            "mkdir -p {THERE}/layers/l1-t {THERE}/site && cd {THERE} && \
             printf '[lab]\\nname = \"x\"\\n' >hl.toml && \
             printf '[layer]\\nid = \"l1\"\\nname = \"T\"\\n' >layers/l1-t/layer.toml && \
             echo 'defaults: {{}}' >site/site.yaml"
        ));
        world.there("ca.pem", world.sim.ca_pem());
        // A program of tests has its own files outside of it, where no guest sees them.
        world.there(
            "scenarios/preflight.toml",
            include_str!("../../scenarios/preflight.toml"),
        );
        world.env(SECRET);
        world.sudo(HEALTHY);
        let keys = super::run("ssh-keyscan", ["-t", "ed25519", AT]);
        world.lab.write("state/known_hosts", &keys);
        world
    }

    /// The variables of both labs.
    fn env(&self, secret: &str) {
        let address = self.sim.addr();
        let text = format!(
            "PVE_ACCESS_HOST={address}\nPVE_CA_FILE=ca.pem\nPM_TOKEN_ID={TOKEN_ID}\n\
             PM_TOKEN_SECRET={secret}\nPVE_NODE=pve\nPVE_STORAGE_VM=local-lvm\n"
        );
        self.lab.write(".env", &text);
        self.there(".env", &text);
    }

    /// Writes a file of the machine's lab.
    fn there(&self, file: &str, text: &str) {
        self.sudo(&format!(
            "mkdir -p $(dirname {THERE}/{file}) && echo {} | base64 -d >{THERE}/{file}",
            STANDARD.encode(text)
        ));
    }

    fn sudo(&self, script: &str) -> String {
        let quoted = script.replace('\'', "'\\''");
        self.room.shell(AT, &format!("sudo sh -c '{quoted}'"))
    }

    fn hl(&self, words: &str) -> Hl {
        self.lab.hl(words)
    }

    /// The checks that fail.
    fn failures(&self, words: &str) -> Vec<Failed> {
        let ran = self.hl(words).run();
        failures(&ran.stdout)
    }
}

/// A check that failed.
#[derive(Debug, PartialEq)]
struct Failed {
    check: String,
    message: String,
    help: Vec<String>,
    /// All that the document has of it, but for its time and its log.
    phase: Value,
}

fn failures(document: &str) -> Vec<Failed> {
    let document: Value =
        serde_json::from_str(document).unwrap_or_else(|e| panic!("{e}: {document}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let phases = document["phases"].as_array().unwrap().iter();
    let failed =
        phases.filter(|phase| phase["status"] != "succeeded" && phase["status"] != "skipped");
    failed
        .map(|phase| {
            let mut whole = phase.clone();
            for other in ["duration", "log"] {
                whole.as_object_mut().unwrap().remove(other);
            }
            Failed {
                check: text(&phase["name"]),
                message: text(&phase["message"]),
                help: phase["help"].as_array().unwrap().iter().map(text).collect(),
                phase: whole,
            }
        })
        .collect()
}

/// A fault: its name, the script that makes it on the machine, the check that fails
/// and what it says. With `command` the help is one that mends it.
struct Fault {
    name: &'static str,
    script: &'static str,
    check: &'static str,
    says: &'static str,
    command: bool,
}

const FAULTS: [Fault; 8] = [
    Fault {
        name: "hl is not executable",
        script: "chmod 644 /usr/local/bin/hl",
        check: "preflight/verify_bootstrap",
        says: "`/usr/local/bin/hl` on {} is not executable",
        command: true,
    },
    Fault {
        name: "others write in the configuration",
        script: "chmod 777 /usr/local/etc/homestak",
        check: "preflight/verify_bootstrap",
        says: "others may write in `/usr/local/etc/homestak` on {}: its mode is 777",
        command: true,
    },
    Fault {
        name: "others read the secrets",
        script: "chmod 644 /usr/local/etc/homestak/secrets.yaml",
        check: "preflight/verify_secrets",
        says: "`/usr/local/etc/homestak/secrets.yaml` on {} may be read by others: its mode is 644",
        command: true,
    },
    Fault {
        name: "somebody else owns the secrets",
        script: "chown ops /usr/local/etc/homestak/secrets.yaml",
        check: "preflight/verify_secrets",
        says: "`/usr/local/etc/homestak/secrets.yaml` on {} belongs to `ops`, expected `root`",
        command: true,
    },
    Fault {
        name: "the node's file is called otherwise",
        script: "cd /usr/local/etc/homestak/nodes && mv guest-50.yaml old.yaml",
        check: "preflight/verify_node_config",
        says: "there is no `/usr/local/etc/homestak/nodes/guest-50.yaml` on {}",
        command: true,
    },
    Fault {
        name: "the secrets are encrypted",
        script: "printf 'passwords:\\n  vm_root: ENC[AES256_GCM,data:x]\\nsops:\\n  mac: x\\n' >/usr/local/etc/homestak/secrets.yaml",
        check: "preflight/verify_secrets",
        says: "/usr/local/etc/homestak/secrets.yaml:3: the secrets on {} are encrypted",
        command: false,
    },
    Fault {
        name: "the node's file names no storage",
        script: "printf 'node: guest-50\\n' >/usr/local/etc/homestak/nodes/guest-50.yaml",
        check: "preflight/verify_node_config",
        says: "/usr/local/etc/homestak/nodes/guest-50.yaml:1",
        command: false,
    },
    Fault {
        name: "the node's file is no YAML",
        script: "printf 'datastore: tank\\nnode: x: y\\n' >/usr/local/etc/homestak/nodes/guest-50.yaml",
        check: "preflight/verify_node_config",
        says: "/usr/local/etc/homestak/nodes/guest-50.yaml:2",
        command: false,
    },
];

/// Eight faults on the machine, one of the lab, one of the node: the first six have a
/// command.
#[test]
fn ten_faults_are_told_and_six_are_mended_by_what_is_pasted() {
    in_namespaces(
        "preflight::ten_faults_are_told_and_six_are_mended_by_what_is_pasted",
        || {
            let world = World::new();
            assert_eq!(world.failures(CHECKS), [], "a healthy machine has none");
            assert_eq!(local(&world), [], "nor has it by itself");
            for fault in &FAULTS {
                world.sudo(fault.script);
                let found = world.failures(CHECKS);
                let [failed] = found.as_slice() else {
                    panic!("{}: {found:?}", fault.name);
                };
                let Failed {
                    check,
                    message,
                    help,
                    ..
                } = failed;
                let says = fault.says.replace("{}", &format!("`{AT}`"));
                assert_eq!(check, fault.check, "{}", fault.name);
                assert!(message.contains(&says), "{}: {message}", fault.name);
                same(&world, failed);
                if fault.command {
                    paste(&world, &help[0]);
                } else {
                    world.sudo(HEALTHY);
                }
                assert_eq!(world.failures(CHECKS), [], "{} is mended", fault.name);
            }
            lock_file(&world);
            token(&world);
        },
    );
}

/// The machine itself says the same of its one fault: but for its name, for what stands
/// in front of a command, and for where the lab is.
#[track_caller]
fn same(world: &World, found: &Failed) {
    let own = local(world);
    let [own] = own.as_slice() else {
        panic!("{}: {own:?}", found.check);
    };
    let root = world.lab.root().display().to_string();
    let mut expected = found.phase.clone();
    let mut here = |text: &mut Value| {
        let said = text.as_str().unwrap_or_default();
        let said = said.replace(&format!("`{AT}`"), "this machine");
        *text = without_ssh(&said).replace(&root, THERE).into();
    };
    here(&mut expected["message"]);
    for key in ["help", "warnings", "tail"] {
        let lines = expected[key].as_array_mut().into_iter().flatten();
        lines.for_each(&mut here);
    }
    assert_eq!(own.phase, expected);
}

/// A command as it is typed on the machine, by root.
fn without_ssh(text: &str) -> String {
    let target = format!("ops@{AT} ");
    let ssh = text.split_once("`ssh ");
    let Some((before, (_, rest))) =
        ssh.and_then(|(before, rest)| Some((before, rest.split_once(&target)?)))
    else {
        return text.to_owned();
    };
    let (quoted, after) = rest.split_once('`').unwrap_or((rest, ""));
    let command = quoted.trim_matches('\'').replace("'\\''", "'");
    let command = command.trim_start_matches("sudo -n ");
    format!("{before}`{command}`{after}")
}

/// The sixth that has a command: a lock file that locks nothing.
fn lock_file(world: &World) {
    let lock = LOCK;
    world.lab.write(lock, "# empty\n");
    world.there(lock, "# empty\n");
    let found = world.failures(CHECKS);
    let [
        Failed {
            check,
            message,
            help,
            ..
        },
    ] = found.as_slice()
    else {
        panic!("{found:?}");
    };
    assert_eq!(check, "preflight/verify_locks");
    assert!(
        message.contains(lock) && message.contains("locks no provider"),
        "{message}"
    );
    same(world, &found[0]);
    paste(world, &help[0]);
    assert!(!world.lab.path(lock).exists());
    assert_eq!(world.failures(CHECKS), []);
    world.sudo(&format!("rm {THERE}/{lock}"));
}

/// The setting outside of the machine: a token that the node does not know.
fn token(world: &World) {
    world.env("11111111-0000-0000-0000-000000000000");
    let found = world.failures(CHECKS);
    let [
        Failed {
            check,
            message,
            help,
            ..
        },
    ] = found.as_slice()
    else {
        panic!("{found:?}");
    };
    assert_eq!(check, "preflight/verify_token");
    assert!(message.contains("token"), "{message}");
    assert!(
        help.iter().any(|line| line.contains("PM_TOKEN")),
        "{help:?}"
    );
    same(world, &found[0]);
    world.env(SECRET);
    assert_eq!(world.failures(CHECKS), []);
}

/// Runs the command that stands in backticks, as a person would.
fn paste(world: &World, help: &str) {
    let command = help
        .split('`')
        .nth(1)
        .unwrap_or_else(|| panic!("no command: {help}"));
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(world.lab.root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What `hl` on the machine says of it.
fn local(world: &World) -> Vec<Failed> {
    let script =
        format!("cd {THERE}; DOPPLER=0 HOME=/root /run/hl/hl preflight --local --json; true");
    failures(&world.sudo(&script))
}

#[test]
fn what_is_asked_for_is_checked_and_ssh_faults_have_a_command() {
    in_namespaces(
        "preflight::what_is_asked_for_is_checked_and_ssh_faults_have_a_command",
        || {
            let world = World::new();
            let found = world.failures(&format!(
                "{CHECKS} --cores 9999 --memory 99999999 --disk 999999 --nested"
            ));
            let checks: Vec<&str> = found.iter().map(|failed| failed.check.as_str()).collect();
            for check in ["verify_cpu", "verify_memory", "verify_disk"] {
                assert!(
                    checks.contains(&format!("preflight/{check}").as_str()),
                    "{checks:?}"
                );
            }
            // A host key that is not known, and one that changed.
            let keys = world.lab.read("state/known_hosts");
            for (known, says) in [
                (String::new(), "is not known"),
                (other_key(&keys), "is not the recorded one"),
            ] {
                world.lab.write("state/known_hosts", &known);
                let found = world.failures(CHECKS);
                let Failed {
                    check,
                    message,
                    help,
                    ..
                } = &found[0];
                assert_eq!(check, "preflight/reach_machine");
                assert!(message.contains(says), "{message}");
                assert_eq!(
                    world.lab.read("state/known_hosts"),
                    known,
                    "nothing was learnt"
                );
                paste(&world, &help[0]);
                if known.is_empty() {
                    assert_eq!(world.failures(CHECKS), []);
                }
            }
        },
    );
}

/// The same lines with the key of another machine.
fn other_key(keys: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("k");
    let file = file.to_str().unwrap();
    super::run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
    let other = fs::read_to_string(format!("{file}.pub")).unwrap();
    let other = other.split_whitespace().nth(1).unwrap().to_owned();
    let line = keys
        .lines()
        .find(|line| line.contains("ssh-ed25519"))
        .unwrap();
    let own = line.split_whitespace().nth(2).unwrap();
    format!("{}\n", line.replace(own, &other))
}

/// Packer's own builder of files: a real build, in a moment.
const PACKER: &str = r#"
variable "name" {
  type = string
}
variable "output" {
  type = string
}
source "file" "image" {
  content = "there"
  target  = "${var.output}/${var.name}.qcow2"
}
build {
  sources = ["source.file.image"]
}
"#;

/// An image of QEMU that was built there is known as such, and fetched byte by byte.
#[test]
fn an_image_of_a_virtual_machine_is_fetched_as_it_was_built() {
    if !crate::e2e::ready(true, &["ssh"]) {
        return;
    }
    let Some(built) = crate::scenario::image::built() else {
        return;
    };
    in_namespaces(
        "preflight::an_image_of_a_virtual_machine_is_fetched_as_it_was_built",
        || {
            let world = World::new();
            let images = "layers/l1-templates/images";
            world.lab.write(
                &format!("{images}/tiny/build.pkr.hcl"),
                crate::scenario::image::TEMPLATE,
            );
            let there = ".cache/hl/images/tiny";
            world.room.shell(AT, &format!("mkdir -p {there}"));
            let tiny = built.join("images/tiny");
            for name in ["tiny.qcow2", "inputs.sha256"] {
                let to = format!("ops@{AT}:{there}/{name}");
                world.room.scp(&tiny.join(name), &to);
            }
            let run = |words: &str| {
                let hl = world.hl(&format!("scenario {words} --json --remote"));
                hl.arg(format!("ops@{AT}")).exits(0).json()
            };
            assert_eq!(run("packer-sync")["context"]["synced"], 1);
            // The machine has no packer: what is up to date needs none.
            let all = run("packer-sync-build-fetch");
            assert_eq!(all["context"]["images"][0]["name"], "tiny");
            let fetched = world.lab.path(".build/images/tiny/tiny.qcow2");
            let same = || fs::read(&fetched).unwrap() == fs::read(tiny.join("tiny.qcow2")).unwrap();
            assert!(same());
            // A copy that was cut is gone on with, and compared.
            let whole = fs::metadata(&fetched).unwrap().len();
            let part = fetched.with_file_name(".tiny.part");
            fs::rename(&fetched, &part).unwrap();
            let file = fs::OpenOptions::new().write(true).open(&part).unwrap();
            file.set_len(whole / 2).unwrap();
            run("packer-build-fetch");
            assert!(same());
        },
    );
}

#[test]
fn images_are_synced_built_there_and_fetched() {
    if !crate::e2e::ready(true, &["packer"]) {
        return;
    }
    in_namespaces(
        "preflight::images_are_synced_built_there_and_fetched",
        || {
            let world = World::new();
            let packer = which::which("packer").unwrap();
            let into = format!("ops@{AT}:/tmp/packer");
            world.room.scp(&packer, &into);
            world.sudo("install -m 755 /tmp/packer /usr/local/bin/packer");
            let images = "layers/l1-templates/images";
            world
                .lab
                .write(&format!("{images}/one/build.pkr.hcl"), PACKER);
            world
                .lab
                .write(&format!("{images}/one/http/seed.cfg"), "seed\n");
            let all = "scenario packer-sync-build-fetch --json --remote";
            let run = |words: &str| world.hl(words).arg(format!("ops@{AT}")).exits(0).json();
            let first = run(all);
            assert_eq!(first["context"]["synced"], 2);
            assert_eq!(world.lab.read(".build/images/one/one.qcow2"), "there");
            // Nothing differs: nothing is sent, built or fetched.
            let second = run(all);
            assert_eq!(second["context"]["synced"], 0);
            assert_eq!(second["context"]["images"], first["context"]["images"]);
            // One byte, one file; what the lab does not have goes.
            world.lab.write(
                &format!("{images}/one/build.pkr.hcl"),
                &PACKER.replace("there", "There"),
            );
            fs::remove_dir_all(world.lab.path(&format!("{images}/one/http"))).unwrap();
            let third = run(all);
            assert_eq!(third["context"]["synced"], 1);
            assert_eq!(world.lab.read(".build/images/one/one.qcow2"), "There");
            let there = world.room.shell(AT, "find .cache/hl -type f | sort");
            assert_eq!(
                there,
                ".cache/hl/images/one/inputs.sha256\n.cache/hl/images/one/one.qcow2\n.cache/hl/packer/one/build.pkr.hcl\n"
            );
            // What was fetched and is damaged is fetched again.
            world.lab.write(".build/images/one/one.qcow2", "damaged");
            run("scenario packer-build-fetch --json --remote");
            assert_eq!(world.lab.read(".build/images/one/one.qcow2"), "There");
            assert!(Path::new(&world.lab.path("state/known_hosts")).exists());
        },
    );
}
