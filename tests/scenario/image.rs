//! Images that packer built with QEMU and without KVM. `scripts/tools packer-image` builds
//! one, once; what scenarios do with it begins with its result.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::lab::IMAGES;
use crate::support::TestLab;
use crate::support::lab::copy;

/// The template that was built.
pub(crate) const TEMPLATE: &str = include_str!("../../tools/packer-image/build.pkr.hcl");

/// The directory of `scripts/tools packer-image`; where all has to be there, its absence
/// is a failure, elsewhere it is said.
#[expect(clippy::print_stderr, reason = "a skip is said")]
pub(crate) fn built() -> Option<PathBuf> {
    let var = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = || var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")));
    let found = var("HL_PACKER_IMAGE").or_else(|| Some(cache()?.join("hl/tools/image")));
    let found = found.filter(|dir| dir.join("images/tiny/tiny.qcow2").is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("HL_TESTS_NEED_ALL").is_none() && std::env::var_os("CI").is_none(),
            "there is no image: scripts/tools packer-image"
        );
        eprintln!("skipped: there is no image: scripts/tools packer-image");
    }
    found
}

/// A lab with that template.
fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "layers/l1-templates/layer.toml",
        "[layer]\nid = \"l1\"\nname = \"Templates\"\n",
    )
    .write(&format!("{IMAGES}/tiny/build.pkr.hcl"), TEMPLATE);
    lab
}

/// A file in an image, which is one file system.
fn file_in(image: &Path, bin: &Path, file: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw");
    let converted = Command::new(bin.join("qemu-img"))
        .args(["convert", "-O", "raw"])
        .arg(image)
        .arg(&raw)
        .status()
        .unwrap();
    assert!(converted.success());
    let output = Command::new("debugfs")
        .args(["-R", &format!("cat {file}")])
        .arg(&raw)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn image(document: &Value) -> (String, String) {
    let image = &document["context"]["images"][0];
    let text = |key: &str| image[key].as_str().unwrap().to_owned();
    (text("name"), text("sha256"))
}

#[test]
fn what_was_built_once_stands_until_a_byte_of_its_template_changes() {
    let Some(built) = built() else { return };
    let qcow2 = built.join("images/tiny/tiny.qcow2");
    assert_eq!(
        file_in(&qcow2, &built.join("bin"), "/etc/hl-image"),
        "built\n",
        "what the provisioner wrote"
    );
    let lab = lab();
    copy(&built.join("images/tiny"), &lab.path(".build/images/tiny"));
    // It is told when packer begins, and by what.
    lab.write(
        "packer",
        "#!/bin/sh\nmkdir \"$PKR_VAR_output\"\necho $PKR_VAR_accelerator >>builds\n\
         cp builds \"$PKR_VAR_output/$PKR_VAR_name.qcow2\"\n",
    );
    fs::set_permissions(lab.path("packer"), fs::Permissions::from_mode(0o755)).unwrap();
    let packer = lab.path("packer").display().to_string();
    lab.write(
        "hl.toml",
        &format!("[lab]\nname = \"test\"\n[tools]\npacker = \"{packer}\"\n"),
    );
    let run = || lab.hl("scenario packer-build --json").exits(0).json();
    let first = run();
    let sum = Command::new("sha256sum").arg(&qcow2).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let (name, sha256) = image(&first);
    assert_eq!(name, "tiny");
    assert!(sum.starts_with(&sha256), "{sum} {sha256}");
    let builds = format!("{IMAGES}/tiny/builds");
    assert!(!lab.path(&builds).exists(), "it was built again");
    lab.write(
        &format!("{IMAGES}/tiny/build.pkr.hcl"),
        &TEMPLATE.replace("echo built", "echo Built"),
    );
    let second = run();
    assert!(lab.path(&builds).exists(), "it was not built again");
    assert_ne!(image(&second).1, sha256);
}

/// The shipped templates, by the packer that has QEMU's builder inside. A checksum of the
/// vendor's would be fetched even for this.
#[test]
fn the_shipped_templates_are_valid() {
    let Some(built) = built() else { return };
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join(IMAGES);
    let mut count = 0;
    for entry in fs::read_dir(templates).unwrap() {
        let dir = entry.unwrap().path();
        let home = tempfile::tempdir().unwrap();
        let bin = built.join("bin");
        let path = std::env::var("PATH").unwrap();
        let output = Command::new(bin.join("packer"))
            .args(["validate", "-var", "base_checksum=none"])
            .args(["-var", "name=x", "-var", "accelerator=tcg", "-var"])
            .arg(format!("output={}", home.path().join("out").display()))
            .arg(".")
            .current_dir(&dir)
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("HOME", home.path())
            .env("PACKER_CACHE_DIR", home.path())
            .env("CHECKPOINT_DISABLE", "1")
            .output()
            .unwrap();
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{}\n{said}", dir.display());
        count += 1;
    }
    assert!(count >= 2, "{count}");
}

#[test]
fn it_is_published_to_the_simulated_node() {
    if !crate::e2e::ready(true, &["unshare"]) {
        return;
    }
    let Some(built) = built() else { return };
    let lab = lab();
    lab.write("site/site.yaml", "defaults: {}\n").write(
        "env.example",
        "PVE_ACCESS_HOST=192.168.1.10\nPM_TOKEN_ID=hl@pve!hl\nPVE_NODE=pve\nPVE_STORAGE_VM=local-lvm\nPVE_STORAGE_ISO=local\nPVE_BRIDGE=vmbr0\n",
    );
    copy(
        &built.join("images/tiny"),
        &lab.path("state/rehearsal/.build/images/tiny"),
    );
    let ran = lab
        .hl("rehearse --json scenario packer-build-publish --templates tiny")
        .exits(0);
    let document = ran.json();
    assert_eq!(document["context"]["volumes"][0], "local:iso/tiny.img");
    let world = lab.read("state/rehearsal/world/world.json");
    assert!(world.contains("iso/tiny.img"), "it is on no storage");
}

/// The build itself, by `hl`: what `scripts/tools` does beforehand for the others.
#[test]
#[ignore = "takes minutes: scripts/proof hosts"]
fn packer_builds_it_without_kvm() {
    let Some(built) = built() else { return };
    let lab = lab();
    // This machine may have a KVM that does not work.
    let text = TEMPLATE
        .replace("= var.accelerator", "= \"tcg\"")
        .replace("echo built", "echo by hl");
    lab.write(&format!("{IMAGES}/tiny/build.pkr.hcl"), &text);
    let path = std::env::var("PATH").unwrap();
    let ran = lab
        .hl("scenario packer-build --json --templates tiny")
        .env("PATH", format!("{}:{path}", built.join("bin").display()))
        .env("PKR_VAR_base", built.display().to_string())
        .exits(0);
    assert_eq!(image(&ran.json()).0, "tiny");
    let qcow2 = lab.path(".build/images/tiny/tiny.qcow2");
    assert_eq!(
        file_in(&qcow2, &built.join("bin"), "/etc/hl-image"),
        "by hl\n"
    );
}
