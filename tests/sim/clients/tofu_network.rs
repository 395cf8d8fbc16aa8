//! The shipped example of an environment with a network of its own: images by URL and by
//! file, a zone with one network, and a router in it.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::tofu::Tofu;
use super::tools::with;
use crate::sim::support::{lab, seed};
use crate::support::lab::copy;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFG7YvXM6cXkAyOfyLKgJ2tQ8Ll9UqtRz2Pss2V1n4Yb me@desk";

#[test]
fn the_shipped_network_has_its_images_and_its_router() {
    let Some(env) = with("tofu") else { return };
    let lab = lab(&seed());
    let folder = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("layers/l2-instantiate/tofu/network");
    copy(&shipped, folder.path());
    let image = folder.path().join("tiny.img");
    fs::write(&image, vec![0; 4096]).unwrap();
    let variables = json!({
        "node": "pve",
        "keys": [KEY],
        // Snippets go over SSH, which is not here.
        "snippets": null,
        "images": {
            "router": {
                "url": "https://cloud.example/debian-13.qcow2",
                "file_name": "hl-router.qcow2",
                "checksum": "00".repeat(32),
            },
            "tiny": {
                "file": image,
                "content_type": "iso",
                "checksum": "ad7facb2586fc6e966c004d7d1d16b024f5805ff7cb47c7a85dabd8b48892ca7",
            },
        },
    });
    fs::write(
        folder.path().join("terraform.tfvars.json"),
        variables.to_string(),
    )
    .unwrap();
    let tofu = Tofu::new(env, &lab, folder.path());
    let format = tofu.run(&["fmt", "-check", "-recursive"]);
    assert_eq!(format.code, 0, "{}", format.text);
    let init = tofu.run(&["init", "-input=false", "-no-color"]);
    assert_eq!(init.code, 0, "{}", init.text);
    // Its second plan is empty, too.
    tofu.apply();
    let network = &lab.get("/cluster/sdn/vnets/hlnet").data();
    assert_eq!(network["zone"], "hlzone", "{network}");
    let router = lab.get("/nodes/pve/qemu/5190/config").data();
    let nic = |key: &str| router[key].as_str().unwrap().to_owned();
    assert!(nic("net0").contains("bridge=vmbr0"), "{router}");
    assert!(nic("net1").contains("bridge=hlnet"), "{router}");
    assert_eq!(router["ipconfig1"], "ip=10.20.0.1/24");
    let output = tofu.run(&["output", "-json"]);
    assert!(
        output.text.contains("local:import/hl-router.qcow2"),
        "{}",
        output.text
    );
    assert!(
        output.text.contains("local:iso/tiny.img"),
        "{}",
        output.text
    );

    let ran = tofu.run(&["destroy", "-auto-approve", "-input=false", "-no-color"]);
    assert_eq!(ran.code, 0, "{}", ran.text);
    // What is destroyed is applied, too: nothing is pending.
    for path in ["/cluster/sdn/zones", "/cluster/sdn/vnets"] {
        let left = lab.get(&format!("{path}?pending=1")).data();
        assert_eq!(left, json!([]), "{path}");
    }

    // An image is from one place.
    let both = json!({ "node": "pve", "keys": [KEY], "images": { "router": {} } });
    fs::write(
        folder.path().join("terraform.tfvars.json"),
        both.to_string(),
    )
    .unwrap();
    let refused = tofu.run(&["plan", "-input=false", "-no-color"]);
    assert_eq!(refused.code, 1, "{}", refused.text);
    assert!(refused.text.contains("and not both"), "{}", refused.text);
}
