//! tofu with the bpg provider: clones, an update, a larger disk, the end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hl_sim::{Faults, Grant, RequestLine, SeedUser};
use serde_json::json;

use super::flows;
use super::tools::{Ran, run, with};
use crate::sim::support::{Lab, Setup, lab, seed, template};

pub(super) const HEAD: &str = r#"
terraform {
  required_providers {
    proxmox = { source = "bpg/proxmox", version = "0.111.1" }
  }
}
provider "proxmox" {}
"#;

fn machine(name: &str, vmid: u32, last: u8, full: bool, memory: u32, size: u32) -> String {
    let store = if full {
        "datastore_id = \"local-lvm\""
    } else {
        ""
    };
    format!(
        r#"
resource "proxmox_virtual_environment_vm" "{name}" {{
  name        = "{name}"
  node_name   = "pve"
  vm_id       = {vmid}
  description = "made by a test"
  tags        = ["hl", "web"]
  clone {{
    vm_id = 9000
    full  = {full}
    {store}
  }}
  agent {{
    enabled = true
    timeout = "20s"
  }}
  cpu {{
    cores = 2
    type  = "x86-64-v2-AES"
  }}
  memory {{ dedicated = {memory} }}
  disk {{
    interface    = "scsi0"
    datastore_id = "local-lvm"
    size         = {size}
    discard      = "on"
  }}
  network_device {{ bridge = "vmbr0" }}
  operating_system {{ type = "l26" }}
  serial_device {{}}
  initialization {{
    datastore_id = "local-lvm"
    ip_config {{
      ipv4 {{
        address = "192.168.1.{last}/24"
        gateway = "192.168.1.1"
      }}
    }}
    user_account {{
      username = "ops"
      keys     = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZvbyBiYXIgYmF6 me@here"]
    }}
  }}
}}
output "{name}" {{ value = proxmox_virtual_environment_vm.{name}.ipv4_addresses }}
"#
    )
}

/// tofu in a folder, for a lab.
pub(super) struct Tofu<'a> {
    env: BTreeMap<String, String>,
    lab: &'a Lab,
    folder: &'a Path,
    /// All that it asked for.
    requests: RefCell<Vec<RequestLine>>,
}

impl<'a> Tofu<'a> {
    pub(super) fn new(env: BTreeMap<String, String>, lab: &'a Lab, folder: &'a Path) -> Self {
        Self {
            env,
            lab,
            folder,
            requests: RefCell::default(),
        }
    }

    pub(super) fn run(&self, argv: &[&str]) -> Ran {
        let argv = [&["tofu"], argv].concat();
        let ran = run(&self.env, self.lab.server(), self.folder, &argv);
        self.requests.borrow_mut().extend(ran.requests.clone());
        ran
    }

    /// A flow of the page went well.
    pub(super) fn passed(&self, flow: &str) {
        flows::passed(flow, &self.requests.borrow());
    }

    pub(super) fn write(&self, text: &str) {
        std::fs::write(self.folder.join("main.tf"), text).unwrap();
    }

    pub(super) fn apply(&self) {
        let ran = self.run(&["apply", "-auto-approve", "-input=false", "-no-color"]);
        assert_eq!(ran.code, 0, "{}", ran.text);
        let plan = self.run(&["plan", "-detailed-exitcode", "-input=false", "-no-color"]);
        assert_eq!(plan.code, 0, "the second plan is empty: {}", plan.text);
    }
}

#[test]
fn clones_are_made_changed_grown_and_destroyed() {
    let Some(env) = with("tofu") else { return };
    // Slow enough that the provider meets a running task and a locked VM.
    let lab = Setup {
        faults: Faults::default().slow("clone", Duration::from_millis(1200)),
        ..Setup::default()
    }
    .start();
    template(&lab, 9000);
    let folder = tempfile::tempdir().unwrap();
    let tofu = Tofu::new(env, &lab, folder.path());
    let full = |memory, size| machine("full", 110, 50, true, memory, size);
    let linked = machine("linked", 111, 51, false, 1024, 3);
    tofu.write(&format!("{HEAD}{}{linked}", full(2048, 10)));
    let init = tofu.run(&["init", "-input=false", "-no-color"]);
    assert_eq!(init.code, 0, "{}", init.text);
    tofu.apply();
    let out = tofu.run(&["output", "-json", "full"]);
    assert_eq!(out.text.trim(), r#"[["127.0.0.1"],["192.168.1.50"]]"#);

    let config = lab.get("/nodes/pve/qemu/110/config").data();
    assert_eq!(config["memory"], "2048");
    assert_eq!(config["tags"], "hl;web");
    assert!(config["scsi0"].as_str().unwrap().contains("size=10G"));
    let world = lab.server().world();
    assert_eq!(
        world
            .volumes
            .iter()
            .find(|v| v.volid == "local-lvm:vm-111-disk-0")
            .unwrap()
            .parent,
        Some("local-lvm:base-9000-disk-0".to_owned())
    );
    assert!(world.vms.values().filter(|vm| vm.run.is_some()).count() == 2);

    let before = lab.server().world().vms[&110].run.clone().unwrap();
    tofu.write(&format!("{HEAD}{}{linked}", full(4096, 12)));
    tofu.apply();
    let config = lab.get("/nodes/pve/qemu/110/config?current=1").data();
    assert_eq!(config["memory"], "4096", "a change of memory restarts");
    assert!(config["scsi0"].as_str().unwrap().contains("size=12G"));
    assert_ne!(
        lab.server().world().vms[&110].run.clone().unwrap().pid,
        before.pid
    );

    let ran = tofu.run(&["destroy", "-auto-approve", "-input=false", "-no-color"]);
    assert_eq!(ran.code, 0, "{}", ran.text);
    let listed = lab.get("/cluster/resources?type=vm").data();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let strange: Vec<_> = lab
        .server()
        .requests()
        .into_iter()
        .filter(|line| line.status >= 400 && !line.path.ends_with("/status/current"))
        .collect();
    assert!(strange.is_empty(), "{strange:#?}");
    tofu.passed(flows::CLONES);
}

#[test]
fn a_file_is_downloaded_and_a_machine_made_from_it() {
    let Some(env) = with("tofu") else { return };
    let lab = lab(&seed());
    let folder = tempfile::tempdir().unwrap();
    let tofu = Tofu::new(env, &lab, folder.path());
    tofu.write(&format!(
        r#"{HEAD}
resource "proxmox_virtual_environment_download_file" "image" {{
  node_name    = "pve"
  datastore_id = "local"
  content_type = "import"
  url          = "https://cloud.example/debian-13.qcow2"
}}
resource "proxmox_virtual_environment_vm" "made" {{
  name      = "made"
  node_name = "pve"
  vm_id     = 120
  started   = true
  agent {{ enabled = false }}
  cpu {{ cores = 1 }}
  memory {{ dedicated = 512 }}
  disk {{
    interface    = "virtio0"
    datastore_id = "local-lvm"
    import_from  = proxmox_virtual_environment_download_file.image.id
    size         = 20
  }}
  network_device {{ bridge = "vmbr0" }}
  operating_system {{ type = "l26" }}
}}
data "proxmox_virtual_environment_vms" "all" {{
  depends_on = [proxmox_virtual_environment_vm.made]
}}
data "proxmox_virtual_environment_nodes" "all" {{}}
data "proxmox_virtual_environment_datastores" "all" {{ node_name = "pve" }}
"#
    ));
    let init = tofu.run(&["init", "-input=false", "-no-color"]);
    assert_eq!(init.code, 0, "{}", init.text);
    tofu.apply();
    let config = lab.get("/nodes/pve/qemu/120/config").data();
    assert!(
        config["virtio0"].as_str().unwrap().contains("size=20G"),
        "{config}"
    );
    let ran = tofu.run(&["destroy", "-auto-approve", "-input=false", "-no-color"]);
    assert_eq!(ran.code, 0, "{}", ran.text);
    let world = lab.server().world();
    assert!(world.vms.is_empty() && world.volumes.is_empty());
    assert_eq!(lab.get("/cluster/resources?type=vm").data(), json!([]));
    tofu.passed(flows::IMAGE);
}

/// The provider's newer resource repeats in the body what the path says.
#[test]
fn the_newer_resource_is_updated_and_its_description_stays() {
    let Some(env) = with("tofu") else { return };
    let lab = lab(&seed());
    let folder = tempfile::tempdir().unwrap();
    let tofu = Tofu::new(env, &lab, folder.path());
    let with_tags = |tags: &str| {
        tofu.write(&format!(
            "{HEAD}
resource \"proxmox_vm\" \"new\" {{
  id          = 150
  name        = \"new\"
  node_name   = \"pve\"
  description = \"several\\nlines\"
  tags        = [{tags}]
}}
resource \"proxmox_virtual_environment_vm\" \"old\" {{
  vm_id       = 151
  node_name   = \"pve\"
  started     = false
  description = <<-EOT
    several
    lines
  EOT
}}
"
        ));
    };
    with_tags("\"tag1\"");
    let init = tofu.run(&["init", "-input=false", "-no-color"]);
    assert_eq!(init.code, 0, "{}", init.text);
    tofu.apply();
    with_tags("\"tag1\", \"tag2\"");
    tofu.apply();
    let config = lab.get("/nodes/pve/qemu/150/config").data();
    assert_eq!(config["tags"], "tag1;tag2");
    let config = lab.get("/nodes/pve/qemu/151/config").data();
    assert_eq!(config["description"], "several\nlines");
    tofu.passed(flows::NEWER);
}

#[test]
fn a_password_serves_instead_of_a_token() {
    let Some(mut env) = with("tofu") else { return };
    let mut seed = seed();
    seed.users.push(SeedUser {
        id: "me@pve".to_owned(),
        password: Some("pass word".to_owned()),
        grants: vec![Grant::role("/", "Administrator")],
    });
    let lab = lab(&seed);
    let folder = tempfile::tempdir().unwrap();
    env.insert("PROXMOX_VE_USERNAME".to_owned(), "me@pve".to_owned());
    env.insert("PROXMOX_VE_PASSWORD".to_owned(), "pass word".to_owned());
    let tofu = Tofu::new(env, &lab, folder.path());
    tofu.write(&format!(
        "{HEAD}
resource \"proxmox_virtual_environment_vm\" \"bare\" {{
  name      = \"bare\"
  node_name = \"pve\"
  vm_id     = 140
  started   = false
  cpu {{ cores = 1 }}
  memory {{ dedicated = 512 }}
  operating_system {{ type = \"l26\" }}
}}
"
    ));
    let init = tofu.run(&["init", "-input=false", "-no-color"]);
    assert_eq!(init.code, 0, "{}", init.text);
    tofu.apply();
    let lines = lab.server().requests();
    let made = lines
        .iter()
        .find(|line| line.method == "POST" && line.path == "/nodes/pve/qemu")
        .unwrap();
    assert_eq!(made.who, "me@pve");
    tofu.passed(flows::LOGIN);
}
