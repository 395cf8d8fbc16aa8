//! Faults, with the real client that each hurts.

use super::tofu::{HEAD, Tofu};
use super::tools::{Ran, with};
use crate::sim::faults::faults;
use crate::sim::support::{Lab, Setup, template};

/// A node with a template, where rules say what goes wrong.
fn faulty(rules: &[&str]) -> Lab {
    let lab = Setup {
        faults: faults(rules),
        ..Setup::default()
    }
    .start();
    template(&lab, 9000);
    lab
}

const CLONE: &str = r#"
resource "proxmox_virtual_environment_vm" "one" {
  name      = "one"
  node_name = "pve"
  vm_id     = 110
  started   = false
  clone { vm_id = 9000 }
  agent { enabled = false }
}
"#;

/// What an apply of [`CLONE`] says.
fn apply(tofu: &Tofu<'_>) -> Ran {
    apply_of(tofu, CLONE)
}

/// What an apply of a machine says.
fn apply_of(tofu: &Tofu<'_>, machine: &str) -> Ran {
    tofu.write(&format!("{HEAD}{machine}"));
    let init = tofu.run(&["init", "-input=false", "-no-color"]);
    assert_eq!(init.code, 0, "{}", init.text);
    tofu.run(&["apply", "-auto-approve", "-input=false", "-no-color"])
}

/// What it said, without the lines that its frames break.
fn plain(ran: &Ran) -> String {
    let words = ran.text.split_whitespace().filter(|word| *word != "│");
    words.collect::<Vec<_>>().join(" ")
}

/// How often a call was made.
fn made(lab: &Lab, method: &str, path: &str) -> usize {
    let requests = lab.server().requests();
    let same = |line: &&hl_sim::RequestLine| line.method == method && line.path.starts_with(path);
    requests.iter().filter(same).count()
}

/// What bpg says of a clone that does not go well, and what is left on the node.
#[test]
fn a_clone_that_fails_is_said_and_not_made_twice() {
    let Some(env) = with("tofu") else { return };
    for (rule, said, left) in [
        (
            "POST /nodes/*/qemu/*/clone status=500 message=\"out of luck\"",
            "out of luck",
            false,
        ),
        ("POST /nodes/*/qemu/*/clone status=403", "HTTP 403", false),
        ("POST /nodes/*/qemu/*/clone status=595", "HTTP 595", false),
        (
            "POST /nodes/*/qemu/*/clone status=400 errors.newid=\"no good\"",
            "no good",
            false,
        ),
        (
            "task=clone exit=\"clone failed: no space\"",
            "no space",
            false,
        ),
        (
            "POST,PUT,DELETE /nodes/*/qemu/9000/clone status=500 message=\"cluster not ready - no quorum?\"",
            "no quorum?",
            false,
        ),
        // Its worker was lost, its work was not: the state knows nothing of it.
        (
            "task=clone exit=\"unexpected status\" at=after",
            "unexpected status",
            true,
        ),
        // The reply is lost, the VM is not.
        (
            "POST /nodes/*/qemu/*/clone lost at=after",
            "error cloning VM",
            true,
        ),
    ] {
        let lab = faulty(&[rule]);
        let folder = tempfile::tempdir().unwrap();
        let tofu = Tofu::new(env.clone(), &lab, folder.path());
        let ran = apply(&tofu);
        assert_eq!(ran.code, 1, "{rule}: {}", ran.text);
        let text = plain(&ran);
        assert!(text.contains(said), "{rule}: {said}: {}", ran.text);
        assert_eq!(
            made(&lab, "POST", "/nodes/pve/qemu/9000/clone"),
            1,
            "{rule}"
        );
        let there = lab.server().world().vms.contains_key(&110);
        assert_eq!(there, left, "{rule}: {}", ran.text);
        let listed = tofu.run(&["state", "list"]);
        assert!(!listed.text.contains("\"one\""), "{}", listed.text);
    }
}

/// A machine that runs, made of the same template.
fn started(agent: &str) -> String {
    let machine = CLONE.replace("  started   = false\n", "");
    machine.replace("agent { enabled = false }", agent)
}

/// A machine that does not start is there, in the state too, and was started once.
#[test]
fn a_start_that_fails_is_said_and_not_tried_again() {
    let Some(env) = with("tofu") else { return };
    let lab = faulty(&["task=start vmid=110 exit=\"start failed: no such device\""]);
    let folder = tempfile::tempdir().unwrap();
    let tofu = Tofu::new(env, &lab, folder.path());
    let ran = apply_of(&tofu, &started("agent { enabled = false }"));
    assert_eq!(ran.code, 1, "{}", ran.text);
    assert!(plain(&ran).contains("no such device"), "{}", ran.text);
    assert_eq!(made(&lab, "POST", "/nodes/pve/qemu/110/status/start"), 1);
    assert!(lab.server().world().vms.contains_key(&110));
    let listed = tofu.run(&["state", "list"]);
    assert!(listed.text.contains("vm.one"), "{}", listed.text);
}

/// An agent that never answers is waited for as long as the plan says, and then the
/// machine has no addresses; a guest that ignores its shutdown is not removed.
#[test]
fn a_guest_that_does_not_answer_keeps_its_machine() {
    let Some(env) = with("tofu") else { return };
    let lab = faulty(&[
        "/nodes/*/qemu/*/agent/** status=500 message=\"QEMU guest agent is not running\"",
        "task=shutdown exit=\"VM quit/powerdown failed - got timeout\"",
    ]);
    let folder = tempfile::tempdir().unwrap();
    let tofu = Tofu::new(env, &lab, folder.path());
    let agent = "agent {\n    enabled = true\n    timeout = \"4s\"\n  }";
    let ran = apply_of(&tofu, &started(agent));
    assert_eq!(ran.code, 0, "{}", ran.text);
    assert!(lab.server().world().vms[&110].run.is_some());
    assert!(made(&lab, "GET", "/nodes/pve/qemu/110/agent") > 0);
    let ran = tofu.run(&["destroy", "-auto-approve", "-input=false", "-no-color"]);
    assert_eq!(ran.code, 1, "{}", ran.text);
    assert!(plain(&ran).contains("got timeout"), "{}", ran.text);
    assert_eq!(made(&lab, "DELETE", "/nodes/pve/qemu/110"), 0);
    assert!(lab.server().world().vms.contains_key(&110));
}

/// A right that is missing is named, and nothing is made.
#[test]
fn a_right_that_is_missing_is_named() {
    let Some(env) = with("tofu") else { return };
    // The first is that of the template.
    let lab = faulty(&["POST /nodes/*/storage/*/download-url hit=2- status=403"]);
    let folder = tempfile::tempdir().unwrap();
    let tofu = Tofu::new(env, &lab, folder.path());
    let ran = apply_of(
        &tofu,
        r#"
resource "proxmox_virtual_environment_download_file" "image" {
  node_name    = "pve"
  datastore_id = "local"
  content_type = "iso"
  url          = "https://cloud.example/x.iso"
}
"#,
    );
    assert_eq!(ran.code, 1, "{}", ran.text);
    assert!(
        plain(&ran).contains("Permission check failed"),
        "{}",
        ran.text
    );
    let asked = made(&lab, "POST", "/nodes/pve/storage/local/download-url");
    assert_eq!(asked, 2, "and not again");
}

/// A VM that something else has locked is not removed, and stays in the state.
#[test]
fn a_locked_machine_is_kept() {
    let Some(env) = with("tofu") else { return };
    let lab = faulty(&["DELETE /nodes/*/qemu/110 status=500 message=\"VM is locked (backup)\""]);
    let folder = tempfile::tempdir().unwrap();
    let tofu = Tofu::new(env, &lab, folder.path());
    let made = apply(&tofu);
    assert_eq!(made.code, 0, "{}", made.text);
    let ran = tofu.run(&["destroy", "-auto-approve", "-input=false", "-no-color"]);
    assert_eq!(ran.code, 1, "{}", ran.text);
    assert!(
        plain(&ran).contains("VM is locked (backup)"),
        "{}",
        ran.text
    );
    assert!(lab.server().world().vms.contains_key(&110));
    let listed = tofu.run(&["state", "list"]);
    assert!(listed.text.contains("vm.one"), "{}", listed.text);
}

/// The provider wants TLS 1.3, and a certificate that it is told to trust.
#[test]
fn a_connection_that_is_not_good_enough_is_refused() {
    let Some(env) = with("tofu") else { return };
    for (rule, said) in [
        ("world=tls-1.2", "protocol version not supported"),
        ("world=certificate-expired", "certificate has expired"),
        (
            "world=certificate-wrong-name",
            "cannot validate certificate",
        ),
        ("world=certificate-self-signed", "unknown authority"),
    ] {
        let lab = Setup {
            faults: faults(&[rule]),
            ..Setup::default()
        }
        .start();
        let folder = tempfile::tempdir().unwrap();
        let tofu = Tofu::new(env.clone(), &lab, folder.path());
        let ran = apply(&tofu);
        assert_eq!(ran.code, 1, "{rule}: {}", ran.text);
        assert!(plain(&ran).contains(said), "{rule}: {}", ran.text);
        assert_eq!(lab.server().write_count(), 0, "{rule}");
    }
}
