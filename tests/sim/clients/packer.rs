//! packer's two builders with the plugin 1.0.4, without a communicator.

use super::flows;
use super::tools::{run, with};
use crate::sim::support::{TOKEN, lab, seed, template};

fn head(addr: std::net::SocketAddr) -> String {
    let (user, secret) = TOKEN.split_once('=').unwrap();
    format!(
        r#"
packer {{
  required_plugins {{
    proxmox = {{ source = "github.com/hashicorp/proxmox", version = "1.0.4" }}
  }}
}}
locals {{
  url    = "https://{addr}/api2/json"
  user   = "{user}"
  secret = "{secret}"
}}
"#
    )
}

#[test]
fn a_clone_becomes_a_template() {
    let Some(env) = with("packer") else { return };
    let lab = lab(&seed());
    template(&lab, 9000);
    let folder = tempfile::tempdir().unwrap();
    let text = r#"
source "proxmox-clone" "deb" {
  proxmox_url          = local.url
  username             = local.user
  token                = local.secret
  node                 = "pve"
  clone_vm             = "base"
  full_clone           = true
  vm_name              = "deb-build"
  template_name        = "debian-13"
  template_description = "made by a test"
  communicator         = "none"
  qemu_agent           = true
  cores                = 2
  memory               = 2048
  scsi_controller      = "virtio-scsi-single"
  task_timeout         = "20m"
  network_adapters {
    bridge = "vmbr0"
    model  = "virtio"
  }
}
build {
  sources = ["source.proxmox-clone.deb"]
  post-processor "manifest" { output = "manifest.json" }
}
"#;
    std::fs::write(
        folder.path().join("t.pkr.hcl"),
        format!("{}{text}", head(lab.server().addr())),
    )
    .unwrap();
    let ran = run(
        &env,
        lab.server(),
        folder.path(),
        &["packer", "build", "-color=false", "."],
    );
    assert_eq!(ran.code, 0, "{}", ran.text);
    let config = lab.get("/nodes/pve/qemu/100/config").data();
    assert_eq!(config["template"], 1, "{}", ran.text);
    assert_eq!(config["name"], "debian-13");
    assert_eq!(config["description"], "made by a test");
    assert_eq!(config["agent"], "1");
    assert!(
        config["scsi0"]
            .as_str()
            .unwrap()
            .starts_with("local-lvm:base-100-disk-0")
    );
    let manifest = std::fs::read_to_string(folder.path().join("manifest.json")).unwrap();
    assert!(manifest.contains("\"artifact_id\": \"100\""), "{manifest}");
    let failed = lab
        .server()
        .requests()
        .into_iter()
        .filter(|line| line.status >= 400);
    assert_eq!(failed.count(), 0);
    let bad = lab.get("/nodes/pve/tasks?errors=1").data();
    assert_eq!(bad.as_array().unwrap().len(), 0, "{bad}");
    flows::passed(flows::CLONE_TEMPLATE, &ran.requests);
}

#[test]
fn an_iso_becomes_a_template() {
    let Some(env) = with("packer") else { return };
    let mut seed = seed();
    seed.storages[0].files.push(hl_sim::SeedFile {
        name: "iso/x.iso".to_owned(),
        size: 700 << 20,
        disk: 0,
    });
    let lab = lab(&seed);
    let folder = tempfile::tempdir().unwrap();
    let text = r#"
source "proxmox-iso" "deb" {
  proxmox_url   = local.url
  username      = local.user
  token         = local.secret
  node          = "pve"
  vm_id         = 130
  vm_name       = "iso-build"
  template_name = "from-iso"
  iso_file      = "local:iso/x.iso"
  communicator  = "none"
  cloud_init    = true
  cloud_init_storage_pool = "local-lvm"
  disks {
    type              = "scsi"
    disk_size         = "8G"
    storage_pool      = "local-lvm"
    storage_pool_type = "lvm"
  }
  network_adapters {
    bridge = "vmbr0"
    model  = "virtio"
  }
}
build { sources = ["source.proxmox-iso.deb"] }
"#;
    std::fs::write(
        folder.path().join("t.pkr.hcl"),
        format!("{}{text}", head(lab.server().addr())),
    )
    .unwrap();
    let ran = run(
        &env,
        lab.server(),
        folder.path(),
        &["packer", "build", "-color=false", "."],
    );
    assert_eq!(ran.code, 0, "{}", ran.text);
    let config = lab.get("/nodes/pve/qemu/130/config").data();
    assert_eq!(config["template"], 1);
    assert_eq!(config["name"], "from-iso");
    assert_eq!(config["ide2"], "local:iso/x.iso,media=cdrom,size=700M");
    assert!(
        config["scsi0"]
            .as_str()
            .unwrap()
            .contains("base-130-disk-0")
    );
    assert_eq!(
        config["ide0"],
        "local-lvm:vm-130-cloudinit,media=cdrom,size=4M"
    );
    flows::passed(flows::ISO_TEMPLATE, &ran.requests);
}
