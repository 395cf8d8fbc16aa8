//! Images by packer on this machine, and in a rehearsal.

use std::fs;

use hl_sim::{Seed, SeedToken, Server, ServerConfig, World};

use super::lab::{IMAGES, lab, packer};

#[test]
fn an_image_is_built_once_and_again_when_a_byte_of_its_files_changes() {
    if !crate::e2e::ready(false, &["packer"]) {
        return;
    }
    let lab = lab();
    let build = || lab.hl("scenario packer-build --json").exits(0).json();
    let first = build();
    let images = first["context"]["images"].as_array().unwrap();
    assert_eq!(images.len(), 2);
    assert_eq!(images[0]["file"], ".build/images/one/one.qcow2");
    assert_eq!(lab.read(".build/images/one/one.qcow2"), "first");
    let time = |name: &str| {
        let path = lab.path(&format!(".build/images/{name}/{name}.qcow2"));
        fs::metadata(path).unwrap().modified().unwrap()
    };
    let before = (time("one"), time("two"));
    let second = build();
    assert_eq!(second["context"], first["context"]);
    assert_eq!((time("one"), time("two")), before, "nothing was built anew");
    lab.write(&format!("{IMAGES}/one/build.pkr.hcl"), &packer("fIrst"));
    build();
    assert_eq!(lab.read(".build/images/one/one.qcow2"), "fIrst");
    assert_eq!(time("two"), before.1, "only what changed was built anew");
    lab.hl("scenario packer-build --force --templates two")
        .exits(0);
    assert!(time("two") > before.1);
    let names: Vec<String> = fs::read_dir(lab.path(".build/images"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".cache")
        .collect();
    assert_eq!(names.len(), 2, "nothing else is left: {names:?}");
}

#[test]
fn a_build_that_fails_leaves_the_image_of_before() {
    if !crate::e2e::ready(false, &["packer"]) {
        return;
    }
    let lab = lab();
    lab.hl("scenario packer-build --templates one").exits(0);
    lab.write(
        &format!("{IMAGES}/one/build.pkr.hcl"),
        "source \"nothing\" \"x\" {}\n",
    );
    let ran = lab.hl("scenario packer-build --templates one").run();
    assert_ne!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(lab.read(".build/images/one/one.qcow2"), "first");
    let other = packer("first").replace("${var.name}.qcow2", "other.img");
    lab.write(&format!("{IMAGES}/one/build.pkr.hcl"), &other);
    lab.hl("scenario packer-build --templates one")
        .exits(65)
        .says(&["packer made no one.qcow2"]);
}

#[test]
fn a_rehearsal_builds_and_publishes_to_the_simulated_node() {
    if !crate::e2e::ready(true, &["packer"]) {
        return;
    }
    let lab = lab();
    lab.write("site/site.yaml", "defaults: {}\n");
    lab.write(
        "env.example",
        "PVE_ACCESS_HOST=192.168.1.10\nPM_TOKEN_ID=hl@pve!hl\nPVE_NODE=pve\nPVE_STORAGE_VM=local-lvm\nPVE_STORAGE_ISO=local\nPVE_BRIDGE=vmbr0\n",
    );
    let ran = lab
        .hl("rehearse --json scenario packer-build-publish --templates one")
        .exits(0);
    let document = ran.json();
    assert_eq!(document["success"], true, "{document}");
    assert_eq!(document["context"]["volumes"][0], "local:iso/one.img");
    assert!(
        lab.path("state/rehearsal/.build/images/one/one.qcow2")
            .exists()
    );
    assert!(!lab.path(".build").exists(), "a rehearsal writes elsewhere");
    // Once more: what is there is replaced.
    lab.hl("rehearse scenario packer-build-publish --templates one")
        .exits(0);
}

const REMOVE: &str = r#"
[scenario]
doc = "take an image off the node"
runtime = "10s"
params = [{ name = "volume", option = true, default = "local:iso/one.img", doc = "which" }]

[[phase]]
id = "remove_image"
use = "image.remove"
with = { volume = "{{ volume }}", node = "pve" }
"#;

#[test]
fn an_image_is_published_again_and_removed_once() {
    if !crate::e2e::ready(false, &["packer"]) {
        return;
    }
    let secret = "11111111-2222-3333-4444-555555555555";
    let seed = Seed {
        tokens: vec![SeedToken {
            id: "root@pam!images".to_owned(),
            secret: secret.to_owned(),
            privsep: false,
            grants: Vec::new(),
        }],
        ..Seed::default()
    };
    let sim = Server::start(ServerConfig::new(World::seeded(&seed))).unwrap();
    let lab = lab();
    lab.write("site/site.yaml", "defaults: {}\n")
        .write("ca.pem", sim.ca_pem())
        .write("scenarios/image-remove.toml", REMOVE)
        .write(
            ".env",
            &format!(
                "PVE_ACCESS_HOST={}\nPVE_CA_FILE=ca.pem\nPM_TOKEN_ID=root@pam!images\n\
                 PM_TOKEN_SECRET={secret}\nPVE_NODE=pve\nPVE_STORAGE_VM=local-lvm\n",
                sim.addr()
            ),
        );
    let publish = || {
        lab.hl("scenario packer-build-publish --templates one")
            .exits(0);
    };
    let size = || {
        let world = sim.world();
        let mut volumes = world.volumes.iter();
        let found = volumes.find(|volume| volume.volid == "local:iso/one.img");
        found.map(|volume| volume.size)
    };
    publish();
    assert_eq!(size(), Some(5));
    lab.write(
        &format!("{IMAGES}/one/build.pkr.hcl"),
        &packer("longer one"),
    );
    publish();
    assert_eq!(size(), Some(10), "it was replaced");
    lab.hl("scenario image-remove --dry-run")
        .exits(0)
        .says(&["would remove `local:iso/one.img`"]);
    assert!(size().is_some());
    lab.hl("scenario image-remove")
        .exits(0)
        .says(&["`local:iso/one.img` removed"]);
    assert_eq!(size(), None);
    lab.hl("scenario image-remove")
        .exits(0)
        .says(&["is not there"]);
    lab.hl("scenario image-remove --volume local-lvm:vm-100-disk-0")
        .exits(65)
        .says(&["is no image"]);
}
