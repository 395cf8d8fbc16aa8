//! tofu with the bpg provider: a container made, changed in place, grown, read by
//! somebody who did not make it, copied, and destroyed.

use super::flows;
use super::tofu::{HEAD, Tofu};
use super::tools::with;
use crate::sim::support::{Lab, lab, seed};

/// What a plan says of the container; its size is that of the second disk too.
fn container(memory: u32, size: u32, more: &str) -> String {
    format!(
        r#"
resource "proxmox_virtual_environment_container" "web" {{
  node_name    = "pve"
  vm_id        = 120
  description  = "made by a test"
  tags         = ["hl", "web"]
  unprivileged = true
  features {{ nesting = true }}
  initialization {{
    hostname = "web"
    dns {{ servers = ["192.168.1.1"] }}
    ip_config {{
      ipv4 {{
        address = "192.168.1.60/24"
        gateway = "192.168.1.1"
      }}
    }}
    user_account {{
      keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZvbyBiYXIgYmF6 me@here"]
    }}
  }}
  cpu {{ cores = 2 }}
  memory {{ dedicated = {memory} }}
  disk {{
    datastore_id = "local-lvm"
    size         = {size}
  }}
  mount_point {{
    volume = "local-lvm"
    size   = "2G"
    path   = "/data"
  }}
  network_interface {{
    name   = "eth0"
    bridge = "vmbr0"
  }}
  operating_system {{
    template_file_id = "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst"
    type             = "debian"
  }}
{more}}}
"#
    )
}

const OUTPUT: &str = r#"
output "ipv4" { value = proxmox_virtual_environment_container.web.ipv4 }
"#;

const COPY: &str = r#"
resource "proxmox_virtual_environment_container" "copy" {
  node_name = "pve"
  vm_id     = 121
  started   = false
  clone { vm_id = proxmox_virtual_environment_container.base.vm_id }
  initialization { hostname = "copy" }
}
resource "proxmox_virtual_environment_container" "base" {
  node_name    = "pve"
  vm_id        = 9100
  template     = true
  started      = false
  unprivileged = true
  initialization { hostname = "base" }
  disk { datastore_id = "local-lvm" }
  operating_system {
    template_file_id = "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst"
    type             = "debian"
  }
}
"#;

fn fetch(lab: &Lab) {
    let file = "debian-13-standard_13.1-2_amd64.tar.zst";
    let form = [("storage", "local"), ("template", file)];
    lab.done(&lab.post("/nodes/pve/aplinfo", &form));
}

#[test]
fn a_container_lives_in_a_plan() {
    let Some(env) = with("tofu") else { return };
    let lab = lab(&seed());
    fetch(&lab);
    let folder = tempfile::tempdir().unwrap();
    let tofu = Tofu::new(env.clone(), &lab, folder.path());
    let first = container(512, 8, "");
    tofu.write(&format!("{HEAD}{first}{OUTPUT}{COPY}"));
    let init = tofu.run(&["init", "-input=false", "-no-color"]);
    assert_eq!(init.code, 0, "{}", init.text);
    tofu.apply();
    let out = tofu.run(&["output", "-json", "ipv4"]);
    assert!(out.text.contains("192.168.1.60"), "{}", out.text);
    let config = lab.get("/nodes/pve/lxc/120/config").data();
    assert_eq!(config["hostname"], "web");
    assert_eq!(config["rootfs"], "local-lvm:vm-120-disk-0,size=8G");
    let mount = config["mp0"].as_str().unwrap();
    assert!(
        mount.starts_with("local-lvm:vm-120-disk-1,mp=/data,"),
        "{mount}"
    );
    assert_eq!(config["features"], "nesting=1");
    let world = lab.server().world();
    assert!(world.vms[&120].run.is_some() && world.vms[&9100].is_template());
    assert_eq!(world.vms[&121].name(), "copy");

    // In place: the guest is the one that it was, and has what is new.
    let second = container(1024, 10, "  started = true\n");
    tofu.write(&format!("{HEAD}{second}{OUTPUT}{COPY}"));
    tofu.apply();
    let config = lab.get("/nodes/pve/lxc/120/config?current=1").data();
    assert_eq!(config["memory"], 1024);
    let root = config["rootfs"].as_str().unwrap();
    assert!(
        root.starts_with("local-lvm:vm-120-disk-0,") && root.ends_with(",size=10G"),
        "{root}"
    );
    let made = lab.server().requests();
    let made = made
        .iter()
        .filter(|line| line.method == "POST" && line.path == "/nodes/pve/lxc");
    assert_eq!(made.count(), 2, "nothing was made anew");

    // Somebody else's plan takes it over as it is.
    let other = tempfile::tempdir().unwrap();
    let theirs = Tofu::new(env, &lab, other.path());
    theirs.write(&format!("{HEAD}{second}"));
    let init = theirs.run(&["init", "-input=false", "-no-color"]);
    assert_eq!(init.code, 0, "{}", init.text);
    let web = "proxmox_virtual_environment_container.web";
    let import = theirs.run(&["import", "-input=false", "-no-color", web, "pve/120"]);
    assert_eq!(import.code, 0, "{}", import.text);
    let state = theirs.run(&["state", "show", "-no-color", web]);
    let state = state.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in ["hostname = \"web\"", "dedicated = 1024", "path = \"/data\""] {
        assert!(state.contains(line), "{line}: {state}");
    }

    let ran = tofu.run(&["destroy", "-auto-approve", "-input=false", "-no-color"]);
    assert_eq!(ran.code, 0, "{}", ran.text);
    let world = lab.server().world();
    assert!(
        world.vms.is_empty() && world.volumes.len() == 1,
        "{:?}",
        world.volumes
    );
    tofu.passed(flows::CONTAINERS);
}
