//! tofu with the bpg provider: what is set around machines. People and their rights,
//! pools, storages, networks, firewalls.

use super::flows;
use super::tofu::{HEAD, Tofu};
use super::tools::with;
use crate::sim::support::{lab, seed};

const PEOPLE: &str = r#"
resource "proxmox_virtual_environment_pool" "lab" {
  pool_id = "lab"
  comment = "mine"
}
resource "proxmox_virtual_environment_group" "ops" {
  group_id = "ops"
  comment  = "people"
}
resource "proxmox_virtual_environment_role" "starter" {
  role_id    = "Starter"
  privileges = ["VM.Audit", "VM.PowerMgmt"]
}
resource "proxmox_virtual_environment_user" "ann" {
  user_id  = "ann@pve"
  comment  = "made by a test"
  password = "long enough"
  groups   = [proxmox_virtual_environment_group.ops.group_id]
}
resource "proxmox_virtual_environment_user_token" "ci" {
  user_id    = proxmox_virtual_environment_user.ann.user_id
  token_name = "ci"
  comment    = "for builds"
}
resource "proxmox_virtual_environment_acl" "group" {
  path     = "/pool/${proxmox_virtual_environment_pool.lab.pool_id}"
  role_id  = proxmox_virtual_environment_role.starter.role_id
  group_id = proxmox_virtual_environment_group.ops.group_id
}
resource "proxmox_virtual_environment_acl" "token" {
  path      = "/vms"
  role_id   = "PVEAuditor"
  token_id  = proxmox_virtual_environment_user_token.ci.id
  propagate = false
}
"#;

const NODE: &str = r#"
resource "proxmox_virtual_environment_network_linux_bridge" "lab" {
  node_name = "pve"
  name      = "vmbr9"
  address   = "10.9.0.1/24"
  comment   = "lab"
}
resource "proxmox_virtual_environment_dns" "pve" {
  node_name = "pve"
  domain    = "home"
  servers   = ["10.0.0.1", "10.0.0.2"]
}
resource "proxmox_virtual_environment_time" "pve" {
  node_name = "pve"
  time_zone = "Europe/Berlin"
}
resource "proxmox_virtual_environment_storage_directory" "more" {
  id      = "more"
  path    = "/srv/more"
  content = ["iso", "backup"]
  nodes   = ["pve"]
}
"#;

const NETWORK: &str = r#"
resource "proxmox_virtual_environment_firewall_alias" "office" {
  name = "office"
  cidr = "10.1.0.0/16"
}
resource "proxmox_virtual_environment_firewall_ipset" "bad" {
  name = "bad"
  cidr {
    name    = "10.2.0.0/16"
    comment = "not these"
  }
}
resource "proxmox_virtual_environment_cluster_firewall_security_group" "web" {
  name    = "web"
  comment = "made by a test"
  rule {
    type    = "in"
    action  = "ACCEPT"
    comment = "first"
    dest    = "10.3.0.0/16"
    dport   = "80"
    proto   = "tcp"
  }
  rule {
    type    = "in"
    action  = "ACCEPT"
    comment = "second"
    dport   = "443"
    proto   = "tcp"
  }
}
resource "proxmox_virtual_environment_sdn_zone_simple" "lab" {
  id    = "lab"
  nodes = ["pve"]
  mtu   = 1400
}
resource "proxmox_virtual_environment_sdn_vnet" "one" {
  id   = "one"
  zone = proxmox_virtual_environment_sdn_zone_simple.lab.id
}
resource "proxmox_virtual_environment_sdn_subnet" "one" {
  cidr    = "10.5.0.0/24"
  vnet    = proxmox_virtual_environment_sdn_vnet.one.id
  gateway = "10.5.0.1"
  snat    = true
}
resource "proxmox_virtual_environment_sdn_applier" "all" {
  depends_on = [proxmox_virtual_environment_sdn_subnet.one]
}
"#;

/// Applies, finds nothing more to do, and leaves nothing.
fn lives(flow: &str, text: &str, looks: impl FnOnce(&hl_sim::World)) {
    let Some(env) = with("tofu") else { return };
    let lab = lab(&seed());
    let folder = tempfile::tempdir().unwrap();
    let tofu = Tofu::new(env, &lab, folder.path());
    tofu.write(&format!("{HEAD}{text}"));
    let init = tofu.run(&["init", "-input=false", "-no-color"]);
    assert_eq!(init.code, 0, "{}", init.text);
    tofu.apply();
    looks(&lab.server().world());
    let ran = tofu.run(&["destroy", "-auto-approve", "-input=false", "-no-color"]);
    assert_eq!(ran.code, 0, "{}", ran.text);
    tofu.passed(flow);
}

#[test]
fn people_and_their_rights() {
    lives(flows::PEOPLE, PEOPLE, |world| {
        assert!(world.pools.contains_key("lab"));
        assert!(world.groups["ops"].members.contains("ann@pve"));
        assert!(world.tokens.contains_key("ann@pve!ci"));
        let group = world.acl.iter().find(|entry| entry.who == "@ops").unwrap();
        assert_eq!(
            (group.path.as_str(), group.role.as_str()),
            ("/pool/lab", "Starter")
        );
        let token = world
            .acl
            .iter()
            .find(|entry| entry.who == "ann@pve!ci")
            .unwrap();
        assert!(!token.propagate);
    });
}

#[test]
fn a_node_is_set_up() {
    lives(flows::NODE, NODE, |world| {
        let bridges = &world.node("pve").unwrap().bridges;
        let bridge = bridges
            .iter()
            .find(|bridge| bridge.name == "vmbr9")
            .unwrap();
        assert_eq!(bridge.cidr.as_deref(), Some("10.9.0.1/24"));
        assert_eq!(world.storages["more"].nodes, ["pve"]);
    });
}

#[test]
fn networks_and_firewalls_are_kept() {
    lives(flows::NETWORKS, NETWORK, |_| ());
}
