//! What the simulator asks of whoever runs its guests.

use std::sync::{Arc, Mutex};

use hl_sim::{ContainerSystem, GuestKind, GuestSpec, Guests, NoGuests, World};
use serde_json::json;

use super::support::{Setup, seed, template};

/// Notes every call; fails on the call that is set.
#[derive(Default)]
struct Notes {
    calls: Mutex<Vec<String>>,
    specs: Mutex<Vec<GuestSpec>>,
    fail: Mutex<Option<String>>,
    deaf: Mutex<bool>,
}

impl Notes {
    fn note(&self, call: String) -> Result<(), String> {
        let fails = self.fail.lock().unwrap().as_deref() == Some(call.as_str());
        self.calls.lock().unwrap().push(call);
        if fails {
            Err("no space left on device".to_owned())
        } else {
            Ok(())
        }
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

impl Guests for Notes {
    fn create_disk(&self, volume: &str, image: Option<&str>) -> Result<(), String> {
        self.note(format!("create {volume} {}", image.unwrap_or("-")))
    }
    fn unpack(&self, volume: &str, system: &ContainerSystem) -> Result<(), String> {
        let keys = system.ssh_keys.join("|");
        self.note(format!("unpack {} {volume} {keys}", system.template))
    }
    fn clone_disk(&self, from: &str, to: &str) -> Result<(), String> {
        self.note(format!("clone {from} {to}"))
    }
    fn rename_disk(&self, from: &str, to: &str) -> Result<(), String> {
        self.note(format!("rename {from} {to}"))
    }
    fn remove_disk(&self, volume: &str) -> Result<(), String> {
        self.note(format!("remove {volume}"))
    }
    fn start(&self, guest: &GuestSpec) -> Result<(), String> {
        self.specs.lock().unwrap().push(guest.clone());
        self.note(format!("start {}", guest.vmid))
    }
    fn stop(&self, vmid: u32) -> Result<(), String> {
        self.note(format!("stop {vmid}"))
    }
    fn agent_ready(&self, _: u32) -> bool {
        !*self.deaf.lock().unwrap()
    }
}

#[test]
fn every_disk_is_made_copied_renamed_and_removed() {
    let notes = Arc::new(Notes::default());
    let lab = Setup {
        guests: Arc::<Notes>::clone(&notes),
        ..Setup::default()
    }
    .start();
    template(&lab, 9000);
    assert_eq!(
        notes.taken(),
        [
            "create local-lvm:vm-9000-disk-0 local:import/debian.qcow2",
            "rename local-lvm:vm-9000-disk-0 local-lvm:base-9000-disk-0",
        ]
    );
    lab.done(&lab.post("/nodes/pve/qemu/9000/clone", &[("newid", "110")]));
    assert_eq!(
        notes.taken(),
        ["clone local-lvm:base-9000-disk-0 local-lvm:vm-110-disk-0"]
    );
    let settings = [
        ("ciuser", "ops"),
        ("sshkeys", "ssh-ed25519%20AAAA%20me%0Assh-rsa%20BBBB%0A"),
        ("ipconfig0", "gw=10.77.0.1,ip=10.77.0.10/24"),
        ("name", "web"),
    ];
    lab.put("/nodes/pve/qemu/110/config", &settings).data();
    lab.done(&lab.post("/nodes/pve/qemu/110/status/start", &[]));
    assert_eq!(notes.taken(), ["start 110"]);
    let spec = notes.specs.lock().unwrap().pop().unwrap();
    assert_eq!(spec.name, "web");
    assert_eq!(spec.disk.as_deref(), Some("local-lvm:vm-110-disk-0"));
    assert_eq!(spec.user.as_deref(), Some("ops"));
    assert_eq!(spec.ssh_keys, ["ssh-ed25519 AAAA me", "ssh-rsa BBBB"]);
    assert_eq!(
        spec.ipconfig.as_deref(),
        Some("ip=10.77.0.10/24,gw=10.77.0.1")
    );
    assert!(spec.agent && spec.mac.unwrap().starts_with("BC:24:11:"));

    let agent = "/nodes/pve/qemu/110/agent/network-get-interfaces";
    let result = lab.get(agent).data()["result"].clone();
    assert_eq!(result[0]["name"], "lo");
    assert_eq!(
        result[1]["ip-addresses"],
        json!([{"ip-address": "10.77.0.10", "ip-address-type": "ipv4", "prefix": 24}])
    );
    assert_eq!(
        lab.post("/nodes/pve/qemu/110/agent/ping", &[]).data(),
        json!({"result": {}})
    );
    *notes.deaf.lock().unwrap() = true;
    lab.get(agent).fails(500, "QEMU guest agent is not running");
    lab.done(&lab.post("/nodes/pve/qemu/110/status/stop", &[]));
    lab.get(agent).fails(500, "VM 110 is not running");
    lab.done(&lab.delete("/nodes/pve/qemu/110"));
    assert_eq!(
        notes.taken(),
        [
            "stop 110",
            "remove local-lvm:vm-110-cloudinit",
            "remove local-lvm:vm-110-disk-0"
        ]
    );
}

#[test]
fn a_container_is_a_guest_by_its_own_settings() {
    let notes = Arc::new(Notes::default());
    let lab = Setup {
        guests: Arc::<Notes>::clone(&notes),
        ..Setup::default()
    }
    .start();
    let template = "debian-13-standard_13.1-2_amd64.tar.zst";
    let form = [("storage", "local"), ("template", template)];
    lab.done(&lab.post("/nodes/pve/aplinfo", &form));
    let volume = format!("local:vztmpl/{template}");
    let form = [
        ("vmid", "120"),
        ("ostemplate", volume.as_str()),
        ("storage", "local-lvm"),
        ("ssh-public-keys", "ssh-ed25519 AAAA me\nssh-rsa BBBB\n"),
        ("net0", "name=eth0,bridge=vmbr0,ip=dhcp"),
        ("features", "nesting=1"),
        ("nameserver", "192.168.1.1"),
    ];
    let unpack =
        format!("unpack {volume} local-lvm:vm-120-disk-0 ssh-ed25519 AAAA me|ssh-rsa BBBB");
    *notes.fail.lock().unwrap() = Some(unpack.clone());
    let task = lab.post("/nodes/pve/lxc", &form).data();
    assert_eq!(
        lab.exit_of(&task),
        "unable to create CT 120 - no space left on device"
    );
    let create = "create local-lvm:vm-120-disk-0 -".to_owned();
    assert_eq!(
        notes.taken(),
        [
            create.clone(),
            unpack.clone(),
            "remove local-lvm:vm-120-disk-0".to_owned()
        ]
    );
    let world = lab.server().world();
    assert!(world.vms.is_empty() && world.volumes.len() == 1);
    *notes.fail.lock().unwrap() = None;
    lab.done(&lab.post("/nodes/pve/lxc", &form));
    assert_eq!(notes.taken(), [create, unpack]);
    lab.done(&lab.post("/nodes/pve/lxc/120/status/start", &[]));
    let spec = notes.specs.lock().unwrap().pop().unwrap();
    assert_eq!(spec.kind, GuestKind::Lxc);
    assert_eq!(spec.name, "CT120");
    assert_eq!(spec.disk.as_deref(), Some("local-lvm:vm-120-disk-0"));
    assert!(spec.user.is_none() && spec.ssh_keys.is_empty() && !spec.agent);
    assert_eq!(spec.config["features"], "nesting=1");
    let leased = spec.ipconfig.unwrap();
    assert_eq!(leased, "ip=192.168.1.220/24,gw=192.168.1.1");
    let faces = lab.get("/nodes/pve/lxc/120/interfaces").data();
    // A lease comes with a router.
    let (address, router) = leased.split_once(",gw=").unwrap();
    assert_eq!(faces[1]["inet"], address.strip_prefix("ip=").unwrap());
    assert_eq!(router, "192.168.1.1");
    lab.done(&lab.post("/nodes/pve/lxc/120/status/stop", &[]));
    assert_eq!(notes.taken(), ["start 120", "stop 120"]);
}

#[test]
fn what_a_guest_cannot_do_fails_its_task() {
    let notes = Arc::new(Notes::default());
    let lab = Setup {
        guests: Arc::<Notes>::clone(&notes),
        ..Setup::default()
    }
    .start();
    template(&lab, 9000);
    let fail = |call: &str| *notes.fail.lock().unwrap() = Some(call.to_owned());
    fail("clone local-lvm:base-9000-disk-0 local-lvm:vm-110-disk-0");
    let clone = || lab.post("/nodes/pve/qemu/9000/clone", &[("newid", "110")]);
    let task = clone().data();
    assert_eq!(lab.exit_of(&task), "clone failed: no space left on device");
    let world = lab.server().world();
    assert!(!world.vms.contains_key(&110));
    assert!(world.volumes.iter().all(|volume| volume.vmid != Some(110)));
    fail("start 110");
    lab.done(&clone());
    let task = lab.post("/nodes/pve/qemu/110/status/start", &[]).data();
    assert_eq!(lab.exit_of(&task), "no space left on device");
    let status = lab.get("/nodes/pve/qemu/110/status/current").data();
    assert_eq!(status["status"], "stopped");
    lab.put(
        "/nodes/pve/qemu/110/config",
        &[("net0", "virtio,bridge=vmbr7")],
    )
    .data();
    let task = lab.post("/nodes/pve/qemu/110/status/start", &[]).data();
    assert_eq!(lab.exit_of(&task), "bridge 'vmbr7' does not exist");
}

#[test]
fn an_agent_that_is_switched_off_does_not_answer() {
    let lab = Setup::default().start();
    template(&lab, 9000);
    lab.done(&lab.post("/nodes/pve/qemu/9000/clone", &[("newid", "110")]));
    lab.put(
        "/nodes/pve/qemu/110/config",
        &[("agent", "enabled=0"), ("ipconfig0", "ip=dhcp")],
    )
    .data();
    lab.done(&lab.post("/nodes/pve/qemu/110/status/start", &[]));
    let agent = "/nodes/pve/qemu/110/agent/network-get-interfaces";
    lab.get(agent).fails(500, "QEMU guest agent is not running");
    lab.put("/nodes/pve/qemu/110/config", &[("agent", "1")])
        .data();
    lab.get(agent).fails(500, "QEMU guest agent is not running");
    lab.done(&lab.post("/nodes/pve/qemu/110/status/reboot", &[]));
    let result = lab.get(agent).data()["result"].clone();
    let address = result[1]["ip-addresses"][0]["ip-address"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(address, "192.168.1.210");
}

#[test]
fn what_ran_is_booted_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let mut lab = Setup {
        save_to: Some(&path),
        guests: Arc::new(NoGuests),
        ..Setup::default()
    }
    .start();
    template(&lab, 9000);
    for id in ["110", "111"] {
        lab.done(&lab.post("/nodes/pve/qemu/9000/clone", &[("newid", id)]));
    }
    lab.done(&lab.post("/nodes/pve/qemu/111/status/start", &[]));
    lab.running.take().unwrap().stop().unwrap();
    let notes = Arc::new(Notes::default());
    let mut lab = Setup {
        world: World::load(&path).unwrap(),
        guests: Arc::<Notes>::clone(&notes),
        ..Setup::default()
    }
    .start();
    assert_eq!(notes.taken(), ["start 111"]);
    lab.running.take().unwrap().stop().unwrap();
    assert_eq!(notes.taken(), ["stop 111"]);
}

#[test]
fn disks_of_a_seed_are_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let mut seed = seed();
    seed.vms.push(hl_sim::SeedVm {
        vmid: 100,
        config: [(
            "scsi0".to_owned(),
            "local-lvm:vm-100-disk-0,size=3G".to_owned(),
        )]
        .into(),
        ..hl_sim::SeedVm::default()
    });
    let mut world = World::seeded(&seed);
    for expected in [vec!["create local-lvm:vm-100-disk-0 -"], vec![]] {
        let notes = Arc::new(Notes::default());
        let mut lab = Setup {
            world,
            guests: Arc::<Notes>::clone(&notes),
            save_to: Some(&path),
            ..Setup::default()
        }
        .start();
        assert_eq!(notes.taken(), expected);
        lab.running.take().unwrap().stop().unwrap();
        world = World::load(&path).unwrap();
    }
}
