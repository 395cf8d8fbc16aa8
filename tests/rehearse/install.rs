//! `scripts/install.sh` in a guest, never on this machine: from a file beside it, and
//! from a controller.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Output, Stdio};

use hl_sim::Guests as _;

use super::guests::Room;
use super::{in_namespaces, run};
use crate::support::TestLab;

const AT: &str = "192.168.7.61";
/// The holder's end of the guest's network.
const OUTSIDE: &str = "192.168.7.1";
const TOKEN: &str = "install-canary-token-0001";
/// A program that can be told from the real one.
const PROGRAM: &str = "#!/bin/sh\necho \"hl 9.9.9\"\n";

struct Scene {
    room: Room,
}

impl Scene {
    fn new() -> Self {
        let room = Room::new();
        room.host
            .create_disk("s:vm-61-disk-0", Some("debian.qcow2"))
            .unwrap();
        room.host.start(&room.spec(61, AT)).unwrap();
        let scene = Self { room };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/install.sh");
        scene.put(&fs::read_to_string(script).unwrap(), "/tmp/i/install.sh");
        scene
    }

    /// Writes a file in the guest.
    fn put(&self, text: &str, path: &str) {
        let mut child = self
            .room
            .ssh_command("ops", AT)
            .arg(format!("mkdir -p /tmp/i && cat >{path}"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn root(&self, script: &str) -> Output {
        self.room
            .ssh_as("ops", AT, &format!("sudo sh -c '{script}'"))
    }

    #[track_caller]
    fn works(&self, script: &str) -> String {
        let output = self.root(script);
        let text = said(&output);
        assert!(output.status.success(), "{script}\n{text}");
        text
    }

    #[track_caller]
    fn fails(&self, script: &str, with: &str) {
        let output = self.root(script);
        let text = said(&output);
        assert!(!output.status.success() && text.contains(with), "{text}");
    }
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn hl_is_installed_from_a_file_beside_it_once_it_is_the_right_one() {
    in_namespaces(
        "install::hl_is_installed_from_a_file_beside_it_once_it_is_the_right_one",
        || {
            let scene = Scene::new();
            let as_user = scene.room.ssh_as("ops", AT, "sh /tmp/i/install.sh");
            assert!(said(&as_user).contains("only root"), "{}", said(&as_user));
            scene.fails("sh /tmp/i/install.sh", "there is no hl beside");
            scene.put(PROGRAM, "/tmp/i/hl");
            scene.fails("sh /tmp/i/install.sh", "there is no checksum");
            scene.fails("HL_SHA256=00 sh /tmp/i/install.sh", "it was not installed");
            scene.works("! test -e /usr/local/bin/hl && ! id homestak");

            scene.works("cd /tmp/i && sha256sum hl >hl.sha256");
            let first = scene.works("sh /tmp/i/install.sh");
            assert!(first.contains("hl is installed: hl 9.9.9"), "{first}");
            scene.works("id homestak && sudo -n -l -U homestak | grep -q NOPASSWD");
            scene.works("test -d /usr/local/etc/homestak -a -d /usr/local/lib/homestak");
            let second = scene.works("sh /tmp/i/install.sh --user homestak");
            assert!(second.contains("nothing had to be changed"), "{second}");
            // One that is another is replaced.
            scene.put(&PROGRAM.replace("9.9.9", "9.9.10"), "/tmp/i/hl");
            scene.works("cd /tmp/i && sha256sum hl >hl.sha256 && sh install.sh --no-user");
            assert_eq!(scene.works("hl --version"), "hl 9.9.10\n");
            scene.fails("sh /tmp/i/install.sh --user ../x", "letters, digits");
        },
    );
}

/// A controller of this lab, which ends with the test.
struct Controller {
    child: Child,
    fingerprint: String,
}

impl Controller {
    fn start(lab: &TestLab) -> Self {
        lab.write("token", TOKEN);
        run("chmod", ["600", lab.path("token").to_str().unwrap()]);
        let serve = lab
            .hl("serve --json --port 44443 --repo-token-file token")
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn();
        let mut child = serve.unwrap();
        let mut text = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let document: serde_json::Value = loop {
            assert_ne!(out.read_line(&mut text).unwrap(), 0, "{text}");
            if let Ok(document) = serde_json::from_str(&text) {
                break document;
            }
        };
        let fingerprint = document["fingerprint"].as_str().unwrap().to_owned();
        Self { child, fingerprint }
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn a_controller_gives_the_program_the_lab_and_the_site() {
    in_namespaces(
        "install::a_controller_gives_the_program_the_lab_and_the_site",
        || {
            let lab = TestLab::shipped();
            lab.write("bin/hl", PROGRAM);
            let config = lab
                .read("hl.toml")
                .replace("name = \"homelab\"", "name = \"lab\"");
            lab.write("hl.toml", &config)
                .write(".gitignore", "/token\n");
            run("git", ["init", "-q", lab.root().to_str().unwrap()]);
            let controller = Controller::start(&lab);
            let scene = Scene::new();
            let name = run("uname", ["-n"]);
            let name = name.trim();
            scene.works(&format!("echo {OUTSIDE} {name} >>/etc/hosts"));
            let pin = &controller.fingerprint;
            let source = format!("HL_SOURCE=https://{name}:44443");
            let install = "HL_TOKEN=$(cat /tmp/i/token) sh /tmp/i/install.sh";
            scene.put(TOKEN, "/tmp/i/token");
            scene.fails(
                &format!("{source} {install}"),
                "neither HL_SHA256 nor HL_FINGERPRINT",
            );
            let other = "AA".repeat(32);
            scene.fails(
                &format!("{source} HL_FINGERPRINT={other} {install}"),
                "certificate is another one",
            );
            scene.works("! test -e /usr/local/bin/hl");
            let first = scene.works(&format!("{source} HL_FINGERPRINT={pin} {install}"));
            assert!(first.contains("hl is installed: hl 9.9.9"), "{first}");
            assert!(!first.contains(TOKEN), "{first}");
            scene.works("test -f /usr/local/lib/homestak/lab/hl.toml");
            // The token is in nothing that stays.
            scene.works(&format!("! grep -rq {TOKEN} /usr/local /etc /root"));
            let again = scene.works(&format!(
                "{source} HL_FINGERPRINT={pin} sh /tmp/i/install.sh --token-stdin </tmp/i/token"
            ));
            assert!(again.contains("nothing had to be changed"), "{again}");
        },
    );
}
