//! The collection community.proxmox by playbooks: containers.

use super::flows;
use super::python::Plays;
use crate::sim::support::{lab, seed};

const MADE: &str = r#"
- hosts: localhost
  gather_facts: false
  vars:
    template: debian-13-standard_13.1-2_amd64.tar.zst
  tasks:
    - community.proxmox.proxmox_template:
        node: pve
        storage: local
        content_type: vztmpl
        template: "{{ template }}"
    - community.proxmox.proxmox:
        vmid: 120
        node: pve
        hostname: web
        ostemplate: "local:vztmpl/{{ template }}"
        storage: local-lvm
        disk: "local-lvm:4"
        memory: 512
        swap: 256
        cores: 1
        pubkey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZvbyBiYXIgYmF6 me@here
        netif: { net0: "name=eth0,ip=192.168.1.60/24,gw=192.168.1.1,bridge=vmbr0" }
        unprivileged: true
        tags: [hl]
        update: false
    - community.proxmox.proxmox:
        vmid: 120
        node: pve
        state: started
"#;

const CHANGED: &str = r"
- hosts: localhost
  gather_facts: false
  tasks:
    - community.proxmox.proxmox:
        vmid: 120
        node: pve
        hostname: web
        memory: 1024
        update: true
    - community.proxmox.proxmox:
        vmid: 120
        node: pve
        state: stopped
        force: true
    - community.proxmox.proxmox:
        clone: 120
        clone_type: full
        vmid: 121
        node: pve
        hostname: copy
        storage: local-lvm
";

const REMOVED: &str = r#"
- hosts: localhost
  gather_facts: false
  tasks:
    - community.proxmox.proxmox:
        vmid: "{{ item }}"
        node: pve
        state: absent
      loop: [121, 120]
"#;

#[test]
fn containers_live_in_playbooks() {
    let lab = lab(&seed());
    let Some(plays) = Plays::new(&lab) else {
        return;
    };
    let mut requests = Vec::new();
    let mut play = |text: &str| {
        let ran = plays.play(text, "{}");
        requests.extend(ran.requests.iter().cloned());
        ran.text
    };
    let made = play(MADE);
    assert!(made.contains("changed=3"), "{made}");
    let again = play(MADE);
    assert!(again.contains("changed=0"), "{again}");
    let config = lab.get("/nodes/pve/lxc/120/config").data();
    assert_eq!(config["hostname"], "web");
    assert_eq!(config["rootfs"], "local-lvm:vm-120-disk-0,size=4G");
    assert_eq!(config["tags"], "hl");
    assert!(lab.server().world().vms[&120].run.is_some());
    let changed = play(CHANGED);
    assert!(changed.contains("changed=3"), "{changed}");
    let world = lab.server().world();
    assert_eq!(world.vms[&120].config["memory"], "1024");
    assert!(world.vms[&120].run.is_none() && world.vms[&121].name() == "copy");
    let removed = play(REMOVED);
    assert!(removed.contains("changed=1"), "{removed}");
    let world = lab.server().world();
    assert!(world.vms.is_empty() && world.volumes.len() == 1);
    flows::passed(flows::CONTAINER_PLAYBOOK, &requests);
}
