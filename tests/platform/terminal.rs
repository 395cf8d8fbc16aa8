//! `hl platform init` at a terminal: back and forth, left, and gone on with.

use std::io::{Read, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::support::{Hl, TestLab};

/// How long it may say nothing.
const SILENCE: Duration = Duration::from_mins(1);

const ENTER: &str = "\r";
const ESC: &str = "\u{1b}";
const CTRL_C: &str = "\u{3}";

/// Runs it on a terminal; to each question, in their order, these keys are pressed.
#[track_caller]
fn typed(hl: &Hl, answers: &[(&str, &str)]) -> (String, u32) {
    let template = hl.command();
    let size = PtySize {
        rows: 40,
        cols: 160,
        ..PtySize::default()
    };
    let terminal = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(template.get_program());
    command.args(template.get_args());
    command.cwd(template.get_current_dir().unwrap());
    command.env_clear();
    for (name, value) in template.get_envs() {
        command.env(name, value.unwrap());
    }
    command.env("TERM", "xterm");
    let mut child = terminal.slave.spawn_command(command).unwrap();
    drop(terminal.slave);
    let mut reader = terminal.master.try_clone_reader().unwrap();
    let mut writer = terminal.master.take_writer().unwrap();
    let (sender, pieces) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let (mut said, mut seen) = (String::new(), 0);
    let mut left = answers.iter();
    let mut next = left.next();
    loop {
        match pieces.recv_timeout(SILENCE) {
            Ok(piece) => said.push_str(&String::from_utf8_lossy(&piece)),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                child.kill().unwrap();
                panic!("it says nothing, and was not asked {next:?}: {said}");
            }
        }
        while let Some((question, keys)) = next
            && let Some(at) = said.get(seen..).and_then(|new| new.find(question))
        {
            seen += at + question.len();
            writer.write_all(keys.as_bytes()).unwrap();
            next = left.next();
        }
    }
    assert!(next.is_none(), "not asked: {next:?}\n{said}");
    (said, child.wait().unwrap().exit_code())
}

#[test]
fn it_is_answered_left_and_gone_on_with() {
    let lab = TestLab::empty();
    let hl = lab.hl("platform init");
    let machines = "name=cp01,ip=10.0.0.5,vmid=105,role=controlplane\r";
    // A slip is told; Esc goes back to what was answered before; Ctrl-C leaves.
    let (said, code) = typed(
        &hl,
        &[
            ("Organization:", "Acme\r"),
            ("Organization:", "acme\r"),
            ("Name of the platform:", ESC),
            ("Organization:", "beta\r"),
            ("Name of the platform:", ENTER),
            ("Where the machines are:", ENTER),
            ("What runs Kubernetes:", ENTER),
            ("What keeps the cluster", ESC),
            ("What runs Kubernetes:", ENTER),
            ("What keeps the cluster", "none\r"),
            ("proxmox: machines", CTRL_C),
        ],
    );
    assert_eq!(code, 130, "{said}");
    assert!(said.contains("expected lower-case letters"), "{said}");
    let text = lab.read("platform/platform.yaml");
    for part in [
        "organization: beta",
        "app_name: beta-lab",
        "proxmox:",
        "k3s:",
        "cilium:",
        "sops:",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("argocd"), "{text}");
    lab.write("platform/platform.yaml", &format!("# ours\n{text}"));
    // Only what is missing is asked for.
    let (said, code) = typed(&hl, &[("proxmox: machines", machines)]);
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("Organization:"), "{said}");
    let text = lab.read("platform/platform.yaml");
    assert!(
        text.starts_with("# ours\n") && text.contains("vmid: 105"),
        "{text}"
    );
    lab.hl("platform render").exits(0);
    // Nothing is open, so nothing is asked.
    let (said, code) = typed(&hl, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Unchanged"), "{said}");
}

#[test]
fn a_secret_is_not_shown() {
    let lab = TestLab::empty();
    let hl = lab.hl("platform init --adapters hetzner --answer organization=a --answer app_name=a");
    let (said, code) = typed(
        &hl,
        &[
            (
                "hetzner: servers",
                "name=a,ip=10.0.0.5,id=7,role=controlplane\r",
            ),
            ("wipe the disks", "no\r"),
            ("wipe the disks", "yes\r"),
            ("hetzner: API token", "canary-token\r"),
        ],
    );
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("canary-token"), "{said}");
    assert!(lab.read("state/secrets.env").contains("canary-token"));
    assert!(!lab.read("platform/platform.yaml").contains("canary-token"));
    // Who leaves the first question leaves.
    let other = TestLab::empty();
    let (said, code) = typed(&other.hl("platform init"), &[("Organization:", ESC)]);
    assert_eq!(code, 77, "{said}");
    assert!(!other.path("platform").exists());
}

/// Adapters that were not named go only after a yes.
#[test]
fn it_is_asked_before_adapters_go() {
    let lab = TestLab::empty();
    let text = "version: \"1.0\"\nplatform: {organization: acme, app_name: acme-lab}\nadapters:\n  \
                sops: {}\n  argocd: {repo_url: 'https://github.com/acme/cluster.git'}\n";
    lab.write("platform/platform.yaml", text);
    let hl = lab.hl("platform init --adapters sops");
    let (said, code) = typed(&hl, &[("remove `argocd` with all that it is told?", "n\r")]);
    assert_eq!(code, 77, "{said}");
    assert_eq!(lab.read("platform/platform.yaml"), text);
}
