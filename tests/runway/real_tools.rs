//! What `hl` trusts, the real tools trust: OpenTofu with the bpg provider and
//! Packer with its Proxmox plugin, given nothing but a pinned fingerprint.

use std::process::{Command, Output};

use hl::pve;

use super::scene::{Scene, self_signed};
use super::trust::environment;

/// Runs a tool in the lab with what `hl` would give it, and nothing else that
/// could make it trust anybody.
fn run(scene: &Scene, program: &str, args: &[&str]) -> Output {
    let (env, paths) = environment(scene);
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(scene.lab.root())
        .env_clear()
        .envs(pve::tool_env(&env, &paths).unwrap())
        .env("HOME", scene.lab.root())
        .env("TMPDIR", scene.lab.root());
    for name in [
        "PATH",
        "TF_CLI_CONFIG_FILE",
        "PACKER_PLUGIN_PATH",
        "CHECKPOINT_DISABLE",
    ] {
        command.envs(std::env::var(name).map(|value| (name, value)));
    }
    command.output().unwrap()
}

/// Whether a tool is there; where not, that is said, and in CI it is a failure.
fn there(program: &str) -> bool {
    let there = which::which(program).is_ok();
    if !there {
        assert!(std::env::var("CI").is_err(), "`{program}` is not installed");
        eprintln!("skipped: {program} not installed");
    }
    there
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn pinned() -> Scene {
    let scene = self_signed(&["127.0.0.1"]);
    scene.set("PVE_FINGERPRINT", scene.sim.fingerprint());
    scene
}

#[test]
fn tofu_with_a_pinned_certificate() {
    if !there("tofu") {
        return;
    }
    let scene = pinned();
    scene.lab.write(
        "main.tf",
        r#"terraform {
  required_providers {
    proxmox = { source = "bpg/proxmox" }
  }
}
provider "proxmox" {}
data "proxmox_virtual_environment_version" "it" {}
output "version" { value = data.proxmox_virtual_environment_version.it.version }
"#,
    );
    let init = run(&scene, "tofu", &["init", "-no-color", "-input=false"]);
    assert!(init.status.success(), "{}", text(&init));
    let plan = run(&scene, "tofu", &["plan", "-no-color", "-input=false"]);
    let said = text(&plan);
    assert!(
        plan.status.success() && said.contains("\"9.1.2\""),
        "{said}"
    );
    assert!(scene.sim.request_count() > 0);
}

#[test]
fn packer_with_a_pinned_certificate() {
    if !there("packer") {
        return;
    }
    let scene = pinned();
    scene.lab.write(
        "build.pkr.hcl",
        r#"packer {
  required_plugins {
    proxmox = { source = "github.com/hashicorp/proxmox", version = ">= 1.0.4" }
  }
}
source "proxmox-clone" "x" {
  node                 = "pve"
  clone_vm             = "there-is-no-such-vm"
  communicator         = "none"
  insecure_skip_tls_verify = false
}
build { sources = ["source.proxmox-clone.x"] }
"#,
    );
    let init = run(&scene, "packer", &["init", "."]);
    assert!(init.status.success(), "{}", text(&init));
    let build = run(&scene, "packer", &["build", "-color=false", "."]);
    let said = text(&build);
    assert!(!said.contains("x509"), "{said}");
    let asked = scene.sim.requests();
    assert!(asked.iter().all(|line| line.status != 401), "{asked:?}");
    let found = asked
        .iter()
        .any(|line| line.path == "/cluster/resources" && line.status == 200);
    assert!(found, "{said}\n{asked:?}");
}

#[test]
fn with_the_real_tools_it_is_cleared_and_leaves_nothing_in_the_home() {
    if !["tofu", "packer", "ansible-playbook", "ssh"]
        .iter()
        .all(|program| there(program))
    {
        return;
    }
    let scene = super::scene::scene(&super::scene::seed());
    scene
        .lab
        .hl("l0-runway")
        .exits(0)
        .says(&["`tofu` 1.", "`packer` 1.", "`ansible-playbook` 2."]);
    scene.nothing_was_written();
}
